"""Posterior density: likelihood, coordinates, approximation, starting points and mode."""

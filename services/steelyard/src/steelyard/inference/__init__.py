"""The posterior density: likelihood, coordinates, approximation, starts and mode."""

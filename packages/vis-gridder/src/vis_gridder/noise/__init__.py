"""Noise of visibilities, measured from the data."""

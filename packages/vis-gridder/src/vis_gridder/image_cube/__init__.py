"""Restored image cubes as gridded visibilities."""

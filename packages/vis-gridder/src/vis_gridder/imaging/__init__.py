"""Dirty images of gridded visibilities: beams, moments, lines, pictures."""

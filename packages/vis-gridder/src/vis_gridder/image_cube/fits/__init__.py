"""FITS image cubes: axes, units and restoring beams, in one form."""

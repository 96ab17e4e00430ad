"""Rendering of a disc as a line cube: subcells, pixels, channels."""

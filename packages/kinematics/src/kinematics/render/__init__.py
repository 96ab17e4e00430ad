"""From a disc to a line cube: subcells, pixels, channels."""

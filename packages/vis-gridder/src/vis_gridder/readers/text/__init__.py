"""Text tables of visibilities."""

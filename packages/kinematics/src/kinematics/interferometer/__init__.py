"""Visibilities of a cube: primary beam, uv cells, tracks, mock observations."""

"""Gridding: cell means in the uv plane with measured noise."""

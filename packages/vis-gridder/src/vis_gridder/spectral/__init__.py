"""Spectral preparation before gridding: frames, channels, continuum."""

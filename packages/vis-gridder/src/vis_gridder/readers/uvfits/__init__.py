"""UVFITS files (random groups)."""

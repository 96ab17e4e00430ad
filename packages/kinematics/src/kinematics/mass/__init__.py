"""Gravity: components of the mass, each with its share of v_c^2, and the rotation curve."""

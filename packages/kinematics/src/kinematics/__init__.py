"""Rotating gas discs in stellar and black-hole potentials, as line cubes and visibilities."""

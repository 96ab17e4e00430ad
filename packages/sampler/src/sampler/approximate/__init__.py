"""Sampling with the help of a cheap approximation of the density."""

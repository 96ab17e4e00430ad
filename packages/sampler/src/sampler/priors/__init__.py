"""Priors: one-dimensional distributions as maps from a standard normal, and the space of named parameters."""

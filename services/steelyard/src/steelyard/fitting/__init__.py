"""Fit of a galaxy file to a posterior, and the folder that stores it."""

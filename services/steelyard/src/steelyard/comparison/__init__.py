"""Comparison of fits and of models."""

"""Fits and models beside each other."""

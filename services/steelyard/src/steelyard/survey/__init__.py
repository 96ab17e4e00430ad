"""Surveys: a table of galaxies, a folder of results, and what the two say together. Nothing here needs Ray."""

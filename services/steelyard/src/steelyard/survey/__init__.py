"""Surveys: a table of galaxies, a folder of results and their summary, without Ray."""

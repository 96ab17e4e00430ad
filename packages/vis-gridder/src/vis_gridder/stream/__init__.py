"""Visibilities as streams of blocks: the source, its history, and tests of what it holds."""

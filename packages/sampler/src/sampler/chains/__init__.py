"""Markov chains: start, MALA kernel, adaptation, checkpoints, result."""

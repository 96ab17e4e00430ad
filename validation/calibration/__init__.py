"""Calibration of error bars: ranks of the truth, coverage, and what approximate likelihoods cost."""

"""Surveys on Ray: the only part of Steelyard that imports it."""

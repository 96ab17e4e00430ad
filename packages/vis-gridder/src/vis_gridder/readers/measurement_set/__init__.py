"""CASA Measurement Sets."""

"""Readers of visibilities, one folder for each family of formats; `dispatch` recognises the format by content."""

"""Data of a fit: loading, checks, cropping and first estimates."""

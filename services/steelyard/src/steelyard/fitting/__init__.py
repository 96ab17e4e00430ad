"""A fit from galaxy file to posterior, and the folder that keeps it."""

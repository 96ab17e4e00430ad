"""Hostile and damaged inputs through every command: one line of error, nothing written, bounded memory."""

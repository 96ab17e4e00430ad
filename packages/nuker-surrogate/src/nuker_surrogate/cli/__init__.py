"""Command line: train, evaluate, publish, list and show surrogates. `steelyard surrogate` mounts `app`."""

from nuker_surrogate.cli.commands import app, main

__all__ = ["app", "main"]

"""Search for the mode of a log-density from many starts."""

"""A galaxy's forward model: from parameters to circular velocity, cube and visibilities."""

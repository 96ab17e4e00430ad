"""Forward model of a galaxy: circular velocity, cube and visibilities from parameters."""

"""All tests compute as commands do: a fit's draws depend on XLA's vectors, in the eighth digit."""

import os

from steelyard import vectors

# Read by JAX when it is first used, which importing a module of tests may do.
os.environ[vectors.VARIABLE] = vectors.with_wide_vectors(os.environ.get(vectors.VARIABLE, ""))

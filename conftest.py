"""All tests compute as commands do: a fit's draws depend on XLA's vectors, in the eighth digit."""

from steelyard.vectors import use_wide_vectors

# Read by JAX when it is first used, which importing a module of tests may do.
use_wide_vectors()

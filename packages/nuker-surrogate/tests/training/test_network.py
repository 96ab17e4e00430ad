import jax.numpy as jnp
import numpy as np
from flax import nnx
from nuker_surrogate.expansion.heads import dense
from nuker_surrogate.training.network import CoefficientNetwork


def test_folding_the_output_map_changes_nothing():
    rng = np.random.default_rng(0)
    unwhiten, offset = rng.normal(size=(7, 7)), rng.normal(size=7)
    network = CoefficientNetwork(5, (8, 6), unwhiten, offset, rngs=nnx.Rngs(1))
    network.layers[-1].kernel[...] = rng.normal(size=(6, 7))
    x = jnp.asarray(rng.normal(size=(10, 5)), jnp.float32)
    np.testing.assert_allclose(dense(*network.export(), x), network(x), rtol=1e-4, atol=1e-5)

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nuker_surrogate.expansion.heads import symexp, symlog


def test_symexp_and_symlog_are_inverse():
    # Over the fifteen decades that the coefficients span, both signs; 1e-12 in float64.
    c = np.concatenate([-np.geomspace(1e-12, 1e3, 31), [0.0], np.geomspace(1e-12, 1e3, 31)])
    with jax.enable_x64(True):
        np.testing.assert_allclose(symexp(jnp.asarray(symlog(c))), c, rtol=1e-12)
        assert float(symexp(jnp.asarray(3.0))) == pytest.approx(1e-12 * (1e3 - 1), rel=1e-12)

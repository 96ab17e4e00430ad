"""The cut transform against NumPy's, its transpose against the one that JAX derives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics.transform import half_plane

SIZES = [(16, 16), (15, 15), (16, 15), (16, 9), (16, 8), (15, 8), (15, 1)]


@pytest.mark.parametrize(("n", "npix"), SIZES)
def test_it_is_a_cut_of_the_whole_transform(n, npix):
    cube = np.random.default_rng(n).standard_normal((2, n, n))
    whole = np.fft.fft2(cube)
    v, u = np.arange(-(npix // 2), (npix + 1) // 2), np.arange(npix // 2 + 1)
    np.testing.assert_allclose(half_plane(jnp.asarray(cube), npix), whole[:, v[:, None] % n, u], atol=1e-12)


@pytest.mark.parametrize(("n", "npix"), SIZES)
def test_transpose(n, npix):
    rng = np.random.default_rng(npix)
    cube = jnp.asarray(rng.standard_normal((2, n, n)))
    real, imaginary = rng.standard_normal((2, 2, npix, npix // 2 + 1))
    v, u = np.arange(-(npix // 2), (npix + 1) // 2), np.arange(npix // 2 + 1)

    def total(plane):
        return jnp.sum(real * plane.real + imaginary * plane.imag)

    derived = jax.grad(lambda cube: total(jnp.fft.fft2(cube)[:, v[:, None] % n, u]))(cube)
    np.testing.assert_allclose(jax.grad(lambda cube: total(half_plane(cube, npix)))(cube), derived, atol=1e-11)

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nuker_surrogate import NukerParams, surface_density
from nuker_surrogate.law.nuker import log_slope, surface_density_gradient

laws = st.builds(
    lambda alpha, gamma, steepening, log_r: NukerParams(alpha, gamma + steepening, gamma, 10**log_r),
    st.floats(0.1, 10),
    st.floats(0.001, 1.2),
    st.floats(0.3, 3),
    st.floats(np.log10(2), np.log10(2000)),
)
radii = st.floats(1.0, 1e4)


@given(laws, radii)
def test_it_is_the_published_formula(law, R):
    # Lauer et al. (1995), eq. 1, as printed; float64 does not overflow here. 1e-12: rounding of the powers.
    x = R / law.r_b_pc
    printed = (
        2 ** ((law.beta - law.gamma) / law.alpha)
        * x**-law.gamma
        * (1 + x**law.alpha) ** ((law.gamma - law.beta) / law.alpha)
    )
    assert surface_density(R, law, xp=np) == pytest.approx(printed, rel=1e-12)


@given(laws)
def test_sigma_b_is_the_value_at_the_break(law):
    assert surface_density(law.r_b_pc, law, sigma_b=7.0, xp=np) == pytest.approx(7.0, rel=1e-13)


@settings(deadline=None)
@given(laws, radii)
def test_single_precision_neither_overflows_nor_drifts(law, R):
    single = NukerParams(*(jnp.float32(leaf) for leaf in law))
    value = surface_density(jnp.float32(R), single)
    assert value.dtype == jnp.float32
    # 1e-5: an absolute error of 4e-6 in log Sigma, of which 36 is the largest value, is 1 unit in the last place.
    assert float(value) == pytest.approx(float(surface_density(R, law, xp=np)), rel=1e-5)


@given(laws, radii)
def test_the_gradient_is_a_derivative(law, R):
    # Central difference over h: its error is h^2 alpha^2 relative, 1e-6 at alpha = 10.
    h = 1e-4
    low, high = (surface_density(R * np.exp(s * h), law, xp=np) for s in (-1, 1))
    numeric = (high - low) / (2 * h * R)
    assert surface_density_gradient(R, law, xp=np) == pytest.approx(numeric, rel=1e-4, abs=1e-12 * high / R / h)


@given(laws)
def test_slopes_of_the_two_ends(law):
    # Ten e-folds of x^alpha beyond the break, what is left of the other slope is e^-40.
    far = np.exp(40 / law.alpha)
    assert log_slope(law.r_b_pc * far, law, np) == pytest.approx(law.beta, rel=1e-12)
    assert log_slope(law.r_b_pc / far, law, np) == pytest.approx(law.gamma, rel=1e-9)
    assert log_slope(law.r_b_pc, law, np) == pytest.approx((law.beta + law.gamma) / 2, rel=1e-9)


def test_gradients_at_the_corners_are_finite():
    def log_density(law):
        return jnp.log(surface_density(jnp.geomspace(1.0, 1e4, 50), law)).sum()

    for alpha in (0.1, 10.0):
        for r_b in (2.0, 2000.0):
            gradient = jax.grad(log_density)(NukerParams(alpha, 4.2, 1.2, r_b))
            assert all(np.isfinite(leaf) for leaf in gradient)

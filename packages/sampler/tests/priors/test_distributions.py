import math
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler import LogUniform, Normal, ParameterSpace, Sine, Uniform
from scipy import stats

PRIORS = {
    "uniform": Uniform(-3.0, 5.0),
    "offset uniform": Uniform(1000.0, 1001.0),
    "log-uniform": LogUniform(1e-3, 1e4),
    "normal": Normal(2.0, 0.5),
    "half-normal": Normal(0.0, 2.0, low=0.0),
    "truncated": Normal(1.0, 2.0, low=-1.0, high=1.5),
    "far tail": Normal(0.0, 1.0, low=6.0, high=9.0),
    "far lower tail": Normal(0.0, 1.0, high=-12.0),
    "narrow": Normal(0.0, 1.0, low=0.3, high=0.301),
    "inclination": Sine(0.0, math.pi / 2),
    "inclination in degrees": Sine(20.0, 85.0, degrees=True),
    "full sphere": Sine(0.0, math.pi),
}
EACH = pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS.keys())


def reference(prior):
    """The same distribution by SciPy, or by the closed form of its CDF."""
    match prior:
        case Uniform():
            return stats.uniform(prior.low, prior.high - prior.low)
        case LogUniform():
            return stats.loguniform(prior.low, prior.high)
        case Normal():
            a, b = (prior.low - prior.mean) / prior.sd, (prior.high - prior.mean) / prior.sd
            return stats.truncnorm(a, b, prior.mean, prior.sd)
        case Sine():

            class Isotropic:
                unit = math.pi / 180 if prior.degrees else 1.0
                c0, c1 = math.cos(unit * prior.low), math.cos(unit * prior.high)

                def cdf(self, x):
                    return (self.c0 - np.cos(self.unit * x)) / (self.c0 - self.c1)

                def ppf(self, u):
                    return np.arccos(self.c0 - u * (self.c0 - self.c1)) / self.unit

            return Isotropic()


class Mapped(NamedTuple):
    """A prior's maps on a grid of z."""

    x: np.ndarray
    slope: np.ndarray
    log_det: np.ndarray
    tilt: np.ndarray  # d log_prob / dx
    back: np.ndarray


N_GRID = 801


@cache
def program(prior):
    def everything(z):
        x, slope = jax.value_and_grad(prior.forward)(z)
        return Mapped(x, slope, prior.log_det(z), jax.grad(prior.log_prob)(x), prior.inverse(x))

    return jax.jit(jax.vmap(everything))


def mapped(prior, z):
    """All maps at N_GRID points, in double precision; one compilation per prior and dtype for all tests."""
    return Mapped(*(np.asarray(a) for a in program(prior)(jnp.asarray(z, float))))


def mapped_in_float32(prior, z):
    with jax.enable_x64(False):
        return Mapped(*(np.asarray(a) for a in program(prior)(jnp.asarray(z, jnp.float32))))


grids = (
    st.integers(0, 2**32 - 1)
    .map(lambda seed: np.random.default_rng(seed).uniform(-8, 8, N_GRID - 3))
    .map(lambda z: np.concatenate([z, [-8.0, 0.0, 8.0]]))
)


@pytest.mark.slow
@EACH
def test_forward_is_the_quantile_function(prior):
    z = np.linspace(-4, 4, N_GRID)
    # SciPy's truncnorm and arccos lose digits near the bounds; 1e-9 of the range is theirs, not ours.
    expected = reference(prior).ppf(stats.norm.cdf(z))
    np.testing.assert_allclose(mapped(prior, z).x, expected, rtol=1e-9, atol=1e-9 * np.ptp(expected))


@EACH
def test_density_integrates_to_one(prior):
    low, high = (np.clip(b, -30, 30) if math.isinf(b) else b for b in prior.support)
    edges = np.geomspace(low, high, 60) if isinstance(prior, LogUniform) else np.linspace(low, high, 60)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    half = 0.5 * np.diff(edges)[:, None]
    x = 0.5 * (edges[1:] + edges[:-1])[:, None] + half * nodes
    total = np.sum(half * weights * np.exp(prior.log_prob(x)))
    assert total == pytest.approx(1.0, abs=1e-10)  # 20-point Gauss rules on smooth pieces are exact to rounding


@pytest.mark.slow
@EACH
@settings(max_examples=30, deadline=None)
@given(z=grids)
def test_log_det_is_the_jacobian(prior, z):
    m = mapped(prior, 0.75 * z)
    # log_prob is read at a rounded x: its own slope times a few roundings of x bounds the disagreement.
    assert np.all(np.abs(np.log(m.slope) - m.log_det) <= 1e-9 + 1e-14 * np.abs(m.x * m.tilt))


@EACH
@settings(max_examples=30, deadline=None)
@given(z=grids)
def test_round_trip(prior, z):
    m = mapped(prior, z)
    assert all(map(prior.contains, m.x))
    # A rounding of x, of the bound it is measured from, or of one sd moves z by that much over dx/dz.
    ends = max((abs(b) for b in prior.support if math.isfinite(b)), default=0.0)
    size = np.abs(m.x) + ends + getattr(prior, "sd", 0.0)
    assert np.all(np.abs(m.back - z) <= 1e-9 + 8 * np.finfo(float).eps * size / np.maximum(m.slope, 1e-300))


@pytest.mark.slow
@EACH
def test_float32_tails_stay_finite_and_inside(prior):
    m = mapped_in_float32(prior, np.linspace(-40, 40, N_GRID))
    assert m.x.dtype == np.float32
    low, high = np.float32(prior.support)
    assert np.all((m.x >= low) & (m.x <= high))
    # Monotone but for a few roundings: of x, and where the range is narrow of the quantile within it.
    assert np.all(np.diff(m.x) >= -4 * np.spacing(np.abs(m.x[1:])) - 1e-3 * np.ptp(m.x))
    assert all(np.all(np.isfinite(a)) for a in (m.x, m.slope, m.back))


@pytest.mark.slow
@EACH
def test_float32_agrees_with_float64(prior):
    z = np.linspace(-3, 3, N_GRID)
    exact, single = mapped(prior, z).x, mapped_in_float32(prior, z).x
    # 20 float32 roundings of the value, or 1e-4 of the width where the range is a small part of a standard deviation.
    np.testing.assert_allclose(single, exact, atol=20 * 6e-8 * np.max(np.abs(exact)) + 1e-4 * np.ptp(exact), rtol=0)


@pytest.mark.parametrize("name", ["truncated", "far tail", "half-normal", "inclination", "log-uniform"])
def test_draws_follow_the_prior(name):
    prior = PRIORS[name]
    draws = np.asarray(prior.sample(jax.random.key(3), (4000,)))
    # One fixed key: a p-value under 1e-3 would be a defect, not chance.
    assert stats.kstest(draws, reference(prior).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    "make",
    [
        lambda: Uniform(1.0, 1.0),
        lambda: Uniform(0.0, math.inf),
        lambda: LogUniform(0.0, 1.0),
        lambda: Sine(-0.1, 1.0),
        lambda: Sine(0.0, 90.0),
        lambda: Normal(0.0, 0.0),
        lambda: Normal(0.0, 1.0, low=2.0, high=1.0),
        lambda: Normal(0.0, 1.0, low=1e200),
    ],
)
def test_impossible_priors_are_refused(make):
    with pytest.raises(ValueError, match=r"\w+\("):
        make()


SPACE = ParameterSpace({"a": Uniform(0, 1), "fixed": 3.5, "b": Normal(0, 2, low=0), "i": Sine(0, 90, degrees=True)})


def test_space_orders_names_and_keeps_fixed_values():
    assert SPACE.names == ("a", "b", "i")
    values = SPACE.constrain(jnp.zeros((5, 3)))
    assert set(values) == {"a", "b", "i", "fixed"}
    assert values["a"].shape == (5,)
    assert float(values["fixed"]) == 3.5
    np.testing.assert_array_equal(SPACE.constrain_array(jnp.zeros((5, 3)))[:, 1], values["b"])


def test_space_log_prior_is_prior_plus_jacobian():
    z = jnp.array([0.3, -1.2, 2.0])
    x = SPACE.constrain(z)
    by_hand = sum(float(p.log_prob(x[n])) for n, p in SPACE.priors.items())
    jacobian = np.linalg.slogdet(jax.jit(jax.jacobian(SPACE.constrain_array))(z))[1]
    assert float(SPACE.log_prior(z)) == pytest.approx(by_hand + jacobian, abs=1e-10)


def test_space_round_trip_and_errors():
    values = {"a": 0.25, "b": 1.0, "i": 30.0}
    back = SPACE.constrain(SPACE.unconstrain(values))
    assert {n: pytest.approx(v, abs=1e-10) for n, v in values.items()} == {n: float(back[n]) for n in values}
    with pytest.raises(ValueError, match=r"b = -1.0 is outside.*i is missing|i is missing.*b = -1.0 is outside"):
        SPACE.unconstrain({"a": 0.5, "b": -1.0})
    with pytest.raises(ValueError, match="no parameter has a prior"):
        ParameterSpace({"a": 1.0})
    with pytest.raises(TypeError, match="'a'"):
        ParameterSpace({"a": "uniform"})

"""The box of Nuker parameters that the released surrogates cover, and sampling of it.

Box coordinates are alpha, beta - gamma, gamma and log10(r_b / pc).
"""

from types import ModuleType

import jax.numpy as jnp
import numpy as np
from steelyard_schemas.surrogate import Domain, Interval

from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.nuker import Array, NukerParams

DOMAIN = Domain(
    alpha=Interval(low=0.1, high=10.0),
    beta_minus_gamma=Interval(low=0.3, high=3.0),
    gamma=Interval(low=0.001, high=1.2),
    r_b_pc=Interval(low=2.0, high=2000.0),
)

NAMES = ("alpha", "beta_minus_gamma", "gamma", "r_b_pc")

# beta - gamma is a difference of two single-precision numbers: rounding must not exclude the faces.
_ROUNDING = 2e-6


def limits(domain: Domain = DOMAIN) -> tuple[Float, Float]:
    """Lower and upper corner of the box, (4,) box coordinates each."""
    pairs = [(getattr(domain, name).low, getattr(domain, name).high) for name in NAMES]
    low, high = np.array(pairs).T
    low[3], high[3] = np.log10(low[3]), np.log10(high[3])
    return low, high


def from_box(box: Float) -> NukerParams:
    """Nuker parameters with (n,) leaves from (n, 4) box coordinates."""
    alpha, steepening, gamma, log_r_b = np.asarray(box, dtype=np.float64).T
    return NukerParams(alpha, steepening + gamma, gamma, 10**log_r_b)


def to_box(params: NukerParams, xp: ModuleType = np) -> tuple[Array, Array, Array, Array]:
    """Box coordinates of Nuker parameters: four arrays of the shapes of the leaves."""
    return (
        params.alpha,
        xp.asarray(params.beta) - xp.asarray(params.gamma),
        params.gamma,
        xp.log10(params.r_b_pc),
    )


def sample_box(n: int, rng: np.random.Generator, faces: float = 0.0, domain: Domain = DOMAIN) -> Float:
    """Draw (n, 4) box coordinates, uniform apart from the points on faces.

    Args:
        n: number of points.
        rng: random generator.
        faces: probability of each coordinate to lie on one of its two limits; 0.5 gives many edges and corners.
        domain: the box.
    """
    low, high = limits(domain)
    margin = faces / (2 * (1 - faces))
    unit = rng.uniform(-margin, 1 + margin, size=(n, 4)).clip(0, 1)
    return low + unit * (high - low)


def inside(params: NukerParams, domain: Domain = DOMAIN, xp: ModuleType = jnp) -> Array:
    """Whether the parameters lie in the box, its faces included; boolean array of the leaves' shape."""
    ok: Array = True
    for name, value in zip(NAMES, _natural(params, xp), strict=True):
        low, high = _widened(getattr(domain, name))
        ok = ok & (value >= low) & (value <= high)  # a NaN is not inside
    return ok


def check_inside(params: NukerParams, domain: Domain = DOMAIN) -> None:
    """Raise ValueError naming the first parameter outside the box, its value and the allowed range."""
    for name, value in zip(NAMES, _natural(params, np), strict=True):
        low, high = _widened(getattr(domain, name))
        value = np.atleast_1d(value)
        bad = ~((value >= low) & (value <= high))
        if bad.any():
            allowed = getattr(domain, name)
            more = f" (and {bad.sum() - 1} more)" if bad.sum() > 1 else ""
            raise ValueError(
                f"{name.replace('_minus_', ' - ')} = {value[bad][0]:g}{more} is outside the surrogate's domain "
                f"[{allowed.low:g}, {allowed.high:g}]: narrow the prior or train a surrogate for it"
            )


def _natural(params: NukerParams, xp: ModuleType) -> tuple[Array, Array, Array, Array]:
    alpha, beta, gamma, r_b_pc = (xp.asarray(leaf) for leaf in params)
    return alpha, beta - gamma, gamma, r_b_pc


def _widened(interval: Interval) -> tuple[float, float]:
    return interval.low * (1 - _ROUNDING), interval.high * (1 + _ROUNDING)

"""Priors as maps from a standard normal: x = F^-1(Phi(z)), F being the prior's cumulative distribution.

With this one idea the prior and its Jacobian together are N(0, 1) in z, whatever the prior. Against a
bound the probit beats the logit: a posterior that piles up there, p(x) ~ exp(-k (high - x)), has a
Gaussian-like upper tail in z instead of an exponential one, so that one preconditioner fits both sides.
Every prior is a frozen dataclass of Python floats and a pytree of them, and every method but `support` and
`contains` works on arrays of any shape, inside jit, vmap and grad, also with the floats themselves traced.
"""

import math
from dataclasses import dataclass, field

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtr, ndtri
from jax.typing import ArrayLike
from scipy import special

from sampler.priors.base import Prior, register_prior
from sampler.priors.normal_tails import HALF_LOG_2PI, Z_MAX, clip_z, truncated_quantile, truncated_quantile_inverse


def _uniform_quantile(z: Array, low: ArrayLike, high: ArrayLike) -> Array:
    """low + (high - low) Phi(z), measured from the nearer end so that neither end loses digits."""
    low, high = jnp.asarray(low), jnp.asarray(high)
    below = z < 0
    tail = (high - low) * ndtr(jnp.where(below, z, -z))  # not -|z|, whose gradient at z = 0 is wrong
    return jnp.where(below, low + tail, high - tail)


def _normal_score(from_low: Array, to_high: Array) -> Array:
    """Phi^-1(u) from u and 1 - u, of which the smaller is used; limited to [-Z_MAX, Z_MAX]."""
    thin = jnp.clip(jnp.minimum(from_low, to_high), float(special.ndtr(-Z_MAX)), 0.5)
    return jnp.where(from_low < to_high, ndtri(thin), -ndtri(thin))


def _require_bounds(kind: str, low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"{kind}(low={low}, high={high}): bounds must be finite with low < high")


@register_prior
@dataclass(frozen=True)
class Uniform(Prior):
    """Uniform between `low` and `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _require_bounds("Uniform", self.low, self.high)

    @property
    def support(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return self.low, self.high

    def log_prob(self, x: ArrayLike) -> Array:
        """Log density, constant inside."""
        x = jnp.asarray(x)
        return jnp.where((x >= self.low) & (x <= self.high), -jnp.log(self.high - self.low), -jnp.inf)

    def forward(self, z: ArrayLike) -> Array:
        """Value for unconstrained z."""
        return _uniform_quantile(clip_z(jnp.asarray(z)), self.low, self.high)

    def inverse(self, x: ArrayLike) -> Array:
        """Unconstrained z of a value."""
        x, width = jnp.asarray(x), self.high - self.low
        return _normal_score((x - self.low) / width, (self.high - x) / width)


@register_prior
@dataclass(frozen=True)
class LogUniform(Prior):
    """Density proportional to 1 / x between `low` > 0 and `high`."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _require_bounds("LogUniform", self.low, self.high)
        if self.low <= 0:
            raise ValueError(f"LogUniform(low={self.low}): low must be positive")

    @property
    def support(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return self.low, self.high

    def log_prob(self, x: ArrayLike) -> Array:
        """Log density."""
        x = jnp.asarray(x)
        inside = (x >= self.low) & (x <= self.high)
        log_x = jnp.log(jnp.where(inside, x, self.low))
        return jnp.where(inside, -log_x - jnp.log(jnp.log(self.high / self.low)), -jnp.inf)

    def forward(self, z: ArrayLike) -> Array:
        """Value for unconstrained z."""
        return jnp.clip(
            jnp.exp(_uniform_quantile(clip_z(jnp.asarray(z)), jnp.log(self.low), jnp.log(self.high))),
            self.low,
            self.high,
        )

    def inverse(self, x: ArrayLike) -> Array:
        """Unconstrained z of a value."""
        log_x, low, high = (jnp.log(v) for v in (jnp.maximum(jnp.asarray(x), self.low), self.low, self.high))
        return _normal_score((log_x - low) / (high - low), (high - log_x) / (high - low))


@register_prior
@dataclass(frozen=True)
class Sine(Prior):
    """Isotropic orientation: density proportional to sin(x) between two angles in [0, pi].

    Angles are radians, or degrees with `degrees=True`. Works in sin^2(x / 2) = (1 - cos x) / 2, which
    is uniform under this prior and keeps its digits where cos x is near one (face-on).
    """

    low: float
    high: float
    degrees: bool = field(default=False, metadata={"static": True})

    def __post_init__(self) -> None:
        _require_bounds("Sine", self.low, self.high)
        if self.low < 0 or self.high > (180.0 if self.degrees else math.pi):
            raise ValueError(f"Sine(low={self.low}, high={self.high}): angles must lie within 0 to 180 degrees")

    @property
    def support(self) -> tuple[float, float]:
        """Lowest and highest angle, in the unit of the prior."""
        return self.low, self.high

    @property
    def _unit(self) -> float:
        return math.pi / 180.0 if self.degrees else 1.0

    def _sin2_half(self, angle: ArrayLike) -> Array:
        return jnp.sin(0.5 * self._unit * angle) ** 2

    def _cos2_half(self, angle: ArrayLike) -> Array:
        return jnp.cos(0.5 * self._unit * angle) ** 2

    def log_prob(self, x: ArrayLike) -> Array:
        """Log density per unit of the angle."""
        x = jnp.asarray(x)
        inside = (x >= self.low) & (x <= self.high)
        norm = 2.0 * (self._sin2_half(self.high) - self._sin2_half(self.low)) / self._unit
        sine = jnp.sin(self._unit * jnp.where(inside, x, 0.5 * (self.low + self.high)))
        return jnp.where(inside, jnp.log(jnp.maximum(sine, 0.0)) - jnp.log(norm), -jnp.inf)

    def forward(self, z: ArrayLike) -> Array:
        """Angle for unconstrained z."""
        z = clip_z(jnp.asarray(z))
        sin2 = _uniform_quantile(z, self._sin2_half(self.low), self._sin2_half(self.high))
        cos2 = _uniform_quantile(-z, self._cos2_half(self.high), self._cos2_half(self.low))
        angle = 2.0 * jnp.arctan2(jnp.sqrt(sin2), jnp.sqrt(cos2)) / self._unit
        return jnp.clip(angle, self.low, self.high)

    def inverse(self, x: ArrayLike) -> Array:
        """Unconstrained z of an angle."""
        x, low, high = (0.5 * self._unit * jnp.asarray(v) for v in (x, self.low, self.high))
        norm = self._sin2_half(self.high) - self._sin2_half(self.low)
        # sin^2 a - sin^2 b = sin(a + b) sin(a - b) avoids the cancellation near a bound.
        return _normal_score(jnp.sin(x + low) * jnp.sin(x - low) / norm, jnp.sin(high + x) * jnp.sin(high - x) / norm)


@register_prior
@dataclass(frozen=True)
class Normal(Prior):
    """Normal with `mean` and `sd`, truncated to [low, high] where those are given (0, inf: half-normal)."""

    mean: float
    sd: float
    low: float = -math.inf
    high: float = math.inf
    _tails: tuple[tuple[float, float], tuple[float, float]] = field(init=False, repr=False, compare=False)
    """(log Phi(a), log Phi(b)) and (log Phi(-a), log Phi(-b)) of the standardised bounds."""
    _log_mass: float = field(init=False, repr=False, compare=False)
    is_bounded: bool = field(init=False, repr=False, compare=False, metadata={"static": True})
    _is_truncated: bool = field(init=False, repr=False, compare=False, metadata={"static": True})

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sd) and self.sd > 0):
            raise ValueError(f"Normal(mean={self.mean}, sd={self.sd}): mean must be finite and sd positive")
        if not self.low < self.high:
            raise ValueError(f"Normal(low={self.low}, high={self.high}): needs low < high")
        tails = self._find_tails()
        finite = math.isfinite(self.low), math.isfinite(self.high)
        # Frozen means frozen from here on.
        self.__dict__.update(
            _tails=tails, _log_mass=self._find_log_mass(tails), is_bounded=all(finite), _is_truncated=any(finite)
        )
        if not math.isfinite(self._log_mass):
            raise ValueError(f"{self}: the truncated range is too narrow or too far from the mean to normalise")

    @property
    def support(self) -> tuple[float, float]:
        """Lowest and highest value, infinite where there is no bound."""
        return self.low, self.high

    def _find_tails(self) -> tuple[tuple[float, float], tuple[float, float]]:
        a, b = (self.low - self.mean) / self.sd, (self.high - self.mean) / self.sd
        lower = float(special.log_ndtr(a)), float(special.log_ndtr(b))
        return lower, (float(special.log_ndtr(-a)), float(special.log_ndtr(-b)))

    def _find_log_mass(self, tails: tuple[tuple[float, float], tuple[float, float]]) -> float:
        (below_low, below_high), (above_low, above_high) = tails
        # The tail in which both bounds are the smaller numbers keeps the digits of their difference.
        large, small = (below_high, below_low) if self.low < self.mean else (above_low, above_high)
        ratio = math.exp(small - large)
        return large + math.log1p(-ratio) if ratio < 1 else -math.inf

    def log_prob(self, x: ArrayLike) -> Array:
        """Log density."""
        x = jnp.asarray(x)
        t = (x - self.mean) / self.sd
        inside = (x >= self.low) & (x <= self.high)
        return jnp.where(inside, -0.5 * t * t - HALF_LOG_2PI - jnp.log(self.sd) - self._log_mass, -jnp.inf)

    def forward(self, z: ArrayLike) -> Array:
        """Value for unconstrained z."""
        z = jnp.asarray(z)
        if not self._is_truncated:
            return self.mean + self.sd * z
        t = truncated_quantile(clip_z(z), *self._tails, self._log_mass)
        return jnp.clip(self.mean + self.sd * t, self.low, self.high)

    def inverse(self, x: ArrayLike) -> Array:
        """Unconstrained z of a value."""
        t = (jnp.asarray(x) - self.mean) / self.sd
        if not self._is_truncated:
            return t
        return truncated_quantile_inverse(t, *self._tails, self._log_mass)

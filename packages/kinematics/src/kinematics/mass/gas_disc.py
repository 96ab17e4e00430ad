"""Self-gravity of the gas: a thin exponential disc."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import i0e, i1e
from jax.typing import ArrayLike

from kinematics.constants import G_PC_KMS2_MSUN, pc_per_arcsec
from kinematics.mass.base import MASS
from kinematics.registry import Params

__all__ = ["ExponentialGas", "exponential_disc_velocity_squared"]

FAR = 12.0


class ExponentialGas(NamedTuple):
    """A thin disc of surface density exp(-R / h)."""

    mass_msun: ArrayLike
    """Total mass [Msun]."""
    scale_pc: ArrayLike
    """Scale length h [pc]."""

    def velocity_squared(self, radius_pc: ArrayLike) -> Array:
        """Return v_c^2 [km^2 s^-2], shape of `radius_pc`."""
        return exponential_disc_velocity_squared(self.mass_msun, self.scale_pc, radius_pc)


@MASS.register("gas_disc")
def gas_disc(params: Params, redshift: ArrayLike) -> ExponentialGas:
    """Build a disc of mass log10_gas_mass [Msun] with the scale length of its light, disc_scale_arcsec."""
    scale_pc = params["disc_scale_arcsec"] * pc_per_arcsec(jnp.asarray(params["distance_mpc"]))
    return ExponentialGas(10.0 ** jnp.asarray(params["log10_gas_mass"]), scale_pc)


def exponential_disc_velocity_squared(mass_msun: ArrayLike, scale_pc: ArrayLike, radius_pc: ArrayLike) -> Array:
    """Return v_c^2 of a thin exponential disc, (2 G M / h) y^2 [I0 K0 - I1 K1], y = R / 2h (Freeman 1970, eq. 10).

    Args:
        mass_msun: total mass [Msun].
        scale_pc: scale length h [pc].
        radius_pc: radii [pc], shape (...,).

    Returns:
        v_c^2 [km^2 s^-2], shape (...,).

    """
    y = jnp.asarray(radius_pc) / (2 * jnp.asarray(scale_pc))
    return 2 * G_PC_KMS2_MSUN * jnp.asarray(mass_msun) / scale_pc * y**2 * _freeman_bracket(y)


def _freeman_bracket(y: Array) -> Array:
    """I0 K0 - I1 K1, accurate to 1e-8; an asymptotic series replaces the cancelling products beyond y = 12."""
    near = jnp.minimum(y, FAR)
    k0e, k1e = _scaled_bessel_k(near)
    x = 1 / (2 * jnp.maximum(y, FAR)) ** 2
    series = jnp.zeros_like(x)
    for coefficient in _far_coefficients(10)[::-1].tolist():
        series = (series + coefficient) * x
    return jnp.where(y < FAR, i0e(near) * k0e - i1e(near) * k1e, jnp.sqrt(x) * series)


def _far_coefficients(n: int) -> np.ndarray:
    """Coefficients of x^1, x^2, ... in 2y (I0 K0 - I1 K1), x = 1 / (2y)^2 (DLMF 10.40.6 for nu = 0 and 1)."""
    odd = 2 * np.arange(n) + 1
    half = np.cumprod(-odd / (odd + 1))
    return half * (np.cumprod(0.0 - odd**2) - np.cumprod(4.0 - odd**2))


def _scaled_bessel_k(y: Array) -> tuple[Array, Array]:
    """Return exp(y) K0(y) and exp(y) K1(y), from K_n(y) = int_0^inf exp(-y cosh t) cosh(n t) dt.

    JAX has no K_n. The trapezoidal rule converges exponentially on this integrand; the upper limit grows
    like acosh so that the long tail at small y is covered.
    """
    s = jnp.asarray(np.linspace(0.0, 1.0, 65), y.dtype)
    weight = jnp.asarray(np.r_[0.5, np.ones(63), 0.5] / 64, y.dtype)
    upper = jnp.arccosh(1 + 40 / y)[..., None]
    t = upper * s
    # cosh t - 1 = 2 sinh^2(t/2) keeps full precision at small t.
    decay = jnp.exp(-2 * y[..., None] * jnp.sinh(t / 2) ** 2) * weight * upper
    return jnp.sum(decay, axis=-1), jnp.sum(decay * jnp.cosh(t), axis=-1)

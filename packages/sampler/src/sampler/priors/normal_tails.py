"""Standard normal quantiles that stay accurate in both tails, in float32 and float64."""

import math

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import log_ndtr

Z_MAX = 10.0
"""Beyond |z| = 10 a standard normal holds 1e-23 of its mass, and Phi(-10) is still a normal float32."""

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def clip_z(z: Array) -> Array:
    """Limit z to [-Z_MAX, Z_MAX], so that no quantile underflows; the prior still pulls back beyond it."""
    return jnp.clip(z, -Z_MAX, Z_MAX)


def ndtri_exp(log_p: Array) -> Array:
    """Return t with log Phi(t) = `log_p`, for log_p <= log(1/2) or so (use the other tail above).

    `ndtri(exp(log_p))` underflows in the far tail, so Newton's method runs on log Phi. That is concave and
    the start lies below the root, since Phi(-s) < exp(-s^2 / 2), hence every step stays below it; from
    log_p = log(1/2), the slowest, seven steps reach double precision.
    """

    def step(_: int, t: Array) -> Array:
        log_cdf = log_ndtr(t)
        slope = jnp.exp(-0.5 * t * t - HALF_LOG_2PI - log_cdf)
        return t - (log_cdf - log_p) / slope

    return jax.lax.fori_loop(0, 7, step, -jnp.sqrt(-2.0 * log_p))


def truncated_quantile(z: Array, lower: tuple[float, float], upper: tuple[float, float], log_mass: float) -> Array:
    """Map z to the quantile Phi(z) of a standard normal truncated to [a, b].

    Args:
        z: any shape, standard normal a priori.
        lower: (log Phi(a), log Phi(b)).
        upper: (log Phi(-a), log Phi(-b)).
        log_mass: log(Phi(b) - Phi(a)).

    Returns:
        t in [a, b] with (Phi(t) - Phi(a)) / (Phi(b) - Phi(a)) = Phi(z), shape of z.
    """

    @jax.custom_jvp
    def quantile(z: Array) -> Array:
        # (1 - Phi(z)) Phi(a) + Phi(z) Phi(b), and its complement: sums of positive terms, without cancellation.
        above, below = log_ndtr(jnp.stack([-z, z]))
        log_p = jnp.logaddexp(lower[0] + above, lower[1] + below)
        log_q = jnp.logaddexp(upper[0] + above, upper[1] + below)
        # Solve in whichever tail is the thinner one: that probability is known to full relative precision.
        t = ndtri_exp(jnp.minimum(log_p, log_q))
        return jnp.where(log_p <= log_q, t, -t)

    @quantile.defjvp
    def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        (z,), (dz,) = primals, tangents
        t = quantile(z)
        return t, jnp.exp(log_mass + 0.5 * (t - z) * (t + z)) * dz

    return quantile(z)


def _log_diff(log_large: Array, log_small: Array) -> Array:
    """Log(exp(log_large) - exp(log_small)), -inf where they are equal."""
    return log_large + jnp.log(-jnp.expm1(jnp.minimum(log_small - log_large, 0.0)))


def truncated_quantile_inverse(
    t: Array, lower: tuple[float, float], upper: tuple[float, float], log_mass: float
) -> Array:
    """Inverse of `truncated_quantile`: the z whose quantile is t, limited to [-Z_MAX, Z_MAX]."""
    from_lower = t <= 0
    log_u = jnp.where(
        from_lower, _log_diff(log_ndtr(t), jnp.asarray(lower[0])), _log_diff(jnp.asarray(upper[0]), log_ndtr(-t))
    )
    log_v = jnp.where(
        from_lower, _log_diff(jnp.asarray(lower[1]), log_ndtr(t)), _log_diff(log_ndtr(-t), jnp.asarray(upper[1]))
    )
    thin = jnp.minimum(log_u, log_v) - log_mass
    # log Phi(-Z_MAX): anything thinner is clipped, which also keeps -inf out of Newton's method.
    z = ndtri_exp(jnp.maximum(thin, -0.5 * Z_MAX**2 - HALF_LOG_2PI - math.log(Z_MAX) - 0.02))
    return clip_z(jnp.where(log_u <= log_v, z, -z))

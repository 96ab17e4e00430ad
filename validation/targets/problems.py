"""Standard targets with moments that are known exactly, or by quadrature over one variable."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats


class Target(NamedTuple):
    """A log-density with known moments.

    Attributes:
        name: for tables.
        log_density: of z (dim,), up to a constant.
        dim: of z.
        quantities: z -> (k,), what the moments are of.
        mean, sd: (k,).
    """

    name: str
    log_density: Callable
    dim: int
    quantities: Callable
    mean: np.ndarray
    sd: np.ndarray


def gaussian(dim):
    """Neighbours correlated by 0.9, widths over two decades, centre one width from zero."""
    widths = np.geomspace(1, 0.01, dim)
    covariance = 0.9 ** np.abs(np.subtract.outer(np.arange(dim), np.arange(dim))) * np.outer(widths, widths)
    whitener = jnp.asarray(np.linalg.inv(np.linalg.cholesky(covariance)))

    def log_density(z):
        return -0.5 * jnp.sum((whitener @ (z - widths)) ** 2)

    return Target(f"correlated Gaussian, {dim}-d", log_density, dim, lambda z: z, widths, widths)


def banana(bend, width, dim=10):
    """x ~ N(0, 1), y = bend x^2 + width N(0, 1), the others standard normal."""

    def log_density(z):
        return -0.5 * z[0] ** 2 - 0.5 * ((z[1] - bend * z[0] ** 2) / width) ** 2 - 0.5 * jnp.sum(z[2:] ** 2)

    mean, sd = np.zeros(dim), np.ones(dim)
    mean[1], sd[1] = bend, np.sqrt(2 * bend**2 + width**2)
    return Target(f"banana, bend {bend:g}, width {width:g}, {dim}-d", log_density, dim, lambda z: z, mean, sd)


def funnel(dim=10):
    """Neal (2003, Annals of Statistics 31, 705): v ~ N(0, 3), the others N(0, exp(v / 2))."""

    def log_density(z):
        v, x = z[0], z[1:]
        return -0.5 * (v / 3) ** 2 - 0.5 * jnp.sum(x**2) * jnp.exp(-v) - 0.5 * (dim - 1) * v

    # Of the neck alone: the others have no moments worth the name (their standard deviation is exp(9 / 4)).
    return Target(f"funnel, {dim}-d", log_density, dim, lambda z: z[:1], np.zeros(1), np.array([3.0]))


EFFECT = np.array([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0])
ERROR = np.array([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0])


def eight_schools():
    """Rubin (1981), as posteriordb has it, not centred: mu ~ N(0, 5), tau ~ half-Cauchy(5), theta ~ N(mu, tau).

    Truth: given tau all is Gaussian, and tau is integrated over by quadrature.
    """

    def quantities(z):
        return jnp.concatenate([z[:2], z[0] + jnp.exp(z[1]) * z[2:]])

    def log_density(z):
        tau = jnp.exp(z[1])
        theta = z[0] + tau * z[2:]
        prior = -0.5 * (z[0] / 5) ** 2 - jnp.log1p((tau / 5) ** 2) + z[1] - 0.5 * jnp.sum(z[2:] ** 2)
        return prior - 0.5 * jnp.sum(((EFFECT - theta) / ERROR) ** 2)

    log_tau = np.linspace(-12, 6, 4001)
    weight, first, second = [], [], []
    for tau in np.exp(log_tau):
        # Joint of (mu, theta) before the data, and what the data make of it.
        prior = 25 * np.ones((9, 9)) + np.diag([0.0, *[tau**2] * 8])
        gain = prior[:, 1:] @ np.linalg.inv(prior[1:, 1:] + np.diag(ERROR**2))
        mean, covariance = gain @ EFFECT, prior - gain @ prior[1:, :]
        evidence = stats.multivariate_normal.logpdf(EFFECT, np.zeros(8), prior[1:, 1:] + np.diag(ERROR**2))
        weight.append(evidence - np.log1p((tau / 5) ** 2) + np.log(tau))
        first.append(np.insert(mean, 1, np.log(tau)))
        second.append(np.insert(np.diag(covariance) + mean**2, 1, np.log(tau) ** 2))
    weight = np.exp(weight - np.max(weight))
    mean, square = (np.average(moment, axis=0, weights=weight) for moment in (first, second))
    return Target("eight schools, not centred", log_density, 10, quantities, mean, np.sqrt(square - mean**2))


def regression(n=60, p=5):
    """Linear regression with unknown scatter: coefficients N(0, 2), sigma half-Cauchy(1). Quadrature over sigma."""
    rng = np.random.default_rng(11)
    x = rng.standard_normal((n, p)) @ (np.eye(p) + 0.7 * np.ones((p, p)))
    y = x @ np.linspace(-1, 1, p) + 0.8 * rng.standard_normal(n)

    def log_density(z):
        sigma = jnp.exp(z[p])
        prior = -0.5 * jnp.sum((z[:p] / 2) ** 2) - jnp.log1p(sigma**2) + z[p]
        return prior - 0.5 * jnp.sum(((y - x @ z[:p]) / sigma) ** 2) - n * z[p]

    log_sigma = np.linspace(np.log(0.4), np.log(2.0), 1001)
    weight, first, second = [], [], []
    for sigma in np.exp(log_sigma):
        covariance = np.linalg.inv(x.T @ x / sigma**2 + np.eye(p) / 4)
        mean = covariance @ x.T @ y / sigma**2
        marginal = sigma**2 * np.eye(n) + 4 * x @ x.T
        evidence = stats.multivariate_normal.logpdf(y, np.zeros(n), marginal)
        weight.append(evidence - np.log1p(sigma**2) + np.log(sigma))
        first.append([*mean, np.log(sigma)])
        second.append([*(np.diag(covariance) + mean**2), np.log(sigma) ** 2])
    weight = np.exp(weight - np.max(weight))
    mean, square = (np.average(moment, axis=0, weights=weight) for moment in (first, second))
    return Target("regression with scatter", log_density, p + 1, lambda z: z, mean, np.sqrt(square - mean**2))


def all_targets():
    """The targets of docs/targets.md."""
    return [
        *(gaussian(dim) for dim in (2, 5, 20, 50, 100)),
        regression(),
        eight_schools(),
        banana(0.3, 0.7),
        banana(0.5, 0.5),
        banana(1.0, 0.3),
        funnel(),
    ]


def quantities_of(target, draws):
    """Quantities (chain, draw, k) of draws (chain, draw, dim)."""
    return np.asarray(jax.jit(jax.vmap(jax.vmap(target.quantities)))(jnp.asarray(draws)))

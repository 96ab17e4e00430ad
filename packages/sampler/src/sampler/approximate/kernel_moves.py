"""Long moves by a kernel density of earlier draws, for posteriors with bent or forked ridges.

The narrowest part of the posterior limits the MALA steps. In the directions in which draws spread wider than that,
the coordinate is redrawn from a kernel density of an archive of draws (an independence sampler) or, less often, moved
by the difference of two of them (differential evolution, ter Braak 2006), which also leads out of regions that the
archive does not cover. The other directions stay. A chain thus crosses
a ridge in one move where MALA takes hundreds of steps.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.mcmc import mala
from jax import Array
from jax.typing import ArrayLike

from sampler.chains.whitening import whiten

_LOOSE = 2.0  # variance, in units of the preconditioner's and the temperature, above which a direction is redrawn
_SIZE = 800
_BANDWIDTH = 1.2  # in whitened units, about the width of the ridge
_TAIL = 3  # degrees of freedom of the kernel, Student's t: heavy tails, so that no chain lingers where it is sparse
_EVERY_WIDE, _WIDE = 5, 5.0  # one kernel in five is five times as wide, for the same reason
_DIFFERENCES = 0.3  # probability of a move by a difference
_SHORT_STEPS = 0.2  # probability of a short MALA step


class Archive(NamedTuple):
    """Fixed draws of the density to be sampled, in whitened coordinates y = L^-1 (z - centre).

    Attributes:
        centre: (dim,) in z.
        points: (n, dim), projected on the loose directions.
        projector: (dim, dim) on these directions; its trace is their number.
    """

    centre: ArrayLike
    points: ArrayLike
    projector: ArrayLike

    def centred_at(self, origin: Array, factor: Array) -> "Archive":
        """The same archive with its centre moved to `origin` (dim,)."""
        shift = whiten(jnp.asarray(self.centre), factor, origin)
        projector = jnp.asarray(self.projector)
        return Archive(origin, jnp.asarray(self.points) - projector @ shift, projector)


def make_archive(draws: np.ndarray, factor: np.ndarray, temperature: float = 1.0) -> Archive:
    """Archive of draws (n_draws, dim) made at a temperature, for a preconditioner L L^T with L = `factor`."""
    centre = draws.mean(axis=0, dtype=np.float64)
    whitened = np.linalg.solve(factor, (draws - centre).T).T
    values, vectors = np.linalg.eigh(whitened.T @ whitened / len(whitened))
    loose = vectors[:, values > _LOOSE * temperature]
    chosen = np.linspace(0, len(draws) - 1, _SIZE).astype(int)
    return Archive(centre, whitened[chosen] @ loose @ loose.T, loose @ loose.T)


def archive_move(
    key: Array, at: mala.MALAState, log_density: Callable[[Array], Array], archive: Archive
) -> mala.MALAState:
    """Move once in the loose directions from y = `at.position` (dim,), with the archive's centre at 0."""
    points, projector = jnp.asarray(archive.points), jnp.asarray(archive.projector)
    n, dim = points.shape
    dtype = at.position.dtype
    coin, pick, spread, tail, decide = jax.random.split(key, 5)
    scale = jnp.sqrt(jnp.sum(jax.random.normal(tail, (_TAIL,), dtype) ** 2) / _TAIL)
    chosen = jax.random.randint(pick, (2,), 0, n)
    first, second = points[chosen]
    rank = jnp.trace(projector)
    wide = jnp.where(jnp.arange(n) % _EVERY_WIDE == 0, _WIDE, 1.0).astype(dtype)
    kernel = _BANDWIDTH * wide[chosen[0]] * (projector @ jax.random.normal(spread, (dim,), dtype)) / scale

    def log_kernel_density(loose: Array) -> Array:
        distance = jnp.sum((loose - points) ** 2, axis=-1) / (_BANDWIDTH * wide) ** 2
        return jax.nn.logsumexp(-0.5 * (_TAIL + rank) * jnp.log1p(distance / _TAIL) - rank * jnp.log(wide))

    by_difference = jax.random.uniform(coin, dtype=dtype) < _DIFFERENCES
    now = projector @ at.position
    then = jnp.where(by_difference, now + first - second, first + kernel)
    moved = mala.init(at.position + (then - now), log_density)
    # A difference is as likely as its opposite.
    asymmetry = jnp.where(by_difference, 0.0, log_kernel_density(now) - log_kernel_density(then))
    log_ratio = moved.logdensity - at.logdensity + asymmetry
    accepted = jnp.log(jax.random.uniform(decide, dtype=dtype)) < log_ratio
    return jax.tree.map(lambda new, old: jnp.where(accepted, new, old), moved, at)


def archive_step(
    key: Array, at: mala.MALAState, log_density: Callable[[Array], Array], step_size: ArrayLike, archive: Archive
) -> mala.MALAState:
    """Take one MALA step in y, of eps = `step_size` or a fifth of it, then make one move by the archive."""
    langevin, long, short = jax.random.split(key, 3)
    # Now and then a short one, for places narrower than those that the step size was tuned in.
    eps = step_size * jnp.where(jax.random.uniform(short, dtype=at.position.dtype) < _SHORT_STEPS, 0.2, 1.0)
    at, _ = mala.build_kernel()(langevin, at, log_density, 0.5 * eps**2)
    return archive_move(long, at, log_density, archive)

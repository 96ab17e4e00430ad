"""Search for the mode from many starts: Adam for all, saddle-free Newton for the best, verdicts on the others."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from sampler.density import LogDensity, evaluate, working_dtype
from sampler.devices import on_chain_devices
from sampler.mode.curvature import Evaluate
from sampler.mode.newton import MAX_STEPS, Peak, newton
from sampler.mode.rivals import rival_peaks
from sampler.mode.verdicts import StartOutcome, classify_starts, distances
from sampler.progress import Progress, ProgressCallback


@dataclass(frozen=True)
class Mode:
    """Mode of a log-density, and the outcome of each start.

    Attributes:
        position: (dim,) in the dtype of the starts.
        log_density: log-density there.
        factor: (dim, dim) lower-triangular L, L L^T = inverse negative Hessian at the mode (float64).
        converged: whether the next Newton step would gain less than 0.05 in log-density.
        positive_definite: whether the negative Hessian is; otherwise `factor` has the absolute values of its
            eigenvalues.
        starts: one outcome per start, in the order given.
        n_gradients: gradient evaluations spent.
        rivals: separate peaks of comparable height that starts ended on.
    """

    position: np.ndarray
    log_density: float
    factor: np.ndarray
    converged: bool
    positive_definite: bool
    starts: tuple[StartOutcome, ...]
    n_gradients: int
    rivals: tuple[Peak, ...] = ()

    @property
    def log_mass(self) -> float:
        """Logarithm of the mass of the Gaussian at the mode, on the scale of `Peak.log_mass`."""
        return self.log_density + float(np.sum(np.log(np.diag(self.factor))))


class _CountingEvaluator:
    """Evaluate in batches, counting gradients and reporting progress."""

    def __init__(self, log_density: LogDensity, args: tuple[Any, ...], batch_size: int, dtype: np.dtype[Any]) -> None:
        self._density, self._batch, self._dtype = log_density, batch_size, dtype
        self._args = on_chain_devices(args, batch_size)
        self.n_gradients = 0
        self._began = time.perf_counter()

    def __call__(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.n_gradients += len(points)
        return evaluate(self._density, np.asarray(points, self._dtype), self._args, self._batch)

    @property
    def rate(self) -> float:
        """Gradients per second so far."""
        return self.n_gradients / max(time.perf_counter() - self._began, 1e-9)


def _reset_rows(rows: np.ndarray, leaf: jax.Array) -> jax.Array:
    """Zero the moments of some starts; the step count, a scalar, is shared by all and stays."""
    return leaf if leaf.ndim == 0 else jnp.where(rows[:, None], 0, leaf)


def adam(
    evaluate: Evaluate,
    points: np.ndarray,
    n_steps: int,
    learning_rate: float,
    on_step: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Ascend from (n, dim) points; return the best point each visited and its value.

    A start that runs into a non-finite density returns to its best point with no momentum.
    """
    optimiser = optax.adam(optax.cosine_decay_schedule(learning_rate, n_steps, alpha=0.01), b2=0.99)
    update = jax.jit(optimiser.update)
    points = points.copy()
    state = optimiser.init(points)
    best, best_value = points.copy(), np.full(len(points), -np.inf)
    for step in range(n_steps):
        value, gradient = evaluate(points)
        better = value > best_value
        best[better], best_value[better] = points[better], value[better]
        lost = ~np.isfinite(value)
        if np.any(lost):
            points[lost] = best[lost]
            state = jax.tree.map(partial(_reset_rows, lost), state)
        change, state = update(-gradient, state)
        points += np.asarray(change, np.float64)
        if on_step is not None:
            on_step(step, best_value.max())
    return best, best_value


def find_mode(
    log_density: LogDensity,
    starts: ArrayLike,
    *,
    args: tuple[Any, ...] = (),
    n_steps: int = 300,
    learning_rate: float = 0.1,
    batch_size: int = 4,
    progress: ProgressCallback | None = None,
) -> Mode:
    """Find the highest mode reached from many starting points, and the curvature there.

    All starts climb by Adam for half of the steps. The best is refined by Newton steps whose Hessian is a
    central difference of gradients, so that the density is compiled once. Of the best `batch_size`, those that
    are not where it ended climb on: for the other half of the steps, then in the coordinates whitened at the
    mode, before they are judged; all of them do if Newton's steps did not converge. Newton's steps then refine the
    rivals, too.

    Args:
        log_density: `log_density(z, *args)`, scalar, differentiable by JAX.
        starts: (n, dim) unconstrained points, about standard normal in scale. Their dtype is used.
        args: further arguments of the density; traced, so that new data of the same shapes compile nothing.
        n_steps: Adam steps, the second half of which only starts take that need them.
        learning_rate: first Adam step, in units of z; decays to a hundredth.
        batch_size: points evaluated together. Equal to `MalaConfig.n_chains`, sampling reuses the program.
        progress: called after every step.

    Returns:
        The mode, with one `StartOutcome` per start.

    Raises:
        ValueError: if starts is not (n, dim), n_steps < 2, batch_size < 1, or no start has a finite density
            and gradient.
    """
    points = np.asarray(starts)
    if points.ndim != 2:
        raise ValueError(f"starts has shape {points.shape}: expected (n, dim)")
    if n_steps < 2 or batch_size < 1:
        raise ValueError(f"n_steps = {n_steps}, batch_size = {batch_size}: need at least 2 and 1")
    counter = _CountingEvaluator(log_density, args, batch_size, working_dtype(points))

    def report(step: int, value: float) -> None:
        if progress is not None:
            total = n_steps + MAX_STEPS
            best = float(value) if np.isfinite(value) else None
            progress(Progress("optimise", step + 1, total, best, gradients_per_second=counter.rate))

    n_first = n_steps // 2
    ends, values = adam(counter, points.astype(np.float64), n_first, learning_rate, report)
    if not np.any(np.isfinite(values)):
        raise ValueError("no start has a finite log-density and gradient: give starts inside the support")

    def climb_on(which: np.ndarray, factor: np.ndarray) -> None:
        ends[which], values[which] = adam(
            counter, ends[which], n_steps - n_first, 0.3 * learning_rate, lambda i, v: report(n_first + i, v)
        )
        polish(counter, ends, values, which, factor)

    best, peak = _refine(counter, ends, values, batch_size, climb_on, lambda i, v: report(n_steps + i, v))
    outcomes = classify_starts(counter, ends, values, best, peak.factor)
    rivals = rival_peaks(counter, outcomes, peak)
    peak = peak._replace(position=peak.position.astype(working_dtype(points)))
    return Mode(*peak, outcomes, counter.n_gradients, rivals)


def _refine(
    evaluate: Evaluate,
    ends: np.ndarray,
    values: np.ndarray,
    n_kept: int,
    climb_on: Callable[[np.ndarray, np.ndarray], None],
    on_step: Callable[[int, float], None],
) -> tuple[int, Peak]:
    """Refine the best start by Newton steps, and once more if others of the best `n_kept` then climb past it.

    Args:
        evaluate: the log-density.
        ends: (n, dim) end points so far, updated in place,
        values: (n,) log-densities there, too.
        n_kept: starts that may climb on.
        climb_on: `climb_on(which, factor)` moves these starts, in `ends` and `values`.
        on_step: called after each Newton step.

    Returns:
        Index of the best start, and its peak.
    """
    kept = np.argsort(-values, kind="stable")[:n_kept]
    kept = kept[np.isfinite(values[kept])]
    dim = ends.shape[1]
    factor = 0.1 * np.eye(dim)
    for is_last in (False, True):
        best = int(np.argmax(values))
        peak = newton(evaluate, ends[best], factor, on_step)
        ends[best], values[best], factor = peak.position, peak.log_density, peak.factor
        if is_last:
            break
        # Starts that already lie within the Gaussian at the mode need not climb on.
        astray = kept[distances(ends[kept], ends[best], factor) > np.sqrt(dim)] if peak.converged else kept
        if len(astray):
            climb_on(astray, factor)
        if peak.converged and values.max() <= values[best] + 0.1:
            break
    return best, peak


def polish(evaluate: Evaluate, ends: np.ndarray, values: np.ndarray, which: np.ndarray, factor: np.ndarray) -> None:
    """Let the starts `which` climb on in whitened coordinates, updating `ends` and `values` in place."""
    origin = ends[which]

    def whitened(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, gradient = evaluate(origin + y @ factor.T)
        return value, gradient @ factor

    y, value = adam(whitened, np.zeros_like(origin), 60, 0.5)
    ends[which], values[which] = origin + y @ factor.T, value

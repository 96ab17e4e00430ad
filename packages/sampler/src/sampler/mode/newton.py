"""Newton's steps to the peak of a log-density, for bent valleys and saddles."""

from typing import Any, NamedTuple

import numpy as np

from sampler.mode.curvature import Evaluate, rewhiten, whitened_hessian

MAX_STEPS = 25
_TRIAL_STEPS = np.array([1.0, 0.5, 0.15, 0.03])
_STEADY = 6  # in a bent valley the curvature changes from step to step, long after there is nothing left to climb


class Peak(NamedTuple):
    """End of a Newton search; attributes as of `Mode`."""

    position: np.ndarray
    log_density: float
    factor: np.ndarray
    converged: bool
    positive_definite: bool

    @property
    def log_mass(self) -> float:
        """Logarithm of the mass of the Gaussian here (Laplace), but for a constant that all peaks share."""
        return self.log_density + float(np.sum(np.log(np.diag(self.factor))))


def newton(evaluate: Evaluate, position: np.ndarray, factor: np.ndarray, on_step: Any = None) -> Peak:
    """Climb by saddle-free Newton steps from `position` (dim,), in coordinates whitened anew at each step."""
    value, gradient = (a[0] for a in evaluate(position[None]))
    converged = definite = False
    steady = 0
    for step in range(MAX_STEPS):
        hessian = whitened_hessian(evaluate, position, factor)
        definite = bool(np.linalg.eigvalsh(hessian)[0] > 0)
        settled = bool(np.all(np.abs(np.linalg.eigvalsh(hessian) - 1.0) < 0.5))
        factor = rewhiten(factor, hessian)
        whitened = factor.T @ gradient
        converged = 0.5 * float(whitened @ whitened) < 0.05
        steady = steady + 1 if converged else 0
        if on_step is not None:
            on_step(step, value)
        if converged and (settled or steady == _STEADY):
            break
        trial = position + _TRIAL_STEPS[:, None] * (factor @ whitened)
        values, gradients = evaluate(trial)
        best = int(np.argmax(values))
        if values[best] > value:
            position, value, gradient = trial[best], values[best], gradients[best]
        elif settled:
            break  # no gain left above the noise of the density
    return Peak(position, float(value), factor, converged, definite)

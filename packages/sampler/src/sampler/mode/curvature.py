"""Curvature of a log-density by central differences of its gradient, in whitened coordinates."""

from collections.abc import Callable

import numpy as np

Evaluate = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(n, dim) points -> (n,) values and (n, dim) gradients, float64."""

_STRIDE = (
    0.5  # in whitened units (posterior widths): far above float32 noise, and the scale that a step must cope with
)
_MAX_GROWTH = 0.05  # whitened curvature is floored here, so that a direction widens by at most 4.5 in one go
_MAX_CURVATURE = 1e12


def whitened_hessian(evaluate: Evaluate, position: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Return -L^T H L, H being the Hessian of the log-density at `position` and L = `factor`, (dim, dim).

    Column j comes from the gradients at position +- 0.5 L e_j. Where such a point has no finite
    density the stride of that column shrinks tenfold, at most three times; failing that, the column is
    taken as zero curvature.
    """
    dim = len(position)
    hessian = np.zeros((dim, dim))
    stride = _STRIDE
    todo = np.arange(dim)
    for _ in range(4):
        offsets = stride * factor[:, todo].T
        values, gradients = evaluate(np.concatenate([position + offsets, position - offsets]))
        forward, backward = np.split(gradients, 2)
        good = np.all(np.isfinite(np.stack(np.split(values, 2))), axis=0)
        hessian[:, todo[good]] = -factor.T @ (forward - backward)[good].T / (2.0 * stride)
        todo, stride = todo[~good], 0.1 * stride
        if not len(todo):
            break
    return 0.5 * (hessian + hessian.T)


def rewhiten(factor: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """Update L so that the whitened negative Hessian `hessian` (dim, dim) becomes the identity.

    Directions of negative curvature count by its absolute value (saddle-free Newton, Dauphin et al.
    2014), so that L L^T stays positive definite; flat ones are floored.
    """
    values, vectors = np.linalg.eigh(hessian)
    root = np.sqrt(np.clip(np.abs(values), _MAX_GROWTH, _MAX_CURVATURE))
    return lower_triangular(factor @ (vectors / root))


def lower_triangular(factor: np.ndarray) -> np.ndarray:
    """Lower-triangular L with positive diagonal and the same L L^T, without forming the product."""
    r = np.linalg.qr(factor.T, mode="r")
    signs = np.where(np.diag(r) < 0, -1.0, 1.0)
    return (r * signs[:, None]).T

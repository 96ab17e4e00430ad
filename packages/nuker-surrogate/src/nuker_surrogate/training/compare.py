"""Comparison of methods on the same laws: ridge projector, surrogates, least squares per law."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from steelyard_schemas.surrogate import ErrorEnvelope

from nuker_surrogate.expansion.accuracy import RADIUS_MAX_PC, RADIUS_MIN_PC, envelopes, exact_reference, worst_errors
from nuker_surrogate.expansion.least_squares import solve_least_squares
from nuker_surrogate.expansion.radial_features import radial_features
from nuker_surrogate.expansion.ridge import ridge_projector
from nuker_surrogate.expansion.surrogate import Surrogate
from nuker_surrogate.expansion.targets import columns, loss_targets
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.domain import sample_box
from nuker_surrogate.law.nuker import NukerParams, surface_density
from nuker_surrogate.progress import Tick

Method = Callable[[NukerParams], Float]
"""Method that gives coefficients (n, n_sigma) for laws with (n,) leaves."""

FACES = 0.4
"""Probability of each parameter to lie on a limit: seven laws in eight lie on a face, edge or corner."""


def ridge_method(sigma_pc: Float) -> Method:
    """Ridge projector, the method of SuperMAGE."""
    projector = ridge_projector(sigma_pc)
    return lambda params: surface_density(projector.R_pc, columns(params), xp=np) @ projector.matrix.T


def surrogate_method(surrogate: Surrogate) -> Method:
    """Trained surrogate, in the current precision of JAX."""
    return lambda params: np.asarray(surrogate.coefficients(params), dtype=np.float64)


def least_squares_method(sigma_pc: Float) -> Method:
    """Least-squares solution per law: the best that the Gaussians allow."""
    features, targets = radial_features(sigma_pc), loss_targets(sigma_pc)
    return lambda params: solve_least_squares(targets, params, features.scale(params, np)).coefficients


def method_name(surrogate: Surrogate) -> str:
    """Name of a surrogate in tables."""
    return f"surrogate {surrogate.version} ({surrogate.manifest.head})"


def methods(surrogate: Surrogate, *others: Surrogate) -> dict[str, Method]:
    """Methods by name: ridge projector, surrogates, and least squares with the Gaussians of the first surrogate."""
    sigma = surrogate.sigma_pc
    learnt = {method_name(s): surrogate_method(s) for s in (surrogate, *others)}
    return {"ridge": ridge_method(sigma), **learnt, "least squares": least_squares_method(sigma)}


class Comparison(NamedTuple):
    """Errors of several methods on the same laws.

    Attributes:
        table: error envelopes per method.
        box: (n, 4) box coordinates of the laws.
        velocity_error: (n,) relative errors of v_c for q = 1, per method.
    """

    table: dict[str, tuple[ErrorEnvelope, ...]]
    box: Float
    velocity_error: dict[str, Float]


def compare(
    surrogate: Surrogate,
    others: Sequence[Surrogate],
    n_box: int,
    n_faces: int,
    seed: int,
    tick: Tick | None = None,
    R_pc: tuple[float, float] = (RADIUS_MIN_PC, RADIUS_MAX_PC),
) -> Comparison:
    """Measure every method on fresh laws from the box and from its faces, edges and corners.

    Args:
        surrogate: surrogate to measure.
        others: further surrogates, with the same Gaussians.
        n_box: number of laws uniform in the box; 0 omits them.
        n_faces: number of laws on faces, edges and corners; 0 omits them.
        seed: random seed of the laws.
        tick: progress callback over the exact deprojections.
        R_pc: innermost and outermost radius [pc].

    Raises:
        ValueError: there are no laws, the radii do not ascend, a surrogate has other Gaussians, or two have one name.
    """
    if n_box < 0 or n_faces < 0 or n_box + n_faces == 0:
        raise ValueError(f"nothing to measure: {n_box} laws in the box and {n_faces} on its faces")
    if not 0 < R_pc[0] < R_pc[1]:
        raise ValueError(f"radii from {R_pc[0]:g} to {R_pc[1]:g} pc: they must be above 0 and ascend")
    for other in others:
        # Equal up to rounding: processors differ in the last digit of a power.
        if other.sigma_pc.shape != surrogate.sigma_pc.shape or not np.allclose(
            other.sigma_pc, surrogate.sigma_pc, rtol=1e-9, atol=0
        ):
            raise ValueError(f"surrogate {other.version} has other Gaussians: evaluate it separately")
    names = [method_name(s) for s in (surrogate, *others)]
    if len(set(names)) < len(names):
        raise ValueError(
            f"two surrogates of one version and head ({', '.join(names)}): train one of them as another version"
        )
    rng = np.random.default_rng(seed)
    box = np.concatenate([sample_box(n_box, rng), sample_box(n_faces, rng, FACES)])
    reference = exact_reference(box, tick, R_pc=R_pc)
    table, velocity_error = {}, {}
    for name, method in methods(surrogate, *others).items():
        errors = worst_errors(method(reference.params), surrogate.sigma_pc, reference)
        parts: list[ErrorEnvelope] = []
        if n_box:
            parts += envelopes({key: e[:n_box] for key, e in errors.items()}, box[:n_box], "box", R_pc)
        if n_faces:
            parts += envelopes({key: e[n_box:] for key, e in errors.items()}, box[n_box:], "faces", R_pc)
        table[name] = tuple(parts)
        velocity_error[name] = errors["circular_velocity", 1.0]
    return Comparison(table, box, velocity_error)

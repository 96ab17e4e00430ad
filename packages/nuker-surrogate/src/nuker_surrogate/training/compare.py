"""Routes from a Nuker law to 64 Gaussians, side by side on the same laws: ridge, surrogate, least squares."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from steelyard_schemas.surrogate import ErrorEnvelope

from nuker_surrogate.expansion.accuracy import RADIUS_MAX_PC, RADIUS_MIN_PC, envelopes, exact_reference, worst_errors
from nuker_surrogate.expansion.least_squares import solve_floor
from nuker_surrogate.expansion.radial_features import radial_features
from nuker_surrogate.expansion.ridge import ridge_projector
from nuker_surrogate.expansion.surrogate import Surrogate
from nuker_surrogate.expansion.targets import Tick, columns, loss_targets
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.domain import sample_box
from nuker_surrogate.law.nuker import NukerParams, surface_density

Route = Callable[[NukerParams], Float]
"""From laws with (n,) leaves to (n, n_sigma) coefficients."""

FACES = 0.4  # chance of each parameter to lie on a limit: seven laws of eight lie on some face, edge or corner


def ridge_route(sigma_pc: Float) -> Route:
    """The linear projector of today's peers."""
    projector = ridge_projector(sigma_pc)
    return lambda params: surface_density(projector.R_pc, columns(params), xp=np) @ projector.matrix.T


def surrogate_route(surrogate: Surrogate) -> Route:
    """A trained surrogate, in the precision JAX is set to."""
    return lambda params: np.asarray(surrogate.coefficients(params), dtype=np.float64)


def floor_route(sigma_pc: Float) -> Route:
    """A least-squares solve per law: what the Gaussians allow."""
    features, targets = radial_features(sigma_pc), loss_targets(sigma_pc)
    return lambda params: solve_floor(targets, params, features.scale(params, np)).coefficients


def route_name(surrogate: Surrogate) -> str:
    """What a surrogate is called in a table."""
    return f"surrogate {surrogate.version} ({surrogate.manifest.head})"


def routes(surrogate: Surrogate, *others: Surrogate) -> dict[str, Route]:
    """Surrogates between the linear projector of today's peers and the floor that the basis of the first sets."""
    sigma = surrogate.sigma_pc
    learnt = {route_name(s): surrogate_route(s) for s in (surrogate, *others)}
    return {"ridge": ridge_route(sigma), **learnt, "floor": floor_route(sigma)}


class Comparison(NamedTuple):
    """Routes measured on the same laws.

    Attributes:
        table: per route its error envelopes.
        box: (n, 4) the laws.
        velocity_error: per route (n,) errors of v_c, q = 1.
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
    """Measure every route on fresh laws from the box and from its faces, edges and corners.

    Args:
        surrogate: the one to measure.
        others: further ones, with the same Gaussians.
        n_box: laws uniform in the box; 0 leaves them out.
        n_faces: laws on faces, edges and corners; 0 leaves them out.
        seed: of the laws.
        tick: progress callback over the exact deprojections.
        R_pc: innermost and outermost radius [pc].

    Raises:
        ValueError: no laws, no radii, a surrogate with other Gaussians, or two of one name.
    """
    if n_box < 0 or n_faces < 0 or n_box + n_faces == 0:
        raise ValueError(f"nothing to measure: {n_box} laws in the box and {n_faces} on its faces")
    if not 0 < R_pc[0] < R_pc[1]:
        raise ValueError(f"radii from {R_pc[0]:g} to {R_pc[1]:g} pc: expected to ascend from above 0")
    for other in others:
        # To rounding: processors differ in the last digit of a power.
        if other.sigma_pc.shape != surrogate.sigma_pc.shape or not np.allclose(
            other.sigma_pc, surrogate.sigma_pc, rtol=1e-9, atol=0
        ):
            raise ValueError(f"surrogate {other.version} has other Gaussians: evaluate it by itself")
    names = [route_name(s) for s in (surrogate, *others)]
    if len(set(names)) < len(names):
        raise ValueError(
            f"two surrogates of one version and head ({', '.join(names)}): train one under another version"
        )
    rng = np.random.default_rng(seed)
    box = np.concatenate([sample_box(n_box, rng), sample_box(n_faces, rng, FACES)])
    reference = exact_reference(box, tick, R_pc=R_pc)
    table, velocity_error = {}, {}
    for name, route in routes(surrogate, *others).items():
        errors = worst_errors(route(reference.params), surrogate.sigma_pc, reference)
        parts: list[ErrorEnvelope] = []
        if n_box:
            parts += envelopes({key: e[:n_box] for key, e in errors.items()}, box[:n_box], "box", R_pc)
        if n_faces:
            parts += envelopes({key: e[n_box:] for key, e in errors.items()}, box[n_box:], "faces", R_pc)
        table[name] = tuple(parts)
        velocity_error[name] = errors["circular_velocity", 1.0]
    return Comparison(table, box, velocity_error)

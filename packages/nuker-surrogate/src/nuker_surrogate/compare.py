"""Routes from a Nuker law to 64 Gaussians, side by side on the same laws: ridge, surrogate, least squares."""

from collections.abc import Callable

import numpy as np
from steelyard_schemas.surrogate import ErrorEnvelope

from nuker_surrogate.deconvolution import profile_sampling
from nuker_surrogate.deprojection import Float
from nuker_surrogate.domain import sample_box
from nuker_surrogate.evaluate import Tick, envelopes, exact_reference, worst_errors
from nuker_surrogate.floor import solve_floor
from nuker_surrogate.law import NukerParams, surface_density
from nuker_surrogate.ridge import ridge_projector
from nuker_surrogate.surrogate import Surrogate
from nuker_surrogate.targets import columns, loss_targets

Route = Callable[[NukerParams], Float]
"""From laws with (n,) leaves to (n, n_sigma) coefficients."""

FACES = 0.4  # chance of each parameter to lie on a limit: seven laws of eight lie on some face, edge or corner


def routes(surrogate: Surrogate) -> dict[str, Route]:
    """The surrogate between the linear projector of today's peers and the floor that the basis sets."""
    sigma = surrogate.sigma_pc
    projector, sampling, targets = ridge_projector(sigma), profile_sampling(sigma), loss_targets(sigma)

    def ridge(params: NukerParams) -> Float:
        return surface_density(projector.R_pc, columns(params), xp=np) @ projector.matrix.T

    def learnt(params: NukerParams) -> Float:
        return np.asarray(surrogate.coefficients(params), dtype=np.float64)

    def floor(params: NukerParams) -> Float:
        scale = sampling.profile(params) @ sampling.scale_matrix.T
        return solve_floor(targets, params, scale).coefficients

    return {"ridge": ridge, f"surrogate {surrogate.version}": learnt, "floor": floor}


def compare(
    surrogate: Surrogate, n_box: int, n_faces: int, seed: int, tick: Tick | None = None
) -> dict[str, tuple[ErrorEnvelope, ...]]:
    """Measure every route on fresh laws from the box and from its faces, edges and corners.

    Args:
        surrogate: the one to measure.
        n_box: laws uniform in the box; 0 leaves them out.
        n_faces: laws on faces, edges and corners; 0 leaves them out.
        seed: of the laws.
        tick: progress callback over the exact deprojections.
    """
    if n_box < 0 or n_faces < 0 or n_box + n_faces == 0:
        raise ValueError(f"nothing to measure: {n_box} laws in the box and {n_faces} on its faces")
    rng = np.random.default_rng(seed)
    box = np.concatenate([sample_box(n_box, rng), sample_box(n_faces, rng, FACES)])
    reference = exact_reference(box, tick=tick)
    table = {}
    for name, route in routes(surrogate).items():
        errors = worst_errors(route(reference.params), surrogate.sigma_pc, reference)
        parts: list[ErrorEnvelope] = []
        if n_box:
            parts += envelopes({key: e[:n_box] for key, e in errors.items()}, box[:n_box], "box")
        if n_faces:
            parts += envelopes({key: e[n_box:] for key, e in errors.items()}, box[n_box:], "faces")
        table[name] = tuple(parts)
    return table

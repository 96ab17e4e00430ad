"""Accuracy of an expansion: its worst relative error over 10 pc - 3 kpc against the exact deprojection, per law."""

from typing import Literal, NamedTuple

import numpy as np
from steelyard_schemas.surrogate import ErrorEnvelope

from nuker_surrogate.expansion.mge import gaussian_profiles, mge_density
from nuker_surrogate.expansion.targets import columns
from nuker_surrogate.law.deprojection import EnclosedRule, Float, density, enclosed_rule
from nuker_surrogate.law.domain import DOMAIN, NAMES, from_box
from nuker_surrogate.law.nuker import NukerParams, surface_density
from nuker_surrogate.progress import Tick

Quantity = Literal["surface_density", "enclosed_mass", "circular_velocity"]

AXIS_RATIOS = (1.0, 0.7, 0.4)
RADIUS_MIN_PC, RADIUS_MAX_PC = 10.0, 3000.0

Key = tuple[Quantity, float]
"""A measured quantity, and the axis ratio q for which it was measured."""

KEYS: tuple[Key, ...] = (
    ("surface_density", 1.0),  # the profile does not depend on q
    ("enclosed_mass", 1.0),  # nor does the ratio of two masses inside the same spheroid
    *(("circular_velocity", q) for q in AXIS_RATIOS),
)


class Reference(NamedTuple):
    """Exact values for a set of laws.

    Attributes:
        box: (n, 4) box coordinates of the laws.
        rule: quadrature over radii.
        values: (n, n_R) exact values at ``rule.R_pc`` per key of `KEYS`. They ignore inclination, which scales exact
            and approximate densities alike.
    """

    box: Float
    rule: EnclosedRule
    values: dict[Key, Float]

    @property
    def params(self) -> NukerParams:
        """Laws, with (n,) leaves."""
        return from_box(self.box)


def exact_reference(
    box: Float,
    tick: Tick | None = None,
    *,
    n_R: int = 41,
    R_pc: tuple[float, float] = (RADIUS_MIN_PC, RADIUS_MAX_PC),
) -> Reference:
    """Deproject laws exactly (about 10 ms each).

    Args:
        box: (n, 4) box coordinates, see `domain`.
        tick: progress callback.
        n_R: number of log-uniform radii.
        R_pc: the innermost and outermost of them [pc].
    """
    rule = enclosed_rule(np.geomspace(*R_pc, n_R), DOMAIN.r_b_pc.low)
    params = from_box(box)
    rho = np.empty((len(box), rule.m_pc.size))
    for i, law in enumerate(zip(*params, strict=True)):
        rho[i] = density(rule.m_pc, NukerParams(*law))
        if tick is not None:
            tick(i + 1, len(box))
    values = _dynamics(rule, rho) | {("surface_density", 1.0): surface_density(rule.R_pc, columns(params), xp=np)}
    return Reference(np.asarray(box), rule, values)


def worst_errors(coefficients: Float, sigma_pc: Float, reference: Reference) -> dict[Key, Float]:
    """Worst relative error over radius of each law and quantity, (n,) per key of `KEYS`.

    Where the expansion of a law has negative v_c^2, v_c is set to 0, an error of one.

    Args:
        coefficients: (n, n_sigma) coefficients of the reference's laws, for Sigma_b = 1.
        sigma_pc: (n_sigma,) widths [pc].
        reference: from `exact_reference`.
    """
    rule = reference.rule
    found = _dynamics(rule, mge_density(rule.m_pc, coefficients, sigma_pc))
    found["surface_density", 1.0] = coefficients @ gaussian_profiles(rule.R_pc, sigma_pc).T
    return {key: np.abs(found[key] / reference.values[key] - 1).max(axis=1) for key in KEYS}


def _dynamics(rule: EnclosedRule, rho: Float) -> dict[Key, Float]:
    out: dict[Key, Float] = {("enclosed_mass", 1.0): rule.enclosed_mass(rho)}
    for q in AXIS_RATIOS:
        v2 = rule.circular_velocity_squared(rho, q)
        out["circular_velocity", q] = np.sqrt(np.maximum(v2, 0.0))
    return out


def envelopes(
    errors: dict[Key, Float],
    box: Float,
    points: Literal["box", "faces"] = "box",
    R_pc: tuple[float, float] = (RADIUS_MIN_PC, RADIUS_MAX_PC),
) -> tuple[ErrorEnvelope, ...]:
    """Summarise the distribution of errors over the laws, for a manifest.

    Args:
        errors: from `worst_errors`.
        box: (n, 4) box coordinates of the laws.
        points: "box" if they were drawn uniformly in the box, "faces" if on its faces, edges and corners.
        R_pc: innermost and outermost radius [pc] of the range over which the errors are the worst.
    """
    out = []
    for (quantity, q), values in errors.items():
        at = from_box(box[[int(np.argmax(values))]])
        where = (at.alpha, at.beta - at.gamma, at.gamma, at.r_b_pc)
        median, p95, p99 = (float(x) for x in np.percentile(values, (50, 95, 99)))
        out.append(
            ErrorEnvelope(
                quantity=quantity,
                q=q,
                points=points,
                radius_min_pc=R_pc[0],
                radius_max_pc=R_pc[1],
                n_points=values.size,
                median=median,
                p95=p95,
                p99=p99,
                worst=float(values.max()),
                worst_at={name: float(x[0]) for name, x in zip(NAMES, where, strict=True)},
            )
        )
    return tuple(out)

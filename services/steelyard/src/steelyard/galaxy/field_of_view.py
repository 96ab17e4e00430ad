"""Check that the disc fits in the field of view."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from steelyard_schemas import ContractError

from steelyard.galaxy.model import GalaxyModel

__all__ = ["check_field", "flux_radius_arcsec"]

SHARE = 0.9


def flux_radius_arcsec(model: GalaxyModel, params: Mapping[str, ArrayLike], share: float = SHARE) -> float:
    """Return the radius [arcsec] enclosing a fraction `share` of the disc's flux."""
    radius = np.geomspace(1e-3 * model.grid.cell_arcsec, 20 * model.grid.field_arcsec, 4000)
    brightness = np.asarray(model.disc(params).surface_brightness(jnp.asarray(radius)))
    middle = 0.5 * (radius[1:] + radius[:-1])
    growth = np.cumsum(0.5 * (brightness[1:] + brightness[:-1]) * 2 * np.pi * middle * np.diff(radius))
    return float(np.interp(share, growth, radius[1:]))


def check_field(model: GalaxyModel, params: Mapping[str, ArrayLike], galaxy_name: str) -> None:
    """Raise ContractError if the best disc does not fit in the image: its flux would be aliased into it."""
    radius = flux_radius_arcsec(model, params)
    field = model.grid.field_arcsec
    offset = max(abs(float(np.asarray(params[name]))) for name in ("x0_arcsec", "y0_arcsec"))
    if radius + offset > field / 2:
        raise ContractError(
            galaxy_name,
            f"the field of view is {field:.3g} arcsec, but {SHARE:.0%} of the disc's flux extends to "
            f"{radius + offset:.3g} arcsec from its centre: in [data.grid], make npix times cell_arcsec "
            f"{2.2 * (radius + offset):.3g} or more",
        )

"""Checks of a grid before the fit: pixels that are too coarse, data beyond the edge."""

from __future__ import annotations

import math

import numpy as np
from steelyard_schemas import ContractError, GriddedVisibilities, Store
from vis_gridder import Beam, fit_beam

__all__ = ["grid_warnings", "main_lobe"]

CONSIDERABLE = 0.01
"""Fraction of the data beyond the edge of the grid that triggers a warning."""
FEWEST_PIXELS = 2.0
"""Minimum pixels across the beam's minor axis for the maps of a report."""
WANTED_PIXELS = 3.0
ARCSEC = np.pi / 180 / 3600
FINE, REACH = 8, 6
"""Points per pixel, and pixels on either side of the centre, at which the main lobe is computed."""


def grid_warnings(data: Store[GriddedVisibilities], *, edge_is_known: bool) -> tuple[str, ...]:
    """Return one line for each problem of a grid that affects a fit or its report.

    Args:
        data: gridded data.
        edge_is_known: whether a warning about data beyond the edge was given when the grid was made.

    """
    manifest, noise = data.manifest, data.manifest.noise
    warnings = []
    total = noise.n_used + noise.n_outside
    if not edge_is_known and total and noise.n_outside > CONSIDERABLE * total:
        warnings.append(
            f"{100 * noise.n_outside / total:.2g} % of the data lie beyond the edge of the uv grid and are not "
            f"fitted: grid them with pixels finer than {manifest.cell_arcsec:g} arcsec (`steelyard info` suggests a "
            "grid)"
        )
    beam = main_lobe(data)
    if beam is not None and beam.minor_arcsec < FEWEST_PIXELS * manifest.cell_arcsec:
        cell = float(f"{beam.minor_arcsec / WANTED_PIXELS:.2g}")
        npix = 2 * math.ceil(manifest.npix * manifest.cell_arcsec / cell / 2)
        warnings.append(
            f"pixels of {manifest.cell_arcsec:g} arcsec are too coarse for a beam of {beam.major_arcsec:.2g} x "
            f"{beam.minor_arcsec:.2g} arcsec, so the report will lack maps: cell_arcsec = {cell:g}, "
            f"npix = {npix} cover the same field with three pixels per beam"
        )
    return tuple(warnings)


def main_lobe(data: Store[GriddedVisibilities]) -> Beam | None:
    """Fit a Gaussian to the main lobe of the dirty beam, sampled finer than the pixels; None if impossible.

    The beam is that of the middle channel among those with data.
    """
    with_data = np.flatnonzero(data["mask"].any(axis=(1, 2)))
    if not with_data.size:
        return None
    channel = with_data[with_data.size // 2]
    mask = data["mask"][channel]
    weight = np.where(mask, 1 / np.where(mask, data["variance"][channel].astype(float), 1), 0)
    step_arcsec = data.manifest.cell_arcsec / FINE
    offset = np.arange(-REACH * FINE, REACH * FINE + 1) * step_arcsec * ARCSEC
    waves_u, waves_v = (
        np.exp(2j * np.pi * offset[:, None] * data[name]) for name in ("u_wavelengths", "v_wavelengths")
    )
    # B(l, m) = sum W cos 2 pi (u l + v m) / sum W.
    lobe = (waves_v @ weight @ waves_u.T).real / weight.sum()
    try:
        return fit_beam(lobe, step_arcsec)
    except ContractError:
        return None

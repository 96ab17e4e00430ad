"""UVFITS (random groups), by astropy."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from steelyard_schemas import ContractError, Observation, Store, Visibilities

from vis_gridder.readers.assemble import Assembly
from vis_gridder.readers.choose import choose
from vis_gridder.readers.stokes import stokes_i
from vis_gridder.readers.telescopes import dish_diameter
from vis_gridder.readers.uvfits_groups import Groups
from vis_gridder.readers.uvfits_header import antenna_diameters, frequency_axis, frequency_frame, sources

__all__ = ["read_uvfits"]

CHUNK_BYTES = 32 * 2**20
"""Of correlations converted at a time."""
SCAN_GAP = 2.5
"""A pause longer than this many typical integrations starts a new scan; UVFITS has no scan numbers."""


def read_uvfits(
    path: Path,
    *,
    field: str | int | None = None,
    spw: str | int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Store[Visibilities]:
    """Read one source and one IF of a UVFITS file (gzipped or not) as Stokes I; see `read_visibilities`.

    Raises:
        ContractError: not random groups, truncated, or the data cannot be used.

    """
    try:
        with warnings.catch_warnings():
            # A truncated file is only a warning to astropy; here it must not pass for a short one.
            warnings.simplefilter("error", AstropyWarning)
            warnings.simplefilter("ignore", fits.verify.VerifyWarning)
            # astropy leaves a file open that it opened itself and found truncated.
            with path.open("rb") as raw, fits.open(raw, memmap=True) as hdus:
                return _read(path, hdus, field, spw, progress)
    except ContractError:
        raise
    except Exception as error:  # astropy's parsers raise many types on broken bytes; the cause stays chained
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ContractError(path, f"is a damaged or truncated UVFITS file ({reason}); copy it again") from error


def _read(
    path: Path,
    hdus: Any,
    field: str | int | None,
    spw: str | int | None,
    progress: Callable[[int, int], None] | None,
) -> Store[Visibilities]:
    header = hdus[0].header
    if not header.get("GROUPS", False):
        raise ContractError(path, "is FITS but not UVFITS (no random groups); give visibilities, not an image")
    groups = Groups(path, hdus[0])
    history = ["read UVFITS random groups, weights <= 0 taken as flags", groups.hands_note]
    window = choose(path, "spw", {i: f"IF {i + 1}" for i in range(groups.n_if)}, spw)
    axis = frequency_axis(path, hdus, window, groups.n_channels)

    if groups.has("FREQSEL") and np.unique(groups.integers("FREQSEL")).size > 1:
        raise ContractError(path, "holds several frequency setups (FREQSEL); split it into one file for each")
    known = sources(hdus)
    numbers = groups.integers("SOURCE") if groups.has("SOURCE") else np.zeros(groups.n, int)
    present = {int(n): known[int(n)] if int(n) in known else known[0] for n in np.unique(numbers)}
    source = choose(path, "field", {n: entry.name for n, entry in present.items()}, field)

    antenna1, antenna2 = groups.antennas()
    wanted = numbers == source
    cross = antenna1 != antenna2
    if n_auto := int(np.count_nonzero(wanted & ~cross)):
        history.append(f"dropped {n_auto} rows of autocorrelations")
    rows = np.flatnonzero(wanted & cross)
    result = Assembly(path, rows.size, axis)
    time = groups.time_mjd_s()[rows]
    scan = _scans(time)
    history.append(f"numbered {np.unique(scan).size} scans by pauses longer than {SCAN_GAP} integrations")
    u_m, v_m, w_m = (groups.metres(name)[rows] for name in ("UU", "VV", "WW"))
    step = max(1, CHUNK_BYTES // groups.bytes_per_row)
    for first in range(0, rows.size, step):
        here = slice(first, min(first + step, rows.size))
        data, weight = groups.correlations(rows[here], window)
        bad = weight <= 0
        result.put(
            here,
            stokes_i(path, data, np.where(bad, 0, weight), bad),
            u_m=u_m[here],
            v_m=v_m[here],
            w_m=w_m[here],
            time_mjd_s=time[here],
            antenna1=antenna1[rows[here]] - 1,
            antenna2=antenna2[rows[here]] - 1,
            scan=scan[here],
        )
        if progress:
            progress(here.stop, rows.size)

    telescope = str(header.get("TELESCOP", "unknown")).strip() or "unknown"
    used = np.unique(np.concatenate([antenna1[rows], antenna2[rows]]))
    dish_m, note = dish_diameter(telescope, antenna_diameters(hdus, used))
    target = present[source]
    observation = Observation(
        target=target.name,
        telescope=telescope,
        dish_diameter_m=dish_m,
        phase_centre_ra_deg=target.ra_deg,
        phase_centre_dec_deg=target.dec_deg,
        frequency_frame=frequency_frame(header),
        rest_frequency_hz=target.rest_frequency_hz,
    )
    return result.finish(observation, [*history, note])


def _scans(time_s: np.ndarray) -> np.ndarray:
    """Number the scans, [row], from 1, by pauses in time."""
    moments, of_row = np.unique(time_s, return_inverse=True)
    step = np.diff(moments)
    # Rows of one integration may differ by rounding; half a second tells integrations apart.
    typical = np.median(step[step > 0.5]) if np.any(step > 0.5) else np.inf
    return (1 + np.concatenate([[0], np.cumsum(step > SCAN_GAP * typical)]))[of_row]

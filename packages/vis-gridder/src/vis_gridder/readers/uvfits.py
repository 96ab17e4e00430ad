"""UVFITS (random groups): astropy reads headers and tables, the groups themselves come block by block."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from steelyard_schemas import ContractError, Observation

from vis_gridder.readers.choose import Choice, Choices, check_widths, choose, choose_several
from vis_gridder.readers.scans import SCAN_GAP, choose_scans, scans_by_pauses
from vis_gridder.readers.stokes import stokes_i
from vis_gridder.readers.stream import Rows, damage_as_contract_error, stream
from vis_gridder.readers.telescopes import dish_diameter
from vis_gridder.readers.uvfits_groups import Groups, Records
from vis_gridder.readers.uvfits_header import (
    antenna_diameters,
    antenna_position,
    frequency_axis,
    frequency_frame,
    sources,
)
from vis_gridder.readers.uvfits_index import index_groups
from vis_gridder.source import Source

__all__ = ["open_uvfits"]


def open_uvfits(
    path: Path,
    *,
    field: Choice = None,
    spw: Choices = None,
    scan: str | int | None = None,
    allow_mixed_widths: bool = False,
) -> list[Source]:
    """Return a stream of Stokes I for each IF chosen of one source, gzipped or not; see `open_visibilities`.

    Opening reads the file once for its parameters (sources, times, antennas); each pass reads it once more.

    Raises:
        ContractError: not random groups, truncated, or the data cannot be used.

    """
    with damage_as_contract_error(path, "or truncated UVFITS file"), warnings.catch_warnings():
        # A truncated file is only a warning to astropy; here it must not pass for a short one.
        warnings.simplefilter("error", AstropyWarning)
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)
        # astropy leaves a file open that it opened itself and found truncated.
        with path.open("rb") as raw, fits.open(raw, memmap=False) as hdus:
            return _open(path, hdus, field, spw, scan, allow_mixed_widths)


def _open(
    path: Path, hdus: Any, field: Choice, spw: Choices, scan: str | int | None, allow_mixed_widths: bool
) -> list[Source]:
    header = hdus[0].header
    if not header.get("GROUPS", False):
        raise ContractError(path, "is FITS but not UVFITS (no random groups); give visibilities, not an image")
    groups = Groups(path, header, hdus[0].fileinfo()["datLoc"])
    windows = choose_several(path, "spw", {i: f"IF {i + 1}" for i in range(groups.n_if)}, spw)
    index = index_groups(groups)
    if len(index.setups) > 1:
        raise ContractError(path, "holds several frequency setups (FREQSEL); split it into one file for each")
    setup = next(iter(index.setups), None)
    axes = {window: frequency_axis(path, hdus, window, groups.n_channels, setup) for window in windows}
    if not allow_mixed_widths:
        check_widths(path, axes)

    known = sources(hdus)
    present = {number: known.get(number, known[0]) for number in sorted(index.sources)}
    number = choose(path, "field", {n: entry.name for n, entry in present.items()}, field)
    target, seen = present[number], index.sources[number]
    history = ["read UVFITS random groups, weights <= 0 taken as flags", groups.hands_note]
    if seen.n_auto:
        history.append(f"dropped {seen.n_auto} rows of autocorrelations")
    if seen.moments_s.size == 0:
        raise ContractError(path, "has no cross-correlations to read")
    scan_of_moment = scans_by_pauses(seen.moments_s)
    history.append(f"numbered {np.unique(scan_of_moment).size} scans by pauses longer than {SCAN_GAP} integrations")
    kept = np.ones(seen.moments_s.size, bool)
    if scan is not None:
        kept = np.isin(scan_of_moment, choose_scans(path, scan_of_moment.tolist(), scan))
        history.append(f"kept scans {scan}")

    telescope = str(header.get("TELESCOP", "unknown")).strip() or "unknown"
    dish_m, note = dish_diameter(telescope, antenna_diameters(hdus, seen.antennas))
    observation = Observation(
        target=target.name,
        telescope=telescope,
        dish_diameter_m=dish_m,
        phase_centre_ra_deg=target.ra_deg,
        phase_centre_dec_deg=target.dec_deg,
        frequency_frame=frequency_frame(header),
        rest_frequency_hz=target.rest_frequency_hz,
        array_position_m=antenna_position(hdus, seen.antennas),
    )
    return [
        stream(
            path,
            _Rows(path, groups, window, number, seen.moments_s, scan_of_moment, kept),
            observation=observation,
            axis=axis,
            n_rows=int(seen.n_cross[kept].sum()),
            start_mjd_s=float(seen.moments_s[kept][0]),
            history=[*history, note],
        )
        for window, axis in axes.items()
    ]


@dataclass(frozen=True, eq=False)
class _Rows:
    """Starts passes over the cross-correlations of one source and one IF."""

    path: Path
    groups: Groups
    window: int
    source: int
    moments_s: np.ndarray
    scan_of_moment: np.ndarray
    kept: np.ndarray

    def __call__(self) -> Iterator[Rows]:
        with damage_as_contract_error(self.path, "or truncated UVFITS file"):
            for records in self.groups.records():
                rows = self._rows(records)
                if rows is not None:
                    yield rows

    def _rows(self, records: Records) -> Rows | None:
        antenna1, antenna2 = records.antennas()
        time_s = records.time_mjd_s()
        moment = np.minimum(np.searchsorted(self.moments_s, time_s), self.moments_s.size - 1)
        here = np.flatnonzero((records.sources() == self.source) & (antenna1 != antenna2) & self.kept[moment])
        if not here.size:
            return None
        data, weight = records.correlations(here, self.window)
        bad = weight <= 0
        return Rows(
            stokes_i(self.path, data, weight, bad, np.arange(data.shape[-1])),
            [records.metres(name)[here] for name in ("UU", "VV", "WW")],
            time_mjd_s=time_s[here],
            antenna1=antenna1[here] - 1,
            antenna2=antenna2[here] - 1,
            scan=self.scan_of_moment[moment[here]],
        )

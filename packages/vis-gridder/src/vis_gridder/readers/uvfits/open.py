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

from vis_gridder.readers.common.axis import SpectralAxis
from vis_gridder.readers.common.choose import Choice, Choices, check_widths, choose, choose_several
from vis_gridder.readers.common.fits_header import check_header
from vis_gridder.readers.common.scans import SCAN_GAP, choose_scans, scans_by_pauses
from vis_gridder.readers.common.stokes import stokes_i
from vis_gridder.readers.common.stream import Rows, damage_as_contract_error, stream
from vis_gridder.readers.common.telescopes import dish_diameter
from vis_gridder.readers.uvfits.antennas import Antennas, antennas_of, time_shifts
from vis_gridder.readers.uvfits.baselines import ToMetres, to_metres
from vis_gridder.readers.uvfits.frequency import frequency_axis, frequency_frame
from vis_gridder.readers.uvfits.groups import Groups, Records
from vis_gridder.readers.uvfits.index import Index, Key, Part, index_groups, merged
from vis_gridder.readers.uvfits.sources import SourceRow, source_of, sources
from vis_gridder.stream.source import Source

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
        check_header(path, extensions=True)
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
    index = index_groups(groups)
    number, target = _target(path, hdus, groups, index, field)
    windows = _windows(path, groups, index, number, spw)
    axes = {i: _axis(path, hdus, groups, window, target) for i, window in windows.items()}
    if not allow_mixed_widths:
        check_widths(path, {i: axis for i, (axis, _) in axes.items()})

    parts = index.of(number)
    shifts, late = time_shifts(hdus, index)
    time = _Times(path, merged(parts.items(), shifts), shifts, scan)
    antennas = antennas_of(path, hdus, index, parts)
    metres, turned = to_metres(path, header, groups.baseline, index.longest, groups.reference_hz, target)
    observed, observed_notes = _observed(path, header, target, antennas)
    common = [
        "read UVFITS random groups, weights <= 0 taken as flags",
        groups.hands_note,
        *_unread(groups),
        *target.notes,
        *turned,
        *late,
        *time.notes,
        *antennas.notes,
        *observed_notes,
    ]
    found = []
    for i, (setup, window) in windows.items():
        axis, about_axis = axes[i]
        rest_hz, about_rest = target.rest_frequency_hz(window)
        mine = merged(((key, part) for key, part in parts.items() if key.setup == setup), shifts)
        kept = time.keeps(mine.moments_s)
        found.append(
            stream(
                path,
                _Rows(path, groups, Key(number, setup, 0), window, time, antennas, metres),
                observation=Observation(**observed, rest_frequency_hz=rest_hz),
                axis=axis,
                n_rows=int(mine.n_cross[kept].sum()),
                start_mjd_s=float(mine.moments_s[kept][0]) if kept.any() else None,
                history=[*common, *about_axis, *about_rest],
            )
        )
    return found


def _observed(path: Path, header: Any, target: SourceRow, antennas: Antennas) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of the observation that all windows share, and lines of history."""
    frame, framed = frequency_frame(header)
    telescope = str(header.get("TELESCOP", "unknown")).strip() or "unknown"
    dish_m, dish_note = dish_diameter(path, telescope, antennas.diameters_m, antennas.names)
    ra_deg, dec_deg = target.icrs_deg
    observed = {
        "target": target.name,
        "telescope": telescope,
        "dish_diameter_m": dish_m,
        "phase_centre_ra_deg": ra_deg,
        "phase_centre_dec_deg": dec_deg,
        "frequency_frame": frame,
        "array_position_m": antennas.position_m,
    }
    return observed, [dish_note, *framed]


def _target(path: Path, hdus: Any, groups: Groups, index: Index, field: Choice) -> tuple[int, SourceRow]:
    """Return the source wanted and its number."""
    setups = {key.setup for key in index.parts}
    known = sources(path, hdus, next(iter(setups)) if len(setups) == 1 else None, numbered=groups.has("SOURCE"))
    numbers = sorted({key.source for key in index.parts})
    names = {n: known[n].name if n in known else "not in the SU table" for n in numbers}
    number = choose(path, "field", names, field)
    return number, source_of(path, known, number)


def _windows(path: Path, groups: Groups, index: Index, source: int, spw: Choices) -> dict[int, tuple[int, int]]:
    """Return the windows wanted by number: setup and IF, from 0."""
    setups = sorted({key.setup for key in index.of(source)})
    windows = [(setup, window) for setup in setups for window in range(groups.n_if)]
    names = [
        f"IF {window + 1}" if len(setups) == 1 else f"FREQSEL {setup} IF {window + 1}" for setup, window in windows
    ]
    return {i: windows[i] for i in choose_several(path, "spw", dict(enumerate(names)), spw)}


def _axis(
    path: Path, hdus: Any, groups: Groups, window: tuple[int, int], target: SourceRow
) -> tuple[SpectralAxis, list[str]]:
    setup, number = window
    offset_hz, notes = target.frequency_offset_hz(number)
    axis, more = frequency_axis(path, hdus, number, groups.n_channels, groups.n_if, setup, offset_hz)
    return axis, [*notes, *more]


def _unread(groups: Groups) -> list[str]:
    if not groups.unknown:
        return []
    return [f"assumed that the random parameters {', '.join(groups.unknown)} change nothing: they are not known here"]


class _Times:
    """The times of a source's cross-correlations, its scans, and which of them are kept."""

    def __init__(self, path: Path, whole: Part, shift_s: dict[int, float], scan: str | int | None) -> None:
        if whole.moments_s.size == 0:
            raise ContractError(path, "has no cross-correlations to read")
        self.moments_s, self.shift_s = whole.moments_s, shift_s
        self.scan_of_moment = scans_by_pauses(self.moments_s)
        self.kept = np.ones(self.moments_s.size, bool)
        n_scans = np.unique(self.scan_of_moment).size
        self.notes = [f"dropped {whole.n_auto} rows of autocorrelations"] if whole.n_auto else []
        self.notes.append(f"numbered {n_scans} scans by pauses longer than {SCAN_GAP} integrations")
        if scan is not None:
            self.kept = np.isin(self.scan_of_moment, choose_scans(path, self.scan_of_moment.tolist(), scan))
            self.notes.append(f"kept scans {scan}")

    def moment(self, time_s: np.ndarray) -> np.ndarray:
        """Return where times stand among the moments; any place for a time that is not among them."""
        return np.minimum(np.searchsorted(self.moments_s, time_s), self.moments_s.size - 1)

    def keeps(self, moments_s: np.ndarray) -> np.ndarray:
        """Return which times are in the scans kept."""
        return self.kept[self.moment(moments_s)]

    def put_right(self, time_s: np.ndarray, subarray: np.ndarray) -> np.ndarray:
        """Return times with the shifts of their subarrays added."""
        for number, shift_s in self.shift_s.items():
            time_s = np.where(subarray == number, time_s + shift_s, time_s)
        return time_s


@dataclass(frozen=True, eq=False)
class _Rows:
    """Starts passes over the cross-correlations of one source, frequency setup and IF."""

    path: Path
    groups: Groups
    key: Key
    window: int
    time: _Times
    antennas: Antennas
    metres: ToMetres

    def __call__(self) -> Iterator[Rows]:
        with damage_as_contract_error(self.path, "or truncated UVFITS file"):
            for records in self.groups.records():
                rows = self._rows(records)
                if rows is not None:
                    yield rows

    def _rows(self, records: Records) -> Rows | None:
        antenna1, antenna2 = records.antennas()
        subarray = records.subarrays()
        time_s = self.time.put_right(records.time_mjd_s(), subarray)
        moment = self.time.moment(time_s)
        mine = (records.sources() == self.key.source) & (records.setups() == self.key.setup)
        here = np.flatnonzero(mine & (antenna1 != antenna2) & self.time.kept[moment])
        if not here.size:
            return None
        data, weight = records.correlations(here, self.window)
        bad = weight <= 0
        offset = self._offset(subarray[here])
        return Rows(
            stokes_i(self.path, data, weight, bad, np.arange(data.shape[-1])),
            list(self.metres(records.baselines()[:, here])),
            time_mjd_s=time_s[here],
            antenna1=antenna1[here] + offset,
            antenna2=antenna2[here] + offset,
            scan=self.time.scan_of_moment[moment[here]],
        )

    def _offset(self, subarray: np.ndarray) -> np.ndarray:
        offset = np.zeros(subarray.size, int)
        for number, added in self.antennas.offsets.items():
            offset[subarray == number] = added
        return offset

"""Visibilities in memory from formats without times, antennas, telescope and target."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from steelyard_schemas import Observation

from vis_gridder.readers.common.axis import SpectralAxis
from vis_gridder.readers.common.plausible import check_weights
from vis_gridder.readers.common.stokes import stokes_i
from vis_gridder.readers.common.stream import Rows, stream
from vis_gridder.stream.source import Source, rows_per_block

__all__ = ["NOT_IN_THE_FILE", "UNKNOWN", "common_metres", "untimed_source"]

UNKNOWN = Observation(
    target="unknown",
    telescope="unknown",
    dish_diameter_m=None,
    phase_centre_ra_deg=0.0,
    phase_centre_dec_deg=0.0,
    frequency_frame="UNKNOWN",
    rest_frequency_hz=None,
)
NOT_IN_THE_FILE = (
    "assumed a phase centre at right ascension and declination 0: the file has none, and only coordinates need it",
    "assumed frequencies to stay as they are: the file does not give their frame",
    "assumed visibilities of CASA's sign, exp(+2 pi i (u l + v m)): the file does not state it; the other sign turns "
    "the sky by 180 deg, which conjugating the visibilities corrects",
    "assumed no primary beam: the file has no dish diameter; a Visibilities store can hold one",
)
"""Lines of history of all these formats."""


def untimed_source(
    path: Path,
    axis: SpectralAxis,
    *,
    uvw_m: tuple[np.ndarray, np.ndarray, np.ndarray],
    vis: np.ndarray,
    weight: np.ndarray,
    flag: np.ndarray,
    history: list[str],
) -> Source:
    """Return arrays of Stokes I as a stream; antennas are -1, times and scans 0.

    Args:
        path: the file they are from.
        axis: the frequency axis.
        uvw_m: u, v and w, each [row], m.
        vis: [channel, row] complex, Jy.
        weight: [channel, row] inverse variances.
        flag: [channel, row] true where bad.
        history: what was done so far.

    Raises:
        ContractError: the weights grow with the noise.

    """
    check_weights(path, vis, weight, flag)
    n_rows, step = vis.shape[1], rows_per_block(vis.shape[0])

    def rows() -> Iterator[Rows]:
        for first in range(0, n_rows, step):
            here = slice(first, first + step)
            samples = stokes_i(
                path,
                vis[:, here].T.astype(np.complex64)[..., None],
                weight[:, here].T.astype(np.float32)[..., None],
                flag[:, here].T[..., None],
                np.array([0]),
            )
            nothing = np.zeros(samples.vis.shape[0])
            yield Rows(samples, [metres[here] for metres in uvw_m], nothing, nothing - 1, nothing - 1, nothing)

    return stream(
        path,
        rows,
        observation=UNKNOWN,
        axis=axis,
        n_rows=n_rows,
        start_mjd_s=None,
        history=[*history, *NOT_IN_THE_FILE],
    )


def common_metres(per_channel_m: np.ndarray, tolerance: float) -> tuple[np.ndarray, bool]:
    """Return a baseline coordinate, [row], m, as the mean of what each channel says, and whether channels agree.

    Args:
        per_channel_m: [channel, row].
        tolerance: largest departure, relative to the longest baseline.

    """
    mean = per_channel_m.mean(axis=0)
    with np.errstate(invalid="ignore"):
        longest_m = np.max(np.abs(mean), where=np.isfinite(mean), initial=0.0)
        return mean, not np.any(np.abs(per_channel_m - mean) > tolerance * longest_m)

"""Last step of all readers: checks that turn raw rows into blocks of the contract."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from steelyard_schemas import ContractError, Observation

from vis_gridder.constants import LARGEST_JY
from vis_gridder.readers.common.axis import SpectralAxis
from vis_gridder.readers.common.stokes import StokesI
from vis_gridder.stream.history import DataWarning
from vis_gridder.stream.source import Block, Source

__all__ = ["Rows", "damage_as_contract_error", "stream"]


class Rows(NamedTuple):
    """Rows as a reader finds them: samples [row, channel] in the file's channel order; u, v, w and the rest [row]."""

    samples: StokesI
    uvw_m: Sequence[np.ndarray]
    time_mjd_s: np.ndarray
    antenna1: np.ndarray
    antenna2: np.ndarray
    scan: np.ndarray


OF_THE_MACHINE = {
    "permission denied": "look at its permissions",
    "too many open files": "close other programs or raise the limit (ulimit -n)",
    "could not be acquired": "another program holds a lock on it; close it there",
}
"""Messages of casacore and the system where the bytes are not at fault, and what to do."""
OF_THE_PROGRAM = (NameError, AttributeError, ImportError, AssertionError)


@contextmanager
def damage_as_contract_error(path: Path | str, what: str) -> Iterator[None]:
    """Turn what a library raises on broken bytes into a ContractError of one line; the cause stays chained.

    Errors of the disk, the memory or the system are named as such, and faults of our own code pass unchanged.
    """
    try:
        yield
    except (ContractError, DataWarning):  # a warning where warnings are errors
        raise
    except Exception as error:  # parsers raise many types, and the files are not ours
        if isinstance(error, OF_THE_PROGRAM) and _raised_here(error):
            raise
        reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
        raise ContractError(path, _complaint(error, what, reason)) from error


def _complaint(error: Exception, what: str, reason: str) -> str:
    if isinstance(error, MemoryError):
        return f"needs more memory than there is ({reason}); read it on a larger machine, or choose less of it"
    known = isinstance(error, RuntimeError | OSError)
    advice = next((advice for said, advice in OF_THE_MACHINE.items() if known and said in reason.lower()), None)
    # Libraries raise an OSError of their own, without the system's number, on broken bytes.
    if advice is None and isinstance(error, OSError) and error.errno not in (None, errno.ENOENT):
        advice = "look at the disk"
    if advice is not None:
        return f"cannot be read ({reason}); {advice}"
    return f"is a damaged {what} ({reason}); copy or export it again"


def _raised_here(error: Exception) -> bool:
    """Return whether an exception comes from this package, not from a library that met broken bytes."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).partition(".")[0] == __name__.partition(".")[0]


def stream(
    path: Path,
    rows: Callable[[], Iterator[Rows]],
    *,
    observation: Observation,
    axis: SpectralAxis,
    n_rows: int,
    start_mjd_s: float | None,
    history: list[str],
) -> Source:
    """Return a Source whose blocks are those of `rows`, channels in order, checked.

    Args:
        path: the file, for its name and for messages.
        rows: starts a pass over the file.
        observation: target, telescope, frame.
        axis: frequencies, and the order that brings the file's channels to ascend.
        n_rows: rows to come in a pass.
        start_mjd_s: a time within the observation, UTC, or None.
        history: what was done so far; counts of samples turned down are added at the end of the first pass.

    Raises:
        ContractError: there are no rows.

    """
    if n_rows == 0:
        raise ContractError(path, "has no cross-correlations to read")
    notes = [*history, *(["flipped the channels to ascending frequency"] if axis.flipped else [])]
    told = False

    def blocks() -> Iterator[Block]:
        nonlocal told
        tally = _Tally(path, axis)
        for raw in rows():
            block = tally.block(raw)
            if not tally.unusable:
                yield block
        tally.finish()
        if not told:
            notes.extend(tally.notes())
            told = True

    return Source(
        observation=observation,
        name=path.name,
        frequency_hz=axis.frequency_hz,
        channel_width_hz=axis.width_hz,
        n_rows=n_rows,
        start_mjd_s=start_mjd_s,
        blocks=blocks,
        history=notes,
    )


class _Tally:
    """Counts over one pass."""

    def __init__(self, path: Path, axis: SpectralAxis) -> None:
        self.path, self.axis = path, axis
        self.n_usable = self.n_weightless = self.n_not_finite = self.n_dead_hands = 0
        self.unusable: dict[str, int] = {}

    def block(self, rows: Rows) -> Block:
        """Return checked rows, and count what the history reports at the end of the pass."""
        samples, n_channels = rows.samples, self.axis.frequency_hz.size
        if samples.vis.shape[1:] != (n_channels,):
            found = samples.vis.shape[1]
            raise ContractError(
                self.path, f"has {found} channels of data for {n_channels} frequencies; export it again"
            )
        order = self.axis.order
        flag = np.ascontiguousarray(samples.flag[:, order])
        usable = ~flag.all(axis=1)
        self.n_usable += int(np.count_nonzero(usable))
        self.n_weightless += samples.n_weightless
        self.n_not_finite += samples.n_not_finite
        self.n_dead_hands += samples.n_dead_hands
        return Block(
            **{
                name: self._coordinate(name, metres, usable)
                for name, metres in zip(("u_m", "v_m", "w_m"), rows.uvw_m, strict=True)
            },
            vis=np.ascontiguousarray(samples.vis[:, order]),
            weight=np.ascontiguousarray(samples.weight[:, order]),
            flag=flag,
            time_mjd_s=np.asarray(rows.time_mjd_s, np.float64),
            antenna1=np.asarray(rows.antenna1, np.int32),
            antenna2=np.asarray(rows.antenna2, np.int32),
            scan=np.asarray(rows.scan, np.int32),
        )

    def _coordinate(self, name: str, metres: np.ndarray, usable: np.ndarray) -> np.ndarray:
        broken = ~np.isfinite(metres)
        if bad := int(np.count_nonzero(broken & usable)):
            self.unusable[name] = self.unusable.get(name, 0) + bad
        # Rows that are flagged altogether may hold anything; zero keeps them out of arithmetic's way.
        return np.where(broken, 0.0, metres)

    def finish(self) -> None:
        """Raise ContractError for faults that only the whole pass shows."""
        for name, bad in self.unusable.items():
            raise ContractError(self.path, f"has {name} that is NaN or infinite in {bad} rows; flag those rows")
        if not self.n_usable:
            raise ContractError(
                self.path,
                f"has all data flagged or without weight ({self.n_weightless} correlations of zero weight); "
                "nothing is left to grid",
            )

    def notes(self) -> list[str]:
        """Return the lines of history that count samples."""
        counts = {
            f"that are not finite or beyond {LARGEST_JY:g} Jy": self.n_not_finite,
            "of zero weight": self.n_weightless,
            "that are exactly zero beside a hand that is not": self.n_dead_hands,
        }
        return [f"flagged {count} correlations {why}" for why, count in counts.items() if count]

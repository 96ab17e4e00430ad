"""Text tables of visibilities: CSV, and the `uvtable` of uvplot and galario."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
from steelyard_schemas import ContractError, require_memory

from vis_gridder.constants import SPEED_OF_LIGHT_M_S
from vis_gridder.readers.common.axis import UNEVEN, SpectralAxis, spectral_axis
from vis_gridder.readers.common.choose import Choices, check_widths, choose_several
from vis_gridder.readers.common.plausible import check_longest_baseline
from vis_gridder.readers.common.stream import damage_as_contract_error
from vis_gridder.readers.common.text_lines import count_lines, first_lines, open_text
from vis_gridder.readers.common.untimed import common_metres, untimed_source
from vis_gridder.readers.text.header import Head, is_table, read_head
from vis_gridder.stream.source import Source

__all__ = ["is_text_table", "open_text_table"]

HEAD_LINES = 1000
"""Above the first row of numbers there are fewer."""
TIMES_READ = 2
"""Copies of the numbers that are in memory at a time, at least: all of them, and each column in its own unit."""
SAME_BASELINE = 3e-6
"""Largest relative difference of u between channels: uvplot writes seven digits, half a unit of the last being up
to 5e-7 of u, of the frequency and of the coordinate it is compared with."""
WIDEST = 10.0
"""Channels wider or narrower than their spacing by more than this are in another unit."""
SEVEN_DIGITS = 5.1e-7
"""Largest relative rounding of a number of seven digits, with a little for the sum in which it is met."""


def is_text_table(path: Path) -> bool:
    """Return whether, judged by its first lines, a file is a table of numbers in text, gzipped or not."""
    try:
        with open_text(path) as file:
            return is_table(first_lines(path, file, HEAD_LINES))
    except (ContractError, OSError, EOFError, UnicodeDecodeError, zlib.error):
        return False


def open_text_table(path: Path, *, spw: Choices = None, allow_mixed_widths: bool = False) -> list[Source]:
    """Read a text table of Stokes I, one line for each visibility and channel, into memory.

    Columns are known by name: u and v with their unit (`u_m`, `u[lambda]`), re, im, weight (`w` too), and for
    cubes a frequency; `w_m` is optional, others are left out. Distinct frequencies are channels, each with the same
    rows in the same order. One channel needs `channel_width_hz`, as a column or as a comment `channel_width_hz = `.
    Signs are taken to be CASA's, whose numbers uvplot exports. There are neither times nor antennas, nor telescope,
    target and phase centre, as in viscube's `.npz`.

    Raises:
        ContractError: the table cannot be read or lacks what is needed; the message says what to add.

    """
    with open_text(path) as file:
        head = read_head(path, first_lines(path, file, HEAD_LINES), SPEED_OF_LIGHT_M_S)
    if missing := [name for name in ("u", "v", "re", "im", "weight") if name not in head.columns]:
        advice = "; weights are 1 / sigma^2" if "weight" in missing else ""
        raise ContractError(path, f"lacks the column {', '.join(missing)}{advice}")
    table = _Table(path, head)
    windows = {0: "all"}
    if "spw" in head.columns:
        windows = {int(number): f"spw {number:g}" for number in np.unique(table["spw"])}
    chosen = choose_several(path, "spw", windows, spw)
    cut = {window: table.of_window(window) if len(windows) > 1 else table for window in chosen}
    axes = {window: part.channels() for window, part in cut.items()}
    if not allow_mixed_widths:
        check_widths(path, {window: axis for window, (axis, _) in axes.items()})
    return [part.source(*axes[window]) for window, part in cut.items()]


class _Table:
    """The numbers of a table, [line], by the meaning of their columns."""

    def __init__(self, path: Path, head: Head) -> None:
        self.path, self.head = path, head
        needed = 1 + max(column.at for column in head.columns.values())
        with damage_as_contract_error(path, "table"):
            n_lines = count_lines(path)
            n_bytes = TIMES_READ * np.dtype(float).itemsize * float(n_lines) * needed
            require_memory(path, f"a table of {n_lines} lines", n_bytes, "write fewer of them, or another format")
            with open_text(path) as file:
                numbers = np.loadtxt(file, delimiter=head.delimiter, skiprows=head.n_lines, ndmin=2)
        if needed > numbers.shape[1]:
            raise ContractError(path, f"names {needed} columns but has {numbers.shape[1]}")
        self.columns = {name: numbers[:, column.at] * column.factor for name, column in head.columns.items()}
        if "spw" in self.columns and not np.all(np.abs(self.columns["spw"]) < 2**31):  # NaN too
            raise ContractError(path, "has spectral windows (spw) that are not numbers of something")

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def of_window(self, window: int) -> _Table:
        """Return the lines of one spectral window."""
        part = object.__new__(_Table)
        here = self["spw"].astype(int) == window
        part.path, part.head = self.path, self.head
        part.columns = {name: values[here] for name, values in self.columns.items()}
        return part

    def channels(self) -> tuple[SpectralAxis, np.ndarray]:
        """Return the frequency axis and the lines of each channel, [channel, row], in ascending frequency."""
        if "frequency" not in self.columns:
            if "frequency" not in self.head.numbers:
                raise ContractError(
                    self.path, "gives no frequency; add a column frequency_hz or a line: # frequency_hz = 230.5e9"
                )
            self.columns["frequency"] = np.full(self["u"].size, self.head.numbers["frequency"])
        frequency, channel, count = np.unique(self["frequency"], return_inverse=True, return_counts=True)
        if not np.all(np.isfinite(frequency)):
            raise ContractError(self.path, "has frequencies that are NaN or infinite")
        if np.ptp(count):
            few, many = np.argmin(count), np.argmax(count)
            raise ContractError(
                self.path,
                f"has {count[few]} lines at {frequency[few]:.9g} Hz but {count[many]} at {frequency[many]:.9g} Hz; "
                "each channel needs the same rows, of weight 0 where there is no sample",
            )
        lines = np.argsort(channel, kind="stable").reshape(frequency.size, -1)
        axis = spectral_axis(self.path, _evened(frequency), self._widths(lines))
        self._check_widths(axis)
        return axis, lines

    def _check_widths(self, axis: SpectralAxis) -> None:
        """Raise ContractError where channels are far from as wide as they are apart, as when the unit is mistaken."""
        if axis.frequency_hz.size < 2:
            return
        width_hz, step_hz = float(axis.width_hz.mean()), float(np.diff(axis.frequency_hz).mean())
        if not 1 / WIDEST < width_hz / step_hz < WIDEST:
            raise ContractError(
                self.path,
                f"has channels {width_hz:.6g} Hz wide but {step_hz:.6g} Hz apart; give the unit of channel_width",
            )

    def _widths(self, lines: np.ndarray) -> np.ndarray | None:
        if "width" in self.columns:
            return self["width"][lines[:, 0]]
        if "width" in self.head.numbers:
            return np.full(len(lines), self.head.numbers["width"])
        if len(lines) == 1:
            raise ContractError(
                self.path,
                "has a single channel and does not give its width; add a line: # channel_width_hz = 2e9",
            )
        return None

    def source(self, axis: SpectralAxis, lines: np.ndarray) -> Source:
        """Return the table as a stream."""
        u, v = (self._metres(name, lines) for name in ("u", "v"))
        w = self._metres("w", lines) if "w" in self.columns else np.zeros_like(u)
        history = ["read a text table of Stokes I", *self.head.assumed]
        if self.head.columns["u"].unit != "m":
            check_longest_baseline(self.path, u, v, self.head.columns["u"].unit)
        if self.head.others:
            history.append(f"left out the columns {', '.join(self.head.others)}")
        weight = self["weight"][lines]
        return untimed_source(
            self.path,
            axis,
            uvw_m=(u, v, w),
            vis=self["re"][lines] + 1j * self["im"][lines],
            weight=weight,
            flag=np.zeros(weight.shape, bool),
            history=history,
        )

    def _metres(self, name: str, lines: np.ndarray) -> np.ndarray:
        """Return a baseline coordinate, [row], m; the mean over channels, which must agree."""
        per_channel = self[name][lines]
        if self.head.columns[name].unit != "m":
            per_channel = per_channel * SPEED_OF_LIGHT_M_S / self["frequency"][lines]
        mean, agree = common_metres(per_channel, SAME_BASELINE)
        if not agree:
            raise ContractError(
                self.path, f"has channels of different {name}; each channel needs the same rows in the same order"
            )
        return mean


def _evened(frequency_hz: np.ndarray) -> np.ndarray:
    """Return the frequencies on a straight line where seven digits alone keep them off it, as uvplot writes them."""
    if frequency_hz.size < 3:
        return frequency_hz
    channel = np.arange(frequency_hz.size)
    slope, start = np.polyfit(channel, frequency_hz - frequency_hz[0], 1)
    line = frequency_hz[0] + start + slope * channel
    off = np.abs(frequency_hz - line).max()
    return line if UNEVEN * 1e-3 * abs(slope) < off <= SEVEN_DIGITS * frequency_hz[-1] else frequency_hz

"""The random groups of a UVFITS file: correlations and their parameters."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.readers.uvfits.parameters import baseline_names, canonical, unknown_parameters
from vis_gridder.stream.source import rows_per_block

__all__ = ["Groups", "Records"]

HANDS = {-1: "RR", -2: "LL", -5: "XX", -6: "YY"}
STOKES_I = 1
JD_MJD = 2_400_000.5
TYPES = {8: ">u1", 16: ">i2", 32: ">i4", -32: ">f4", -64: ">f8"}
"""BITPIX to NumPy type, FITS standard 4.0, Table 8."""
GZIP_MAGIC = b"\x1f\x8b"


class Groups:
    """Access to random groups by the names of AIPS Memo 117 (Greisen), section 3.

    Args:
        path: the file, gzipped or not.
        header: that of its primary HDU.
        offset: where the groups begin in the (unpacked) file, bytes.

    Raises:
        ContractError: axes or parameters are missing or not known, or there are no parallel hands.

    """

    def __init__(self, path: Path, header: Any, offset: int) -> None:
        self.path, self.header, self.offset = path, header, offset
        self.n = int(header["GCOUNT"])
        self.names = [canonical(str(header[f"PTYPE{i + 1}"])) for i in range(header["PCOUNT"])]
        self.baseline = baseline_names(path, self.names)
        self.unknown = unknown_parameters(path, self.names)
        n_axes = header["NAXIS"]
        kinds = [str(header.get(f"CTYPE{i}", "")).strip().upper() for i in range(2, n_axes + 1)]
        self.sizes = dict(zip(kinds, (int(header[f"NAXIS{i}"]) for i in range(2, n_axes + 1)), strict=True))
        if missing := [kind for kind in ("COMPLEX", "STOKES", "FREQ") if kind not in self.sizes]:
            raise ContractError(path, f"lacks the axis {', '.join(missing)}; export the UVFITS file again")
        if len(self.sizes) < len(kinds):
            raise ContractError(path, "has two axes of one name; export the UVFITS file again")
        if self.sizes["COMPLEX"] != 3:
            raise ContractError(path, "holds no weights (COMPLEX axis must be real, imaginary, weight)")
        if extra := [k for k, n in self.sizes.items() if k not in ("COMPLEX", "STOKES", "FREQ", "IF") and n > 1]:
            raise ContractError(path, f"has more than one value along {', '.join(extra)}; split it first")
        if self.n <= 0 or min(self.sizes.values()) <= 0:
            raise ContractError(path, "has no visibilities")
        # NumPy's order of axes is the reverse of FITS's.
        self.axes, self.shape = list(self.sizes)[::-1], tuple(self.sizes.values())[::-1]
        self.n_channels = self.sizes["FREQ"]
        self.n_if = self.sizes.get("IF", 1)
        self.reference_hz = float(header[f"CRVAL{2 + list(self.sizes).index('FREQ')}"])
        self.hands, self.hands_note = self._parallel_hands()

    def _parallel_hands(self) -> tuple[np.ndarray, str]:
        at = 2 + list(self.sizes).index("STOKES")
        value, delta, reference = (self.header[f"{key}{at}"] for key in ("CRVAL", "CDELT", "CRPIX"))
        kinds = np.rint(value + (np.arange(self.sizes["STOKES"]) + 1 - reference) * delta).astype(int)
        if (whole := np.flatnonzero(kinds == STOKES_I)).size:
            return whole, "took Stokes I as stored"
        hands = np.flatnonzero(np.isin(kinds, list(HANDS)))
        if hands.size == 0:
            raise ContractError(self.path, f"has no parallel-hand correlations (STOKES {kinds.tolist()})")
        return hands, f"averaged {' and '.join(HANDS[int(k)] for k in kinds[hands])} to Stokes I by weight"

    def has(self, name: str) -> bool:
        """Return whether there is a parameter `name`."""
        return any(given == name for given in self.names)

    def records(self) -> Iterator[Records]:
        """Read the groups in the order of the file, so many at a time as make a block.

        Raises:
            ContractError: the file ends before the last group.

        """
        kind = np.dtype(TYPES[int(self.header["BITPIX"])])
        per_group = len(self.names) + int(np.prod(self.shape))
        step = rows_per_block(max(1, per_group * kind.itemsize // 8))
        with self._unpacked() as file:
            file.seek(self.offset)
            for first in range(0, self.n, step):
                n = min(step, self.n - first)
                raw = file.read(n * per_group * kind.itemsize)
                if len(raw) < n * per_group * kind.itemsize:
                    raise ContractError(self.path, f"is truncated within its {self.n} groups; copy it again")
                yield Records(self, np.frombuffer(raw, kind).reshape(n, per_group))

    def _unpacked(self) -> Any:
        with self.path.open("rb") as file:
            packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        return gzip.open(self.path) if packed else self.path.open("rb")


class Records:
    """Some groups as they lie in the file, [group, parameters and correlations]."""

    def __init__(self, groups: Groups, raw: np.ndarray) -> None:
        self.groups, self.raw = groups, raw

    def _values(self, name: str) -> np.ndarray:
        """Return a parameter [group], float64; parameters given twice are two parts of a sum."""
        parts = [i for i, given in enumerate(self.groups.names) if given == name]
        if not parts:
            raise ContractError(self.groups.path, f"lacks the random parameter {name}; export the UVFITS file again")
        return np.sum([self._scaled_parameter(i) for i in parts], axis=0)

    def _scaled_parameter(self, i: int) -> np.ndarray:
        header = self.groups.header
        scale, zero = header.get(f"PSCAL{i + 1}", 1.0), header.get(f"PZERO{i + 1}", 0.0)
        return self.raw[:, i].astype(np.float64) * scale + zero

    def _countable(self, name: str) -> np.ndarray:
        values = self._values(name)
        if not np.all(np.abs(values) < 2**31):  # NaN too
            raise ContractError(self.groups.path, f"has {name} that is NaN or beyond any count; copy it again")
        return values

    def integers(self, name: str) -> np.ndarray:
        """Return a parameter that is a number of something, [group]."""
        return np.rint(self._countable(name)).astype(int)

    def sources(self) -> np.ndarray:
        """Return the number of each group's source, [group]; 0 in a file of one source."""
        return self.integers("SOURCE") if self.groups.has("SOURCE") else np.zeros(len(self.raw), int)

    def setups(self) -> np.ndarray:
        """Return the number of each group's frequency setup, [group]; 0 where the file names none."""
        return self.integers("FREQSEL") if self.groups.has("FREQSEL") else np.zeros(len(self.raw), int)

    def subarrays(self) -> np.ndarray:
        """Return the number of each group's subarray, [group], from 1: that of its antenna table."""
        if self.groups.has("SUBARRAY"):
            return self.integers("SUBARRAY")
        if not self.groups.has("BASELINE"):
            return np.ones(len(self.raw), int)
        baseline = self._countable("BASELINE")
        # The fraction holds hundredths; single precision leaves 0.004 of it at 65535 and nothing above 2**20.
        return 1 + np.rint(100.0 * (baseline - np.floor(baseline + 1e-3))).astype(int)

    def baselines(self) -> np.ndarray:
        """Return u, v and w as the file has them, [coordinate, group]."""
        return np.stack([self._values(name) for name in self.groups.baseline.names])

    def time_mjd_s(self) -> np.ndarray:
        """Return the time of each group, modified Julian date in seconds."""
        times = (self._values("DATE") - JD_MJD) * 86400.0
        if not np.all(np.isfinite(times)):
            raise ContractError(self.groups.path, "has times (DATE) that are NaN or infinite; copy it again")
        return times

    def antennas(self) -> tuple[np.ndarray, np.ndarray]:
        """Return both antenna numbers of each group, as the antenna table counts them (from 1)."""
        if self.groups.has("ANTENNA1") and self.groups.has("ANTENNA2"):
            return self.integers("ANTENNA1"), self.integers("ANTENNA2")
        # Above 65536 the newer packing for more than 255 antennas holds.
        baseline = np.floor(self._countable("BASELINE") + 1e-3).astype(int)
        wide = baseline > 65536
        first = np.where(wide, (baseline - 65536) // 2048, baseline // 256)
        second = np.where(wide, (baseline - 65536) % 2048, baseline % 256)
        return first, second

    def correlations(self, rows: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
        """Return visibilities and weights of some groups and one IF, each [row, channel, hand]."""
        groups = self.groups
        block = self.raw[rows, len(groups.names) :].reshape(-1, *groups.shape)
        order = [1 + groups.axes.index(kind) for kind in ("FREQ", "STOKES", "COMPLEX")]
        if "IF" in groups.axes:
            block = block.take([window], axis=1 + groups.axes.index("IF"))
        others = [i for i in range(1, block.ndim) if i not in order]
        block = block.transpose([0, *order, *others]).reshape(len(block), *(block.shape[i] for i in order))
        block = self._scaled(block[:, :, groups.hands])
        data = np.empty(block.shape[:-1], np.complex64)
        data.real, data.imag = block[..., 0], block[..., 1]
        return data, block[..., 2].astype(np.float32)

    def _scaled(self, stored: np.ndarray) -> np.ndarray:
        header = self.groups.header
        scale, zero = header.get("BSCALE", 1.0), header.get("BZERO", 0.0)
        if stored.dtype.kind == "f" and (scale, zero) == (1.0, 0.0):
            return stored
        blank = stored == header["BLANK"] if stored.dtype.kind != "f" and "BLANK" in header else False
        return np.where(blank, np.nan, stored.astype(np.float64) * scale + zero)

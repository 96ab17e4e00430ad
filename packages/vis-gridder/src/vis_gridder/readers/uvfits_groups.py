"""The random groups of a UVFITS file: correlations and their parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.constants import SPEED_OF_LIGHT_M_S

__all__ = ["Groups"]

HANDS = {-1: "RR", -2: "LL", -5: "XX", -6: "YY"}
STOKES_I = 1
JD_MJD = 2_400_000.5


class Groups:
    """Access to random groups by the names of AIPS Memo 117 (Greisen), section 3.

    Args:
        path: the file, for messages.
        hdu: its primary HDU.

    Raises:
        ContractError: axes are missing, or there are no parallel hands.

    """

    def __init__(self, path: Path, hdu: Any) -> None:
        self.path = path
        self.header = hdu.header
        self.data = hdu.data
        if self.data is None or len(self.data) == 0:
            raise ContractError(path, "has no visibilities")
        self.n = len(self.data)
        self.names = [str(self.header[f"PTYPE{i + 1}"]).strip().upper() for i in range(self.header["PCOUNT"])]
        # NumPy's order of axes is the reverse of FITS's; the group itself comes first.
        n_axes = self.header["NAXIS"]
        kinds = [str(self.header.get(f"CTYPE{i}", "")).strip().upper() for i in range(2, n_axes + 1)]
        self.axes = ["GROUP", *kinds[::-1]]
        self.sizes = dict(zip(kinds, (self.header[f"NAXIS{i}"] for i in range(2, n_axes + 1)), strict=True))
        if missing := [kind for kind in ("COMPLEX", "STOKES", "FREQ") if kind not in self.sizes]:
            raise ContractError(path, f"lacks the axis {', '.join(missing)}; export the UVFITS file again")
        if self.sizes["COMPLEX"] != 3:
            raise ContractError(path, "holds no weights (COMPLEX axis must be real, imaginary, weight)")
        if extra := [k for k, n in self.sizes.items() if k not in ("COMPLEX", "STOKES", "FREQ", "IF") and n > 1]:
            raise ContractError(path, f"has more than one value along {', '.join(extra)}; split it first")
        self.n_channels = self.sizes["FREQ"]
        self.n_if = self.sizes.get("IF", 1)
        self.bytes_per_row = 12 * self.sizes["STOKES"] * self.n_channels * self.n_if
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
        """Tell whether there is a parameter `name`."""
        return any(given == name for given in self.names)

    def _values(self, name: str) -> np.ndarray:
        """Return a parameter [group], float64; parameters given twice are two parts of a sum."""
        parts = [i for i, given in enumerate(self.names) if given == name]
        if not parts:
            raise ContractError(self.path, f"lacks the random parameter {name}; export the UVFITS file again")
        return np.sum([np.asarray(self.data.field(i), np.float64) for i in parts], axis=0)

    def integers(self, name: str) -> np.ndarray:
        """Return a parameter that is a number of something, [group]."""
        return np.rint(self._values(name)).astype(int)

    def metres(self, name: str) -> np.ndarray:
        """Return a baseline coordinate (UU, VV or WW), [group], m: the file has light seconds or wavelengths."""
        fitting = [given for given in self.names if given == name or given.startswith(f"{name}-")]
        if not fitting:
            raise ContractError(self.path, f"lacks the random parameter {name}; export the UVFITS file again")
        values = self._values(fitting[0]) * SPEED_OF_LIGHT_M_S
        if fitting[0].startswith(f"{name}-L"):
            values /= self.header[f"CRVAL{2 + list(self.sizes).index('FREQ')}"]
        return values

    def time_mjd_s(self) -> np.ndarray:
        """Return the time of each group, modified Julian date in seconds."""
        return (self._values("DATE") - JD_MJD) * 86400.0

    def antennas(self) -> tuple[np.ndarray, np.ndarray]:
        """Return both antenna numbers of each group, as the antenna table counts them (from 1)."""
        if self.has("ANTENNA1") and self.has("ANTENNA2"):
            return self.integers("ANTENNA1"), self.integers("ANTENNA2")
        # The fraction is the subarray; above 65536 the newer packing for more than 255 antennas holds.
        baseline = np.floor(self._values("BASELINE") + 1e-3).astype(int)
        wide = baseline > 65536
        first = np.where(wide, (baseline - 65536) // 2048, baseline // 256)
        second = np.where(wide, (baseline - 65536) % 2048, baseline % 256)
        return first, second

    def correlations(self, rows: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
        """Return visibilities and weights of some groups and one IF, each [row, channel, hand]."""
        block = self.data.field("DATA")[rows]
        order = [self.axes.index(kind) for kind in ("GROUP", "FREQ", "STOKES", "COMPLEX")]
        if "IF" in self.axes:
            order.insert(1, self.axes.index("IF"))
        others = [i for i in range(block.ndim) if i not in order]
        block = block.transpose([*order, *others])
        block = block.reshape(block.shape[: len(order)])
        if "IF" in self.axes:
            block = block[:, window]
        block = block[:, :, self.hands]
        data = np.empty(block.shape[:-1], np.complex64)
        data.real, data.imag = block[..., 0], block[..., 1]
        return data, block[..., 2].astype(np.float32)

"""The `.npz` files that users of viscube extract from Measurement Sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from steelyard_schemas import ContractError, read_npz

from vis_gridder.constants import SPEED_OF_LIGHT_M_S
from vis_gridder.readers.common.axis import spectral_axis
from vis_gridder.readers.common.plausible import check_longest_baseline
from vis_gridder.readers.common.untimed import common_metres, untimed_source
from vis_gridder.stream.source import Source

__all__ = ["open_viscube"]

NAMES = {
    "frequency": ("chan_freq_hz", "frequencies"),
    "u": ("u", "uu"),
    "v": ("v", "vv"),
    "vis": ("vis", "data"),
    "weight": ("weight",),
    "mask": ("mask",),
    "w": ("w", "ww"),
}
"""Names of each array: those of viscube's later extraction notebooks first, then those that follow the arguments of
`viscube.load_and_mask` (viscube 0.4.8)."""
NEEDED = ("frequency", "u", "v", "vis", "weight")
SAME_BASELINE = 2e-6
"""Largest relative spread of u c / f over channels: float32 leaves a tenth of it, and more is
not one baseline seen at several frequencies."""
HIGHEST_GHZ = 1e3
"""Notebooks that say `frequencies` give GHz; no numbers below this are Hz or MHz of an interferometer's line."""


def open_viscube(path: Path) -> Source:
    """Read a viscube `.npz`: arrays [channel, row] of Stokes I, u and v in wavelengths per channel, mask true = good.

    These files tell neither times nor antennas, nor telescope, target and phase centre; the stream says
    `unknown`, antennas are -1, and the noise can then only come from the scatter in uv cells. A file saved after
    `viscube.hermitian_augment`, which appends the conjugates, counts once.

    Raises:
        ContractError: arrays are missing, misshapen or unusable.

    """
    arrays = _load(path)
    history = ["read a viscube .npz of Stokes I"]
    frequency = np.asarray(arrays["frequency"], np.float64)
    if "frequencies" in arrays and frequency.size and 0 < np.nanmax(frequency) < HIGHEST_GHZ:
        frequency = frequency * 1e9
        history.append("assumed frequencies in GHz, for the largest is below 1000; chan_freq_hz replaces them")
    axis = spectral_axis(path, frequency)
    shape = arrays["vis"].shape
    if len(shape) != 2 or shape[0] != axis.frequency_hz.size:
        raise ContractError(path, f"has vis of shape {shape}, expected ({axis.frequency_hz.size} channels, rows)")
    for name in ("u", "v", "weight", "mask", "w"):
        if name in arrays and arrays[name].shape != shape:
            raise ContractError(path, f"has {name} of shape {arrays[name].shape}, expected {shape} as vis")
    uvw = {name: _metres(path, name, arrays[name], frequency) for name in ("u", "v", "w") if name in arrays}
    longest = check_longest_baseline(path, uvw["u"], uvw["v"], "wavelengths")
    history.append(f"assumed u and v in wavelengths of each channel: {longest}")
    history.append("assumed visibilities in Jy and weights of 1 / sigma^2 of the real part, 1 / Jy^2")
    uvw.setdefault("w", np.zeros_like(uvw["u"]))
    vis, weight = arrays["vis"], arrays["weight"]
    flag = ~arrays["mask"].astype(bool) if "mask" in arrays else np.zeros(shape, bool)
    history.append(_of_mask(arrays.get("mask")))
    n = shape[1]
    if _is_augmented(uvw["u"], uvw["v"], vis):
        n //= 2
        history.append(f"dropped {n} rows that are the conjugates of the others")
    return untimed_source(
        path,
        axis,
        uvw_m=(uvw["u"][:n], uvw["v"][:n], uvw["w"][:n]),
        vis=vis[:, :n],
        weight=weight[:, :n],
        flag=flag[:, :n],
        history=history,
    )


def _of_mask(mask: np.ndarray | None) -> str:
    if mask is None:
        return "assumed all samples to be good: the file has no mask"
    good = 100 * mask.astype(bool).mean()
    return f"assumed a mask that is true where samples are good, as viscube's: {good:.3g} % are"


def _load(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays by our names; `frequencies` is there twice where the file calls it so."""
    stored = read_npz(path, "write it again", {name for names in NAMES.values() for name in names})
    found = {ours: next((name for name in names if name in stored), "") for ours, names in NAMES.items()}
    arrays = {ours: stored[name] for ours, name in found.items() if name}
    if missing := [name for name in NEEDED if name not in arrays]:
        listing = ", ".join(" or ".join(NAMES[name]) for name in missing)
        raise ContractError(path, f"lacks the array {listing} of viscube's visibility files")
    for name, array in arrays.items():
        kinds = "biufc" if name == "vis" else "biuf"
        if array.dtype.kind not in kinds:
            raise ContractError(path, f"has {name} of type {array.dtype}, expected numbers")
    if found["frequency"] == "frequencies":
        arrays["frequencies"] = arrays["frequency"]
    return arrays


def _metres(path: Path, name: str, wavelengths: np.ndarray, frequency_hz: np.ndarray) -> np.ndarray:
    """Return a baseline coordinate, [row], m, from wavelengths [channel, row]; the mean over channels."""
    per_channel = wavelengths * (SPEED_OF_LIGHT_M_S / frequency_hz.ravel())[:, None]
    mean, agree = common_metres(per_channel, SAME_BASELINE)
    if not agree:
        _, constant = common_metres(wavelengths, SAME_BASELINE)
        seems = "metres, it seems: multiply them by chan_freq_hz / c" if constant else "not masked ones"
        raise ContractError(
            path, f"has {name} that does not scale with frequency; wavelengths per channel are due ({seems})"
        )
    return mean


def _is_augmented(u_m: np.ndarray, v_m: np.ndarray, vis: np.ndarray) -> bool:
    """Return whether the second half of the rows repeats the first at (-u, -v), conjugated."""
    half, odd = divmod(u_m.size, 2)
    if odd or not half:
        return False
    mirrored = np.array_equal(u_m[half:], -u_m[:half]) and np.array_equal(v_m[half:], -v_m[:half])
    return mirrored and np.array_equal(vis[:, half:], vis[:, :half].conj(), equal_nan=True)

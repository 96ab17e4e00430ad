"""The `.npz` files that users of viscube extract from Measurement Sets."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from steelyard_schemas import ContractError, Observation, Store, Visibilities

from vis_gridder.constants import SPEED_OF_LIGHT_M_S
from vis_gridder.readers.assemble import Assembly
from vis_gridder.readers.axis import spectral_axis
from vis_gridder.readers.stokes import stokes_i

__all__ = ["read_viscube"]

NEEDED = ("chan_freq_hz", "u", "v", "vis", "weight")
SAME_BASELINE = 2e-6
"""Largest relative spread of u c / f over channels: float32 leaves a tenth of it, and more is
not one baseline seen at several frequencies."""


def read_viscube(path: Path) -> Store[Visibilities]:
    """Read a viscube `.npz`: arrays [channel, row] of Stokes I, u and v in wavelengths per channel.

    These files tell neither times nor antennas, nor telescope, target and phase centre; the store says
    `unknown`, antennas are -1, and the noise can then only come from the scatter in uv cells.

    Raises:
        ContractError: arrays are missing, misshapen or unusable.

    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if name in (*NEEDED, "w", "mask")}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ContractError(path, f"is a damaged .npz ({str(error).splitlines()[0]}); write it again") from error
    if missing := [name for name in NEEDED if name not in arrays]:
        raise ContractError(path, f"lacks the array {', '.join(missing)} of viscube's visibility files")
    axis = spectral_axis(path, arrays["chan_freq_hz"])
    shape = arrays["vis"].shape
    if len(shape) != 2 or shape[0] != axis.frequency_hz.size:
        raise ContractError(path, f"has vis of shape {shape}, expected ({axis.frequency_hz.size} channels, rows)")
    for name in ("u", "v", "weight", "mask", "w"):
        if name in arrays and arrays[name].shape != shape:
            raise ContractError(path, f"has {name} of shape {arrays[name].shape}, expected {shape} as vis")
    u_m, v_m = (_metres(path, name, arrays) for name in ("u", "v"))
    w_m = _metres(path, "w", arrays) if "w" in arrays else np.zeros_like(u_m)
    mask = arrays["mask"].astype(bool) if "mask" in arrays else np.ones(shape, bool)
    result = Assembly(path, shape[1], axis)
    samples = stokes_i(
        path,
        np.asarray(arrays["vis"].T, np.complex64)[..., None],
        np.asarray(arrays["weight"].T, np.float32)[..., None],
        ~mask.T[..., None],
    )
    result.put(
        slice(None),
        samples,
        u_m=u_m,
        v_m=v_m,
        w_m=w_m,
        time_mjd_s=np.zeros_like(u_m),
        antenna1=np.full_like(u_m, -1),
        antenna2=np.full_like(u_m, -1),
        scan=np.zeros_like(u_m),
    )
    observation = Observation(
        target="unknown",
        telescope="unknown",
        dish_diameter_m=None,
        phase_centre_ra_deg=0.0,
        phase_centre_dec_deg=0.0,
        frequency_frame="UNKNOWN",
        rest_frequency_hz=None,
    )
    history = [
        "read a viscube .npz of Stokes I",
        "phase centre is not in the file: right ascension and declination are set to 0",
    ]
    return result.finish(observation, history)


def _metres(path: Path, name: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return a baseline coordinate, [row], m, from wavelengths [channel, row]; the mean over channels."""
    per_channel = arrays[name] * (SPEED_OF_LIGHT_M_S / np.asarray(arrays["chan_freq_hz"], float))[:, None]
    mean = per_channel.mean(axis=0)
    spread = np.abs(per_channel - mean).max(axis=0)
    if np.any(spread > SAME_BASELINE * np.nanmax(np.abs(mean))):
        raise ContractError(
            path, f"has {name} that does not scale with frequency; wavelengths per channel are due (not masked ones)"
        )
    return mean

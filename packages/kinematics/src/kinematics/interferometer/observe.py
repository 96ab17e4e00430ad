"""Mock observations: visibilities of a model cube on real baselines, with thermal noise."""

from __future__ import annotations

from typing import NamedTuple

import finufft
import numpy as np
from jax.typing import ArrayLike
from steelyard_schemas import Observation, Store, Visibilities

from kinematics.constants import ARCSEC_RAD, C_KMS
from kinematics.grids import SkyGrid
from kinematics.interferometer.tracks import UvTrack
from kinematics.render.pixel import BOX, Pixel

__all__ = ["PointSource", "observe", "sample_visibilities"]


class PointSource(NamedTuple):
    """An unresolved source, attenuated by the primary beam."""

    x_arcsec: float
    """Offset east of the phase centre [arcsec]."""
    y_arcsec: float
    """Offset north of the phase centre [arcsec]."""
    flux_jy: np.ndarray
    """Apparent flux density [Jy], shape (channel,)."""


def sample_visibilities(
    cube: ArrayLike, sky: SkyGrid, u_wavelengths: np.ndarray, v_wavelengths: np.ndarray, pixel: Pixel = BOX
) -> np.ndarray:
    """Compute the visibilities of a cube at any (u, v) by non-uniform FFT, to 1e-9 of the total flux.

    As in `model_visibilities`, the averaging over pixels is corrected for.

    Args:
        cube: flux density [Jy per pixel], shape (channel, npix, npix).
        sky: grid of the cube.
        u_wavelengths: u [wavelengths], shape (row, channel).
        v_wavelengths: v [wavelengths], shape (row, channel).
        pixel: pixel response of the cube.

    Returns:
        Visibilities [Jy], shape (row, channel).

    Raises:
        ValueError: the cube does not match the grid or the channels, or a baseline is longer than the pixels resolve
            (`pixel.longest_cycles`).

    """
    images = np.asarray(cube, np.complex128)
    if images.shape != (expected := (np.shape(u_wavelengths)[1], sky.npix, sky.npix)):
        raise ValueError(f"the cube has shape {images.shape}, expected {expected} (channel, npix, npix)")
    cell = sky.cell_arcsec * ARCSEC_RAD
    cycles_u, cycles_v = np.asarray(u_wavelengths) * cell, np.asarray(v_wavelengths) * cell
    longest = max(abs(cycles_u).max(), abs(cycles_v).max())
    if longest > pixel.longest_cycles:
        raise ValueError(
            f"baselines reach {longest / cell:.3g} wavelengths, beyond what pixels of {sky.cell_arcsec:g} arcsec "
            f"hold: use cells below {pixel.longest_cycles / (longest / cell) / ARCSEC_RAD:.3g} arcsec"
        )
    # finufft and SkyGrid number modes and pixels alike: the origin is number npix // 2.
    vis = np.empty(cycles_u.shape, np.complex128)
    for channel, image in enumerate(images):
        x, y = 2 * np.pi * cycles_u[:, channel], 2 * np.pi * cycles_v[:, channel]
        vis[:, channel] = finufft.nufft2d2(y, x, image, eps=1e-9, isign=1)
    return vis / (np.sinc(cycles_u) * np.sinc(cycles_v))


def observe(
    cube: ArrayLike,
    sky: SkyGrid,
    frequency_hz: np.ndarray,
    track: UvTrack,
    observation: Observation,
    noise_jy: float,
    seed: int,
    pixel: Pixel = BOX,
    point: PointSource | None = None,
) -> Store[Visibilities]:
    """Observe a model cube: sample its visibilities along a track and add Gaussian noise.

    Args:
        cube: flux density [Jy per pixel], shape (channel, npix, npix), in ascending frequency, primary beam applied.
        sky: grid of the cube.
        frequency_hz: channel centres [Hz], ascending and evenly spaced, shape (channel,).
        track: uv coverage.
        observation: target, telescope and frame to record.
        noise_jy: standard deviation of the real and of the imaginary part of each Stokes I visibility [Jy]; with 0
            no noise is added and the weights are one.
        seed: random seed for the noise.
        pixel: pixel response of the cube.
        point: point source to add to the cube, if any.

    Returns:
        A `Visibilities` store with true inverse variances as weights.

    Raises:
        ValueError: as `sample_visibilities`; or there are fewer than two frequencies, or they do not ascend evenly.
        ContractError: the arrays do not satisfy the `Visibilities` contract.

    """
    frequency = np.asarray(frequency_hz, float)
    steps = np.diff(frequency)
    if steps.size == 0 or steps.min() <= 0 or np.ptp(steps) > 1e-3 * steps.mean():
        raise ValueError("frequency_hz must hold at least two channels, ascending and evenly spaced")
    per_metre = frequency / (C_KMS * 1e3)
    u, v = np.outer(track.u_m, per_metre), np.outer(track.v_m, per_metre)
    vis = sample_visibilities(cube, sky, u, v, pixel)
    if point is not None:
        phase = 2 * np.pi * ARCSEC_RAD * (u * point.x_arcsec + v * point.y_arcsec)
        vis += point.flux_jy * np.exp(1j * phase)
    rng = np.random.default_rng(seed)
    vis += noise_jy * (rng.standard_normal(vis.shape) + 1j * rng.standard_normal(vis.shape))
    manifest = Visibilities(observation=observation, source="simulated", history=(f"observed with seed {seed}",))
    arrays = {
        **{name: np.asarray(values) for name, values in track._asdict().items()},
        "vis": vis.astype(np.complex64),
        "weight": np.full(vis.shape, noise_jy**-2 if noise_jy > 0 else 1.0, np.float32),
        "flag": np.zeros(vis.shape, bool),
        "frequency_hz": frequency,
        "channel_width_hz": np.full(frequency.shape, steps.mean()),
    }
    store = Store(manifest, arrays)
    store.check("simulated visibilities")
    return store

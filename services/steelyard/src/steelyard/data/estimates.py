"""Rough estimates of position, orientation, velocity and flux from gridded data, to start a fit."""

from __future__ import annotations

import numpy as np
from kinematics import C_KMS, galaxy_velocity_kms
from steelyard_schemas import ContractError, GriddedVisibilities, Store
from steelyard_schemas.ingredients import DataEstimates
from vis_gridder import dirty_cube, line_sign, robust_sigma

from steelyard.data.velocity import channel_width_kms, velocities_kms

__all__ = ["check_emission", "data_estimates"]

DETECTION_SIGMA = 5.0
SIDELOBES = 0.3
"""Fraction of the peak below which emission may be a sidelobe; those of a short track reach a quarter."""


def data_estimates(data: Store[GriddedVisibilities], rest_frequency_hz: float) -> DataEstimates:
    """Measure centre, velocity gradient and flux from the significant voxels of the dirty cube.

    The systemic velocity is their mean radio velocity. The position angle follows from a plane v = a x + b y + c
    fitted to their velocities in the galaxy's frame: (a, b) points to the receding side.

    Raises:
        ContractError: the channels lie far blueward of the line, or no voxel of the cube is brighter than five times
            its noise.

    """
    cube = np.asarray(dirty_cube(data, correct_taper=False))
    velocity = velocities_kms(data, rest_frequency_hz)
    if velocity.min() < -C_KMS / 10:
        raise ContractError(
            data.manifest.source,
            f"has channels at {velocity.min():.3g} km/s for a rest frequency of {rest_frequency_hz:.6g} Hz: give "
            "[line] rest_frequency_hz of the observed line",
        )
    noise, brightest = _noise_and_peak(data.manifest.source, cube)
    npix, cell = data.manifest.npix, data.manifest.cell_arcsec
    peak_sigma = brightest / noise
    # Voxels of channels without data are NaN, which is above nothing.
    channel, y, x = np.nonzero(cube > max(DETECTION_SIGMA * noise, SIDELOBES * brightest))
    if len(channel) < 3:
        raise ContractError(
            data.manifest.source,
            f"no line emission is detected (the brightest voxel is {peak_sigma:.1f} times the noise): check the rest "
            "frequency and the velocity range of the grid",
        )
    weight = cube[channel, y, x]
    east, north = (x - npix // 2) * cell, (y - npix // 2) * cell
    vsys = float(np.average(velocity[channel], weights=weight))
    v = galaxy_velocity_kms(velocity[channel], vsys)
    design = np.stack([np.ones_like(east), east, north], axis=1) * np.sqrt(weight)[:, None]
    # Relative to the mean, so that a point source has no gradient instead of a random one.
    coefficients = np.linalg.lstsq(design, (v - np.average(v, weights=weight)) * np.sqrt(weight), rcond=None)[0]
    x0, y0 = np.average(east, weights=weight), np.average(north, weights=weight)
    return DataEstimates(
        x0_arcsec=float(x0),
        y0_arcsec=float(y0),
        pa_deg=float(np.degrees(np.arctan2(coefficients[1], coefficients[2])) % 360),
        vsys_kms=vsys,
        radius_arcsec=float(np.average(np.hypot(east - x0, north - y0), weights=weight)),
        rotation_kms=2 * float(np.sqrt(np.cov(v, aweights=weight))),
        flux_jykms=_short_baseline_flux(data, channel_width_kms(data, rest_frequency_hz, vsys)),
        velocity_min_kms=float(velocity.min()),
        velocity_max_kms=float(velocity.max()),
        field_arcsec=npix * cell,
        cell_arcsec=cell,
        peak_sigma=peak_sigma,
    )


def _noise_and_peak(source: str, cube: np.ndarray) -> tuple[float, float]:
    """Return the noise of a dirty cube and its brightest voxel, of the channels with data, Jy/beam.

    Raises:
        ContractError: no channel has data, or most voxels are equal.

    """
    seen = cube[np.isfinite(cube)]
    if not seen.size:
        raise ContractError(source, "has no channel with data; grid it again with channels that hold some")
    # Most voxels are empty: their median absolute deviation is the noise.
    noise = robust_sigma(seen)
    if not noise > 0:
        raise ContractError(source, "has a dirty image without noise (most voxels are equal): check its visibilities")
    return noise, float(seen.max())


def check_emission(data: Store[GriddedVisibilities], *, absorber: bool) -> None:
    """Reject a line in absorption, which a disc in emission cannot fit.

    Args:
        data: gridded, continuum-subtracted data.
        absorber: whether the model has a central absorber, which allows absorption beside emission.

    Raises:
        ContractError: the line is in absorption, or partly so while the model has no absorber.

    """
    sign = line_sign(data)
    if sign is None or sign.net >= 0 or (absorber and sign.kind != "absorption"):
        return
    advice = (
        "a disc of gas in emission cannot fit it"
        if sign.kind == "absorption"
        else "add [absorber] continuum_jy to the galaxy file if it is absorption against the nucleus"
    )
    raise ContractError(
        data.manifest.source,
        f"shows the line in {sign.kind}, deepest at {sign.absorption_sigma:.1f} times the noise (emission "
        f"{sign.emission_sigma:.1f}): {advice}",
    )


def _short_baseline_flux(data: Store[GriddedVisibilities], width_kms: float) -> float:
    """Line flux [Jy km/s] from the shortest tenth of the cells; an underestimate for an extended disc."""
    length = np.hypot(data["u_wavelengths"][None, :], data["v_wavelengths"][:, None])
    filled = data["mask"].any(axis=0)
    short = filled & (length <= np.quantile(length[filled], 0.1))
    inverse = np.where(data["mask"], 1 / np.maximum(data["variance"], 1e-30), 0.0)[:, short]
    # A channel without data there adds nothing.
    some = inverse.any(axis=1)
    inverse, mean = inverse[some], data["mean"][some][:, short]
    power = np.sum(inverse * np.abs(mean) ** 2, axis=1) / np.sum(inverse, axis=1)
    noise_power = 2 * np.sum(inverse > 0, axis=1) / np.sum(inverse, axis=1)
    amplitude = np.sqrt(np.maximum(power - noise_power, 0))
    return max(float(np.sum(amplitude) * width_kms), 1e-6)

"""Visibilities of a thin rotating disc by brute force: the reference that errors are measured against.

Written from docs/conventions.md alone; it shares no code with the library. The disc is a polar grid of points, evenly
spaced in ln R and in azimuth. For lines that are broader than the steps in velocity from point to point such a sum
converges faster than any power of the number of points. Each point's Gaussian line is integrated over each channel,
and its light goes to the uv cells' centres by a non-uniform Fourier transform. All in double precision.
"""

from typing import NamedTuple

import finufft
import numpy as np
from scipy.special import erf

G_PC_KMS2_MSUN = 4.300917270e-3
C_M_S = 299792458.0
ARCSEC = np.pi / 648000
INNER_ARCSEC, OUTER_SCALES = 1e-3, 25.0
"""Radii of the points; an exponential disc holds 1e-6 and less of its flux within, and 4e-10 beyond."""
LINE_SIGMA = 7.0
"""Half width of a line that counts."""
PRECISION = 1e-8


class Reference(NamedTuple):
    """What the points of a disc add up to."""

    visibilities: np.ndarray
    """[channel, v, u] in Jy, the half plane of `rfft2`."""
    flux_jykms: float
    """Line flux within the channels, behind the primary beam."""


def circular_velocity(radius_pc, surface_density, sigma_pc, q, inclination, mbh):
    """Gaussians and a black hole (Cappellari 2002): v_c^2 = 4 pi G sum q rho R^2 int exp(-R^2 t^2 / 2 s^2) ..."""
    node, weight = np.polynomial.legendre.leggauss(80)
    # t = sin(theta) takes away the steepness of flat bodies' integrand at t = 1.
    surface_density, sigma_pc, q = np.broadcast_arrays(surface_density, sigma_pc, q)
    density = surface_density * np.sqrt((q * np.sin(inclination)) ** 2 + np.cos(inclination) ** 2)
    density = density / (q * sigma_pc * np.sqrt(2 * np.pi))
    ratio = radius_pc[:, None] / sigma_pc
    # Beyond eight sigma a Gaussian holds nothing.
    end = np.arcsin(np.minimum(1, 8 / ratio))[..., None]
    theta = 0.5 * end * (node + 1)
    t = np.sin(theta)
    integrand = (
        np.exp(-0.5 * (ratio[..., None] * t) ** 2) * t**2 * np.cos(theta) / np.sqrt(1 - (1 - q[:, None] ** 2) * t**2)
    )
    integral = np.sum(integrand * weight, axis=-1) * 0.5 * end[..., 0]
    stars = 4 * np.pi * radius_pc**2 * (integral @ (q * density))
    return np.sqrt(G_PC_KMS2_MSUN * (stars + mbh / radius_pc))


def gaussian_beam(dish_m):
    """Return the primary beam of FWHM 1.13 lambda / D as a function of distance [arcsec] and frequency [Hz]."""

    def beam(distance_arcsec, frequency_hz):
        fwhm_arcsec = 1.13 * C_M_S / frequency_hz / dish_m / ARCSEC
        return np.exp(-4 * np.log(2) * (distance_arcsec / fwhm_arcsec) ** 2)

    return beam


def thin_disc(truth, speed, frequency_hz, rest_hz, npix, cell_arcsec, beta, beam, radii, azimuths, field=None):
    """Return the visibilities of an exponential disc at the cells' centres, with primary beam and gridding taper.

    Args:
        truth: parameters in the names of a galaxy file.
        speed: circular velocity [km/s] as a function of radius [arcsec].
        frequency_hz: channel centres, ascending.
        rest_hz: of the line.
        npix: pixels along a side of the data's grid, an odd number.
        cell_arcsec: its pixels.
        beta: of its Kaiser-Bessel kernel, one cell wide; None for no taper.
        beam: primary beam, a function of distance from the phase centre [arcsec] and frequency [Hz].
        radii: number of rings.
        azimuths: points on each ring.
        field: lowest and highest coordinate [arcsec] that counts, east and north; None for all.

    """
    if npix % 2 == 0:
        raise ValueError(f"npix = {npix} is even; the modes of the transform are those of an odd grid")
    inclination, pa = np.radians(truth["inclination_deg"]), np.radians(truth["pa_deg"])
    scale = truth["disc_scale_arcsec"]
    log_radius = np.linspace(np.log(INNER_ARCSEC), np.log(OUTER_SCALES * scale), radii + 1)
    radius = np.exp(0.5 * (log_radius[1:] + log_radius[:-1]))
    azimuth = np.linspace(0, 2 * np.pi, azimuths, endpoint=False)
    # In the galaxy's frame; the centre is seen at f_rest (1 - vsys / c), and gas at v at that over 1 + v / c.
    velocity = np.sin(inclination) * np.outer(speed(radius), np.cos(azimuth)).ravel()
    ring = radius**2 * np.exp(-radius / scale) / scale**2 * np.diff(log_radius) / azimuths
    flux = np.repeat(truth["flux_jykms"] * ring, azimuths)
    major, minor = np.outer(radius, np.cos(azimuth)).ravel(), np.outer(radius, np.sin(azimuth)).ravel()
    minor *= np.cos(inclination)
    # The receding half of the major axis points to (east, north) = (sin PA, cos PA).
    east = truth["x0_arcsec"] + major * np.sin(pa) - minor * np.cos(pa)
    north = truth["y0_arcsec"] + major * np.cos(pa) + minor * np.sin(pa)

    if field is not None:
        flux = np.where((np.minimum(east, north) > field[0]) & (np.maximum(east, north) < field[1]), flux, 0.0)
    order = np.argsort(velocity)
    velocity, flux, east, north = velocity[order], flux[order], east[order], north[order]
    tapered = flux if beta is None else flux * _taper(east, north, npix * cell_arcsec, beta)
    distance = np.hypot(east, north)
    phase_x, phase_y = (2 * np.pi * a / (npix * cell_arcsec) for a in (east, north))

    frequency_hz = np.asarray(frequency_hz)
    c_kms, step_hz = C_M_S / 1e3, np.diff(frequency_hz).mean()
    centre_hz = rest_hz * (1 - truth["vsys_kms"] / c_kms)
    width = c_kms * step_hz / centre_hz
    sigma = truth["sigma_gas_kms"]
    rows = np.fft.ifftshift(np.arange(npix))
    visibilities = np.empty((frequency_hz.size, npix, npix // 2 + 1), complex)
    total = 0.0
    for k, frequency in enumerate(frequency_hz):
        fastest, slowest = (c_kms * (centre_hz / (frequency - side * step_hz / 2) - 1) for side in (1, -1))
        here = slice(*np.searchsorted(velocity, (slowest - LINE_SIGMA * sigma, fastest + LINE_SIGMA * sigma)))
        if here.start == here.stop:
            visibilities[k] = 0
            continue
        upper, lower = (erf((edge - velocity[here]) / (sigma * np.sqrt(2))) for edge in (fastest, slowest))
        share = 0.5 * (upper - lower) / width
        share *= beam(distance[here], frequency)
        total += width * np.sum(flux[here] * share)
        light = (tapered[here] * share).astype(complex)
        plane = finufft.nufft2d1(phase_y[here], phase_x[here], light, (npix, npix), isign=1, eps=PRECISION)
        visibilities[k] = plane[rows, npix // 2 :]
    return Reference(visibilities, total)


def _taper(east, north, field_arcsec, beta):
    """Transform of I0(beta sqrt(1 - 4 x^2)), one cell wide: sinh(z) / z, z^2 = beta^2 - (pi l / field)^2."""
    factor = 1.0
    for offset in (east, north):
        z = np.sqrt((beta**2 - (np.pi * offset / field_arcsec) ** 2).astype(complex))
        factor = factor * np.real(np.sinh(z) / np.where(z == 0, 1, z)) * beta / np.sinh(beta)
    return factor

"""The sky and velocity grids of a model: pytrees whose numbers of pixels and channels are static.

The static numbers fix the array shapes and therefore the compiled code; lengths in arcsec and km/s are data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
from scipy.fft import next_fast_len

from kinematics.constants import ARCSEC_RAD, C_KMS

__all__ = ["SkyGrid", "VelocityGrid"]


@partial(jax.tree_util.register_dataclass, data_fields=["cell_arcsec"], meta_fields=["npix"])
@dataclass(frozen=True)
class SkyGrid:
    """A square image `[y, x]`, x index to the east, y to the north; the phase centre is pixel npix // 2."""

    npix: int
    """Pixels along a side (static)."""
    cell_arcsec: float
    """Side of a pixel [arcsec]."""

    def refined(self, factor: float) -> SkyGrid:
        """Return a grid of the same field of view with at least `factor` times the pixels per side; see `divided`."""
        return self.divided(math.ceil(factor * self.npix))

    def divided(self, least_npix: int) -> SkyGrid:
        """Return a grid of the same field of view with at least `least_npix` pixels per side: even, FFT-friendly."""
        npix = next_fast_len(least_npix, real=True)
        while npix % 2:
            npix = next_fast_len(npix + 1, real=True)
        return SkyGrid(npix, self.npix * self.cell_arcsec / npix)

    @property
    def centres_arcsec(self) -> np.ndarray:
        """Pixel centres [arcsec] along either axis, shape (npix,)."""
        return (np.arange(self.npix) - self.npix // 2) * self.cell_arcsec

    @property
    def u_wavelengths(self) -> np.ndarray:
        """u [wavelengths] of the half-plane columns, shape (npix // 2 + 1,)."""
        return np.fft.rfftfreq(self.npix, self.cell_arcsec * ARCSEC_RAD)

    @property
    def v_wavelengths(self) -> np.ndarray:
        """v [wavelengths] of the half-plane rows, shape (npix,)."""
        return np.fft.fftfreq(self.npix, self.cell_arcsec * ARCSEC_RAD)


@partial(jax.tree_util.register_dataclass, data_fields=["first_kms", "width_kms"], meta_fields=["n_channels"])
@dataclass(frozen=True)
class VelocityGrid:
    """Top-hat channels of equal width, in ascending frequency and therefore descending radio velocity."""

    first_kms: float
    """Radio velocity [km/s] at the centre of the first channel (lowest frequency, highest velocity)."""
    width_kms: float
    """Channel width [km/s], positive."""
    n_channels: int
    """Number of channels (static)."""

    @classmethod
    def from_frequencies(cls, frequency_hz: np.ndarray, width_hz: float, rest_frequency_hz: float) -> VelocityGrid:
        """Build the grid from evenly spaced ascending frequencies, shape (n,), with v = c (1 - f / f_rest)."""
        first = C_KMS * (1 - float(frequency_hz[0]) / rest_frequency_hz)
        return cls(first, C_KMS * width_hz / rest_frequency_hz, len(frequency_hz))

    @property
    def centres_kms(self) -> np.ndarray:
        """Radio velocities [km/s] of the channel centres, shape (n,), descending."""
        return self.first_kms - self.width_kms * np.arange(self.n_channels)

    @property
    def middle_kms(self) -> float:
        """Radio velocity [km/s] of the middle of the band, f_mid."""
        return self.first_kms - 0.5 * self.width_kms * (self.n_channels - 1)

    @property
    def edges_about_middle_kms(self) -> np.ndarray:
        """Channel edges as velocities w = c (f_mid / f - 1) [km/s] about mid-band, shape (n + 1,), descending.

        In terms of radio velocities r, w = (r - r_mid) / (1 - r / c), so their spacing varies by w / c.
        """
        from_middle = self.width_kms * (0.5 * self.n_channels - np.arange(self.n_channels + 1))
        return from_middle / (1 - (self.middle_kms + from_middle) / C_KMS)

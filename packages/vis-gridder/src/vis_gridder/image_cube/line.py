"""The line in an image cube: its sign, its flux, and the channels beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.constants import SPEED_OF_LIGHT_KMS
from vis_gridder.image_cube.fits.open import ImageCube
from vis_gridder.image_cube.noise import DETECTED, Signal, line_free
from vis_gridder.imaging.line_sign import Sign, sign_of_peaks
from vis_gridder.spectral.velocity import radio_velocity_kms

__all__ = ["FEWEST_FREE", "ImageLine", "free_channels", "line_in_image"]

FEWEST_FREE = 2
"""Minimum line-free channels to measure the noise from; with fewer it is taken from beside the signal."""
BOWLS = 0.3
"""A peak fainter than this share of the opposite one in its channel may be what the deconvolution left of a sidelobe,
or the bowl of missing short baselines."""


class ImageLine(NamedTuple):
    """The sign of a line, and its flux of either sign, in the voxels that stand out and a beam around them."""

    kind: Sign
    emission_jykms: float
    absorption_jykms: float
    """Negative."""

    @property
    def text(self) -> str:
        """Line of the history."""
        if self.kind == "undecided":
            return "no line stands out of the noise"
        fluxes = f"{self.emission_jykms:.4g} Jy km/s in emission and {self.absorption_jykms:.4g} in absorption"
        text = f"line in {self.kind}: {fluxes}"
        if self.kind != "emission and absorption" and self.emission_jykms * self.absorption_jykms < 0:
            minor = "absorption" if self.kind == "emission" else "emission"
            text += f"; the {minor}, below {BOWLS:g} of the {self.kind} in the same channels, may be sidelobes"
        return text


def line_in_image(cube: ImageCube, image: np.ndarray, found: Signal, rest_hz: float | None) -> ImageLine:
    """Return the sign and the flux of the line in a cube.

    Args:
        cube: as read.
        image: [channel, y, x] its square, Jy per pixel.
        found: where voxels stand out.
        rest_hz: rest frequency of the line; the middle of the band if None.

    """
    width_kms = SPEED_OF_LIGHT_KMS * cube.width_hz / (rest_hz or float(cube.frequency_hz.mean()))
    # Where the surroundings of both overlap, a voxel belongs to its own sign.
    emission = found.emission & (~found.absorption | (image > 0))
    return ImageLine(
        kind=sign_of_peaks(found.positive_sigma, found.negative_sigma, limit=DETECTED, sidelobes=BOWLS),
        emission_jykms=width_kms * float(image[emission].sum()),
        absorption_jykms=width_kms * float(image[found.absorption & ~emission].sum()),
    )


def free_channels(
    cube: ImageCube,
    found: Signal,
    held: np.ndarray,
    line_free_kms: Sequence[tuple[float, float]],
    rest_hz: float | None,
) -> np.ndarray:
    """Return the channels without line, [channel]: those outside the signal, or those asked for.

    Args:
        cube: as read.
        found: its signal, of either sign.
        held: [channel] whether there are data.
        line_free_kms: velocities without line, (low, high) each; found if none are given.
        rest_hz: rest frequency of the line.

    Raises:
        ContractError: fewer than two channels are within the velocities.

    """
    if not line_free_kms:
        return line_free(found.anywhere) & held
    rest = rest_hz or cube.observation.rest_frequency_hz
    if rest is None:
        raise ContractError(cube.name, "does not give the rest frequency; give one with velocities")
    velocity = radio_velocity_kms(cube.frequency_hz, rest)
    free = np.zeros(held.size, bool)
    for low, high in line_free_kms:
        free |= (velocity >= low) & (velocity <= high)
    free &= held
    if np.count_nonzero(free) < FEWEST_FREE:
        raise ContractError(
            cube.name,
            f"has {np.count_nonzero(free)} channels with data within the line-free velocities; its channels are at "
            f"{velocity.min():.1f} to {velocity.max():.1f} km/s, and two are needed",
        )
    return free

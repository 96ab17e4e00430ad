"""Moment maps of a cube."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vis_gridder.noise.robust import robust_sigma_of_channels

__all__ = ["Moments", "moments"]


class Moments(NamedTuple):
    """Moment maps [y, x]: integrated, mean velocity, dispersion; the last two NaN below the threshold [channel]."""

    integrated: np.ndarray
    velocity_kms: np.ndarray
    dispersion_kms: np.ndarray
    threshold: np.ndarray


def moments(
    cube: np.ndarray, velocity_kms: np.ndarray, *, threshold: float | None = None, clip_sigma: float = 4.0
) -> Moments:
    """Return moments 0 (unit of the cube times km/s), 1 and 2 (km/s).

    Moment 0 sums all channels, so that noise averages out and no flux is cut; moments 1 and 2 take only
    voxels above the threshold, for noise in the line's wings would rule them.

    Args:
        cube: [channel, y, x].
        velocity_kms: [channel], ascending or descending; channels are as wide as their centres are apart.
        threshold: in the unit of the cube; `clip_sigma` times each channel's robust noise where None.
        clip_sigma: see threshold.

    """
    velocity = np.asarray(velocity_kms, float)
    width = np.abs(np.gradient(velocity)) if velocity.size > 1 else np.ones(1)
    limit = clip_sigma * robust_sigma_of_channels(cube) if threshold is None else np.full(velocity.size, threshold)
    integrated = np.tensordot(width, np.nan_to_num(cube).astype(float), axes=1)
    kept = np.where(cube > limit[:, None, None], cube, 0.0).astype(float)
    flux = kept.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.tensordot(velocity, kept, axes=1) / flux
        spread = np.einsum("cyx,cyx->yx", kept, (velocity[:, None, None] - mean) ** 2) / flux
    return Moments(integrated, mean, np.sqrt(spread), limit)

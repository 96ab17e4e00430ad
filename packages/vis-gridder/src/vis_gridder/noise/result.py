"""The noise of visibilities as measured: per baseline and scan, times a factor per channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Noise"]


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise of Stokes I visibilities: one value for each baseline in each scan, times a factor for each channel.

    Attributes:
        antenna1: [group] lower antenna number of the baseline.
        antenna2: [group] higher antenna number of the baseline.
        scan: [group] scan number.
        sigma_jy: [group] standard deviation of the real (or imaginary) part of one visibility-channel, at the mean
            weight of the group's unflagged samples; NaN where all are flagged.
        dof: [group] degrees of freedom of `sigma_jy ** 2`.
        variance_per_weight: [group] variance times weight: the variance of a sample is this, times its channel's
            factor, over its weight.
        channel_factor: [channel] variance of a channel over that implied by its weights; mean about 1.
        weight_scale: the factor that turns the file's weights into inverse variances, pooled over all data.
        weight_scale_error: relative standard error of `weight_scale`.
        n_differences: number of differences used.
        n_still: number of groups whose samples never change; they have no noise of their own and take the pooled one.

    """

    antenna1: np.ndarray
    antenna2: np.ndarray
    scan: np.ndarray
    sigma_jy: np.ndarray
    dof: np.ndarray
    variance_per_weight: np.ndarray
    channel_factor: np.ndarray
    weight_scale: float
    weight_scale_error: float
    n_differences: int
    n_still: int = 0

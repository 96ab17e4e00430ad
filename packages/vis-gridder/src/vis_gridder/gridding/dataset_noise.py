"""Noise of one data set after a complete pass over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.gridding.one_pass import Pass
from vis_gridder.stream.source import Source

__all__ = ["SetNoise", "set_noise"]

WORTH_TELLING = 0.02
"""Smallest relative error of the weights that the history reports."""
WORTH_WARNING = 1.3
"""Ratio of scatter within cells to the variance from time differences above which a warning is given."""


@dataclass(frozen=True, eq=False)
class SetNoise:
    """Noise of a data set, for the weights as they will be used.

    Attributes:
        scale: [group] variance times weight.
        dof: [group] its degrees of freedom.
        channel_factor: [channel] by which the scale is multiplied.
        weight_factor: by which the file's weights are multiplied before use; 1 for a data set alone.
        weight_scale: the factor that would turn the file's weights into inverse variances.
        visibility_noise_jy: typical standard deviation of the real part of one visibility.
        n_used: visibility-channels.
        scatters: scatter within cells in units of the variance from differences in time, where that is above 1.3 and
            not by chance; otherwise None.
        history: sentences on how it was found.

    """

    scale: np.ndarray
    dof: np.ndarray
    channel_factor: np.ndarray
    weight_factor: float
    weight_scale: float
    visibility_noise_jy: float
    n_used: int
    scatters: float | None
    history: tuple[str, ...]


def set_noise(source: Source, done: Pass, *, together: bool) -> SetNoise:
    """Return the noise of a data set from its differences in time, else from its scatter within cells.

    Args:
        source: the data, for messages.
        done: the pass over them.
        together: true where they meet other data sets, so that their weights must become inverse variances.

    Raises:
        ContractError: no baseline repeats in time and no cell holds scatter.

    """
    residual, residual_dof = done.scatter()
    noise = done.noise
    scatters = None
    if done.counts.used == 0:
        raise ContractError(
            source.name, "has no good sample in these channels and on this grid; nothing is left to grid"
        )
    if noise is not None:
        scale, dof, channel_factor = noise.variance_per_weight, noise.dof, noise.channel_factor
        weight_scale, error = noise.weight_scale, noise.weight_scale_error
        visibility_noise = float(np.nanmedian(noise.sigma_jy))
        how = f"noise from {noise.n_differences} differences in time per baseline and scan"
        if residual_dof > 0:
            ratio = residual / residual_dof * weight_scale
            how += f"; the scatter within cells is {ratio:.3f} of that variance"
            chance = np.hypot(np.sqrt(2.0 / residual_dof), error)
            scatters = ratio if ratio > WORTH_WARNING and ratio - 1.0 > 5.0 * ratio * chance else None
        if noise.n_still:
            how += (
                f"; {noise.n_still} of {noise.dof.size} baselines in scans never change; they take the pooled noise"
            )
    else:
        if not residual > 0:
            raise ContractError(
                source.name, f"gives no noise: {done.why_no_noise}, and no cell holds scatter; widen the cells"
            )
        pooled = residual / residual_dof
        scale, dof = np.full(done.n_groups, pooled), np.full(done.n_groups, residual_dof)
        channel_factor = np.ones(sum(len(cells.channels) for cells in done.cells))
        weight_scale, error = 1.0 / pooled, np.sqrt(2.0 / residual_dof)
        visibility_noise = float(np.sqrt(pooled / done.mean_weight))
        how = f"{done.why_no_noise}: noise from the scatter pooled over all cells"
    history = [how]
    if abs(weight_scale - 1.0) > max(WORTH_TELLING, 5.0 * error * weight_scale):
        history.append(f"weights in the file are not inverse variances: corrected by a factor of {weight_scale:.4g}")
    factor = weight_scale if together else 1.0
    return SetNoise(
        scale=scale * factor,
        dof=dof,
        channel_factor=channel_factor,
        weight_factor=factor,
        weight_scale=weight_scale,
        visibility_noise_jy=visibility_noise,
        n_used=done.counts.used,
        scatters=scatters,
        history=tuple(history),
    )

"""Channels that hold a line, found on the short baselines without imaging."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import find_objects, label
from scipy.special import gammainccinv, gammaincinv
from steelyard_schemas import ContractError, GriddedVisibilities, Store

from vis_gridder.constants import SPEED_OF_LIGHT_KMS
from vis_gridder.spectral.velocity import radio_velocity_kms

__all__ = [
    "FALSE_ALARM",
    "VelocityRange",
    "find_line",
    "line_channels",
    "line_velocities",
    "short_baseline_power",
    "short_cells",
]

FALSE_ALARM = 1e-3
"""False-alarm probability for the whole band."""
SMOOTHING = 3
"""Channels in a window: a line narrower than this is found all the same, a wider one better."""
MARGIN = 0.15
"""Margin added at each side, in units of the width found, for wings below the noise."""
QUIET_PERCENTILE = 10.0
"""Percentile of the windows taken to hold no line."""
WORST_NOISE = 1.5
"""Factor by which a data set may understate its noise variance; 1.2 on the line-free channels of NGC 5921 (VLA)."""
BRIDGE = 1e-2
"""Probability that a wide gap of noise between two runs of channels is taken for part of the line."""


class VelocityRange(NamedTuple):
    """Radio velocities, outer edges of the channels."""

    velocity_min_kms: float
    velocity_max_kms: float


def line_velocities(gridded: Store[GriddedVisibilities], *, false_alarm: float = FALSE_ALARM) -> VelocityRange | None:
    """Return the velocities of `line_channels`, in the frame of the data; None where there is no line.

    Raises:
        ContractError: the store does not give the rest frequency.

    """
    rest_hz = gridded.manifest.observation.rest_frequency_hz
    if rest_hz is None:
        raise ContractError(gridded.manifest.source, "does not give the rest frequency; give one when gridding")
    channels = line_channels(gridded, false_alarm=false_alarm)
    if channels is None:
        return None
    ends = radio_velocity_kms(gridded["frequency_hz"][[channels[-1], channels[0]]], rest_hz)
    half_width = 0.5 * SPEED_OF_LIGHT_KMS * gridded.manifest.channel_width_hz / rest_hz
    return VelocityRange(float(ends[0] - half_width), float(ends[1] + half_width))


def line_channels(gridded: Store[GriddedVisibilities], *, false_alarm: float = FALSE_ALARM) -> range | None:
    """Return the channels that hold the brightest line, with a margin at both sides; None where there is none.

    The sky must be free of continuum, which would be taken for a line that fills the band; channels that share
    noise (Hanning smoothing that was not followed by averaging in pairs) raise the rate of false alarms.

    Args:
        gridded: cell means and their variance.
        false_alarm: how often noise alone gives a line, for the band as a whole.

    """
    return find_line(*short_baseline_power(gridded), false_alarm=false_alarm)


def short_baseline_power(gridded: Store[GriddedVisibilities]) -> tuple[np.ndarray, np.ndarray]:
    """Return the power of each channel on the shortest third of the baselines, and the cells it is from, [channel].

    A mean of no signal, variance s' of nu degrees of freedom for its real and for its imaginary part, has
    |m|^2 / (2 s') distributed as F(2, nu), whose survival function is p = (1 + |m|^2 / (nu s'))^(-nu / 2): exact, so
    that -ln p of each cell is exponential with mean 1 whatever its nu, and the sum over n cells follows the gamma
    distribution of shape n (Fisher 1932, Statistical Methods for Research Workers, section 21.1). All emission adds
    up on short baselines, whatever its size; long ones resolve it out and add noise alone.
    """
    short = short_cells(gridded)
    mask = gridded["mask"][:, short]
    nu = np.where(mask, gridded["dof"][:, short], 1.0).astype(float)
    variance = np.where(mask, gridded["variance"][:, short], 1.0).astype(float)
    # Where the mask is false the mean is 0, and so is its logarithm here.
    minus_log_p = 0.5 * nu * np.log1p(np.abs(gridded["mean"][:, short]).astype(float) ** 2 / (nu * variance))
    return minus_log_p.sum(axis=1), mask.sum(axis=1)


def short_cells(gridded: Store[GriddedVisibilities]) -> np.ndarray:
    """Return which cells hold the shortest third of the baselines, [v, u].

    Raises:
        ContractError: no cell holds data.

    """
    filled = gridded["mask"].any(axis=0)
    length = np.hypot(gridded["u_wavelengths"][None, :], gridded["v_wavelengths"][:, None])
    if not filled.any():
        raise ContractError(gridded.manifest.source, "holds no data in any cell; look at its flags")
    return filled & (length <= np.quantile(length[filled], 1.0 / 3.0))


def find_line(power: np.ndarray, n: np.ndarray, *, false_alarm: float = FALSE_ALARM) -> range | None:
    """Return the channels of the brightest line in a spectrum of power, widened by `MARGIN`; None if there is none.

    A window of `SMOOTHING` channels around each is compared with the gamma distribution, the false alarms shared out
    between the windows (Bonferroni). Data whose noise is understated have power everywhere: what even the quietest
    tenth of the windows has above its expectation, up to `WORST_NOISE`, is taken for noise, at the cost of a faint
    line that fills more than nine tenths of the band. Both err on the side of no line: noise gives one about half as
    often as is allowed (0.58 at 1e-3, 60 channels). Runs of channels are one line where the gap between them is no
    wider than a window or holds power as a whole, as in a double horn whose middle is faint; bad channels at the
    band's ends are not joined.

    Args:
        power: [channel] sum of n exponential variables of mean 1, where there is noise alone.
        n: [channel] their number; 0 where a channel has no data.
        false_alarm: how often noise alone gives a line.

    """
    window = np.ones(SMOOTHING)
    middle = slice(SMOOTHING // 2, SMOOTHING // 2 + power.size)
    smoothed, n_smoothed = np.convolve(power, window)[middle], np.convolve(n, window)[middle]
    some = n_smoothed > 0
    if not some.any():
        return None
    # Against what noise has at that percentile, so that noise alone has a ratio of one.
    ratio = smoothed[some] / gammaincinv(n_smoothed[some], QUIET_PERCENTILE / 100.0)
    quiet = float(np.clip(np.percentile(ratio, QUIET_PERCENTILE), 1.0, WORST_NOISE))

    def above(total: np.ndarray, cells: np.ndarray, rate: float) -> np.ndarray:
        return total > quiet * gammainccinv(np.maximum(cells, 1), rate)

    found = above(smoothed, n_smoothed, false_alarm / np.count_nonzero(some))
    if not found.any():
        return None
    gaps, _ = label(~found)
    for (gap,) in find_objects(gaps):
        inside = gap.start > 0 and gap.stop < found.size
        narrow = gap.stop - gap.start <= SMOOTHING
        if inside and (narrow or above(power[gap].sum(), n[gap].sum(), BRIDGE)):
            found[gap] = True
    runs, n_runs = label(found)
    brightest = np.argmax(np.bincount(runs, power - quiet * n, n_runs + 1)[1:])
    first, last = np.flatnonzero(runs == brightest + 1)[[0, -1]]
    margin = int(np.ceil(MARGIN * (last + 1 - first)))
    return range(max(0, int(first) - margin), min(found.size, int(last) + 1 + margin))

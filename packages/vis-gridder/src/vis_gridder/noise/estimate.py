"""Noise of a data set from differences in time, in which the sky cancels."""

from __future__ import annotations

from steelyard_schemas import ContractError, Store, Visibilities

from vis_gridder.noise.result import Noise
from vis_gridder.noise.time_differences import TimeDifferences
from vis_gridder.stream.source import Source, as_source
from vis_gridder.stream.unmeasured import measured_only

__all__ = ["estimate_noise"]


def estimate_noise(vis: Store[Visibilities] | Source) -> Noise:
    """Measure the noise per baseline, scan and channel from consecutive unflagged integrations.

    With d = V2 - V1 of one baseline, scan and channel, E |d|^2 / (1/w1 + 1/w2) = 2 s, where s / w is the variance
    of the real part of a sample of weight w. A baseline in a scan has too few differences for a value in every
    channel, so s is a product: s of the baseline and scan, pooled over channels, times a factor of the channel,
    pooled over baselines and scans. Gaps from flags are bridged. Nothing is rejected: outliers are noise that the
    data have. A sky that changes from one integration to the next adds to d; see the README for how much. A baseline
    that never changes within a scan has no noise to go by: it adds nothing to the pooled noise and takes it.

    The chain of n samples gives n - 1 differences that share samples; they are worth 2 (n - 1)^2 / (3 n - 4)
    degrees of freedom (von Neumann 1941, Ann. Math. Stat. 12, 367), for the real and the imaginary part each.

    Raises:
        ContractError: no baseline was observed twice within a scan, or the rows name no antennas.

    """
    source = vis if isinstance(vis, Source) else measured_only(as_source(vis))
    differences = TimeDifferences(source.name, [range(source.frequency_hz.size)])
    for block in source.blocks():
        differences.add(block, differences.groups(block), 0)
    noise = differences.result()
    if noise is None:
        raise ContractError(
            source.name, f"has no differences in time to measure noise from: {differences.why_none()}"
        )
    return noise

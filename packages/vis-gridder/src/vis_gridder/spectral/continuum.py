"""Continuum: a polynomial through the channels without line, subtracted from each visibility's spectrum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from steelyard_schemas import ContractError

from vis_gridder.spectral.continuum_loops import subtract_rows
from vis_gridder.spectral.velocity import radio_velocity_kms
from vis_gridder.stream.source import Block, Source
from vis_gridder.stream.step import with_step

__all__ = ["HIGHEST_ORDER", "subtract_continuum"]

HIGHEST_ORDER = 3


def subtract_continuum(
    source: Source,
    *,
    velocity_ranges_kms: Sequence[tuple[float, float]] | None = None,
    rest_frequency_hz: float | None = None,
    channel_ranges: Sequence[tuple[int, int]] | None = None,
    order: int = 1,
) -> Source:
    """Fit a polynomial in frequency to the line-free channels of each row and subtract it from all channels.

    Real and imaginary part are fitted by weighted least squares, in Legendre polynomials on the whole band. Rows with
    fewer good line-free channels than coefficients are flagged and counted in the history.

    What it does to the noise. With a_k the polynomials at channel k, C = (sum over fitted channels of w a a^T)^-1
    is the covariance of the coefficients and h_k = w_k a_k^T C a_k the leverage. Outside the fitted channels the
    fit's noise adds to the sample's, variance (1 + h_k) / w_k; inside, the fit follows its own samples and the
    residual's variance is (1 - h_k) / w_k. Weights become w / (1 + h) and w / (1 - h): inverse variances still, as
    good as the file's. Samples with h within 0.001 of 1 are flagged. The noise of channels i and k of a row is now
    correlated: covariance a_i^T C a_k between two channels outside the fit, - a_i^T C a_k between two inside, none
    between one outside and one inside. With many fitted channels all of this is small; the history tells the largest
    1 + h. Extrapolation beyond the line-free channels makes it large.

    Args:
        source: the data.
        velocity_ranges_kms: ranges without line, radio velocity in the data's frame, km/s; channels whose centres
            lie within.
        rest_frequency_hz: what the velocities refer to; the data's own where None.
        channel_ranges: instead, first and last channel of each range without line, both included, from 0, in order
            of frequency.
        order: order of the polynomial, 0 to 3.

    Raises:
        ContractError: not one kind of range is given, a range is reversed or outside the band, there is no rest
            frequency, or the order asks for more channels than there are.

    """
    if not 0 <= order <= HIGHEST_ORDER:
        raise ContractError(source.name, f"cannot fit a polynomial of order {order}; choose 0 to {HIGHEST_ORDER}")
    if (velocity_ranges_kms is None) == (channel_ranges is None):
        raise ContractError(source.name, "needs line-free ranges in velocity or in channels, one of the two")
    if velocity_ranges_kms is not None:
        line_free = _by_velocity(source, velocity_ranges_kms, rest_frequency_hz)
    else:
        line_free = _by_channel(source, channel_ranges or ())
    n_fitted = int(line_free.sum())
    if n_fitted <= order:
        raise ContractError(
            source.name,
            f"has {n_fitted} line-free channels in the ranges, too few for order {order}; choose wider ranges or a "
            "lower order",
        )
    n_channels = line_free.size
    basis = np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, n_channels), order)

    def subtracted(blocks: Iterator[Block], notes: list[str]) -> Iterator[Block]:
        rows, failed, largest = 0, 0, 0.0
        for block in blocks:
            vis, weight, flag = np.empty_like(block.vis), np.empty_like(block.weight), np.empty_like(block.flag)
            lost, growth = subtract_rows(block.vis, block.weight, block.flag, line_free, basis, vis, weight, flag)
            rows, failed, largest = rows + block.u_m.size, failed + lost, max(largest, growth)
            yield block._replace(vis=vis, weight=weight, flag=flag)
        if largest > 0.0:
            notes.append(
                f"the continuum's noise adds up to {100 * largest:.2g} % to the variance of the other channels"
            )
        if failed:
            notes.append(f"flagged {failed} of {rows} rows, which have too few good line-free channels")

    note = f"subtracted a polynomial of order {order} fitted to {n_fitted} line-free channels ({_spans(line_free)})"
    return with_step(source, subtracted, [note])


def _by_velocity(
    source: Source, ranges_kms: Sequence[tuple[float, float]], rest_frequency_hz: float | None
) -> np.ndarray:
    """Return which channels lie in velocity ranges, [channel] bool."""
    rest_hz = rest_frequency_hz or source.observation.rest_frequency_hz
    if rest_hz is None:
        raise ContractError(source.name, "does not give the rest frequency; give one with the velocity ranges")
    velocity = radio_velocity_kms(source.frequency_hz, rest_hz)
    chosen = np.zeros(velocity.size, bool)
    for low, high in ranges_kms:
        within = (velocity >= low) & (velocity <= high)
        if not within.any():
            raise ContractError(
                source.name,
                f"has no channel from {low:g} to {high:g} km/s; its channels are at {velocity.min():.1f} to "
                f"{velocity.max():.1f} km/s for a rest frequency of {rest_hz / 1e9:.6f} GHz",
            )
        chosen |= within
    return chosen


def _by_channel(source: Source, ranges: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return which channels lie in channel ranges, [channel] bool."""
    n_channels = source.frequency_hz.size
    chosen = np.zeros(n_channels, bool)
    for first, last in ranges:
        if not 0 <= first <= last < n_channels:
            raise ContractError(
                source.name,
                f"has channels 0 to {n_channels - 1}, which the range {first} to {last} does not fit into",
            )
        chosen[first : last + 1] = True
    return chosen


def _spans(chosen: np.ndarray) -> str:
    """Return the ranges of true values, as first-last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    return ", ".join(f"{first}-{end - 1}" for first, end in edges.reshape(-1, 2))

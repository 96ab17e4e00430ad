"""The frequency axis of a file: checked, ascending, evenly spaced."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from steelyard_schemas import ContractError

__all__ = ["SpectralAxis", "doubtful_rest_frequency", "spectral_axis"]

LOWEST_HZ = 1e7
"""Lower limit of frequencies, 10 MHz; smaller numbers are in another unit."""
HIGHEST_HZ = 1e13
"""Upper limit of frequencies, 10 THz."""
UNEVEN = 0.01
"""Largest departure from even spacing and equal width, in channels; a hundredth moves no line profile."""


@dataclass(frozen=True, eq=False)
class SpectralAxis:
    """Ascending channel centres and widths, and the slice that brings the file's channels into that order."""

    frequency_hz: np.ndarray
    width_hz: np.ndarray
    order: slice

    @property
    def flipped(self) -> bool:
        """True if the file's channels descend."""
        return self.order.step is not None


def spectral_axis(where: object, frequency_hz: np.ndarray, width_hz: np.ndarray | None = None) -> SpectralAxis:
    """Check a frequency axis and return it ascending.

    Args:
        where: the file, for messages.
        frequency_hz: [channel] channel centres, ascending or descending.
        width_hz: [channel] channel widths of either sign; from the spacing where the file has none.

    Raises:
        ContractError: no channel, not finite, not in hertz, unequal widths, uneven spacing.

    """
    frequency = np.asarray(frequency_hz, dtype=np.float64).ravel()
    if frequency.size == 0:
        raise ContractError(where, "has zero channels")
    if not np.all(np.isfinite(frequency)) or frequency.min() <= 0:
        raise ContractError(where, "has channel frequencies that are NaN, infinite, zero or negative")
    if frequency.max() < LOWEST_HZ:
        unit = "GHz" if frequency.max() < 1e3 else "MHz"
        raise ContractError(
            where, f"has frequencies of {frequency.min():.6g}-{frequency.max():.6g}: {unit}, it seems; Hz is due"
        )
    if frequency.max() > HIGHEST_HZ:
        raise ContractError(where, f"has frequencies up to {frequency.max():.6g} Hz, above all radio telescopes'")
    step = np.diff(frequency)
    order = slice(None, None, -1) if step.size and step[0] < 0 else slice(None)
    if width_hz is None:
        if not step.size:
            raise ContractError(where, "has a single channel and does not give its width")
        width = np.full(frequency.size, abs(step.mean()))
    else:
        width = np.abs(np.asarray(width_hz, dtype=np.float64).ravel())
    if width.shape != frequency.shape or not np.all(np.isfinite(width)) or width.min() <= 0:
        raise ContractError(where, "has channel widths that are missing, NaN or zero")
    if np.ptp(width) > UNEVEN * width.mean():
        raise ContractError(
            where,
            f"has irregular channels ({width.min():.6g} to {width.max():.6g} Hz wide); "
            "regrid to equal widths first, e.g. mstransform(regridms=True)",
        )
    if step.size and not np.max(np.abs(step - step.mean())) < UNEVEN * abs(step.mean()):
        raise ContractError(
            where,
            f"has irregular channels (steps of {np.abs(step).min():.6g} to {np.abs(step).max():.6g} Hz); "
            "regrid to even spacing first, e.g. mstransform(regridms=True)",
        )
    return SpectralAxis(np.ascontiguousarray(frequency[order]), np.ascontiguousarray(width[order]), order)


def doubtful_rest_frequency(rest_hz: float | None, frequency_hz: np.ndarray, width_hz: np.ndarray) -> bool:
    """Return whether a rest frequency is that of the channel at either end of the band, as CASA's simulator writes.

    A thousandth of a channel is rounding; a line has no reason to sit there.
    """
    if rest_hz is None:
        return False
    near = 1e-3 * float(width_hz.min())
    return bool(abs(rest_hz - frequency_hz[0]) < near or abs(rest_hz - frequency_hz[-1]) < near)

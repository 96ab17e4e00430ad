"""Specification of a grid, and a suggestion from the data."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.fft import next_fast_len
from steelyard_schemas import ContractError, Kernel, Store, Visibilities

from vis_gridder.constants import ARCSEC, DEFAULT_BETA, DEFAULT_MIN_COUNT
from vis_gridder.stream.data_summary import DataSummary, data_summary
from vis_gridder.stream.source import Source, as_source

__all__ = ["GridSpec", "fast_even", "suggest_grid"]

OVERSAMPLING = 2.2
"""Pixels across lambda / b_max; 2 is the sampling theorem's limit, a tenth more keeps every baseline inside."""
FIELD_PER_PRIMARY_BEAM = 1.2
"""Field of view in units of the primary beam's FWHM: the beam is at a third of its peak at the field's edge."""
SMALLEST_CELL_ARCSEC, LARGEST_CELL_ARCSEC = 1e-7, 1e5
"""Baselines of an Earth's diameter in the far infrared, and a whole sky."""
MOST_COUNT = 2**31 - 1
PRIMARY_BEAM = 1.13
"""FWHM of an ALMA dish's primary beam in lambda / D (ALMA Technical Handbook)."""


@dataclass(frozen=True)
class GridSpec:
    """Specification of a grid.

    Attributes:
        cell_arcsec: image pixel size.
        npix: image pixels along a side; the uv cell is 1 / (npix * cell).
        velocity_min_kms: drop channels below, radio definition; needs a rest frequency.
        velocity_max_kms: drop channels above.
        rest_frequency_hz: rest frequency of the line; the file's own where None.
        beta: shape of the Kaiser-Bessel kernel; 0 weighs all of a cell alike.
        min_count: cells with fewer degrees of freedom, all channels together, than so many visibilities of one
            channel have take their variance from time differences instead of their scatter.

    Raises:
        ContractError: a value makes no sense.

    """

    cell_arcsec: float
    npix: int
    velocity_min_kms: float | None = None
    velocity_max_kms: float | None = None
    rest_frequency_hz: float | None = None
    beta: float = DEFAULT_BETA
    min_count: int = DEFAULT_MIN_COUNT

    def __post_init__(self) -> None:
        problems = _cell_problems(self.cell_arcsec)
        if self.npix < 8:
            problems.append(f"npix is {self.npix}, must be 8 or more")
        if not 0 <= self.beta <= 20:
            problems.append(f"beta is {self.beta}, must be within 0 and 20")
        if self.min_count < 2:
            problems.append(f"min_count is {self.min_count}, must be 2 or more for a scatter to exist")
        if self.min_count > MOST_COUNT:
            problems.append(f"min_count is {self.min_count}, must be {MOST_COUNT} or less")
        low, high = self.velocity_min_kms, self.velocity_max_kms
        for name, value in (("velocity_min_kms", low), ("velocity_max_kms", high)):
            if value is not None and not math.isfinite(value):
                problems.append(f"{name} is {value}, must be a number; leave it out for no limit")
        if low is not None and high is not None and low >= high:
            problems.append(f"velocity_min_kms {low:g} is not below velocity_max_kms {high:g}")
        if self.rest_frequency_hz is not None and not 1e7 < self.rest_frequency_hz < 1e16:
            problems.append(f"rest_frequency_hz is {self.rest_frequency_hz:g}; give it in Hz")
        if problems:
            raise ContractError("grid", problems)

    @property
    def kernel(self) -> Kernel:
        """The gridding kernel."""
        return Kernel(width_cells=1.0, beta=self.beta)

    @property
    def field_rad(self) -> float:
        """Side of the field of view, whose inverse is the uv cell in wavelengths."""
        return self.npix * self.cell_arcsec * ARCSEC


def suggest_grid(data: Store[Visibilities] | Source | DataSummary, *, cell_arcsec: float | None = None) -> GridSpec:
    """Suggest pixel size and number for a data set: every baseline inside, the primary beam covered.

    The pixel is lambda / (2.2 b_max). The field is 1.2 times the primary beam's FWHM, or, where the dish is not
    known, what the shortest baseline sees; a compact source needs less, and a smaller field means more
    visibilities in each cell. The number of pixels is even and fast to transform.

    Args:
        data: the data, or or its summary.
        cell_arcsec: the pixel, where it is settled already and only the number is wanted.

    """
    found = (
        data
        if isinstance(data, DataSummary)
        else data_summary([data if isinstance(data, Source) else as_source(data)])
    )
    pixel_rad = 1.0 / (OVERSAMPLING * found.longest_wavelengths)
    if found.dish_diameter_m is not None:
        field_rad = FIELD_PER_PRIMARY_BEAM * PRIMARY_BEAM * found.wavelength_m / found.dish_diameter_m
    else:
        field_rad = found.wavelength_m / found.shortest_m
    if cell_arcsec is None:
        cell_arcsec = float(f"{pixel_rad / ARCSEC:.3g}")
    elif problems := _cell_problems(cell_arcsec):
        raise ContractError("grid", problems)
    return GridSpec(cell_arcsec=cell_arcsec, npix=fast_even(max(8, math.ceil(field_rad / ARCSEC / cell_arcsec))))


def _cell_problems(cell_arcsec: float) -> list[str]:
    if SMALLEST_CELL_ARCSEC <= cell_arcsec <= LARGEST_CELL_ARCSEC:
        return []
    return [f"cell_arcsec is {cell_arcsec}, must be within {SMALLEST_CELL_ARCSEC:g} and {LARGEST_CELL_ARCSEC:g}"]


def fast_even(n: int) -> int:
    """Return the least even number of pixels from `n` on that is fast to transform."""
    n = next_fast_len(n, real=True)
    while n % 2:
        n = next_fast_len(n + 1, real=True)
    return n

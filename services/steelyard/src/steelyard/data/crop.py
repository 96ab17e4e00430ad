"""Cropping of the uv plane to the part with data, which is all that a model must compute.

With pixels of a third of the beam or finer, no baseline reaches the outer two fifths of the uv plane.
"""

from __future__ import annotations

import numpy as np
from steelyard_schemas import GriddedVisibilities, Store

__all__ = ["trimmed"]

STEP = 8
"""Increment of the box [cells], so that galaxies observed with the same array share shapes and compiled code."""


def trimmed(data: Store[GriddedVisibilities]) -> Store[GriddedVisibilities]:
    """Remove cells beyond the longest baseline in u or in v.

    The result is the grid of an image of the same field with fewer, larger pixels. The content hash remains that of
    the whole grid.
    """
    manifest = data.manifest
    n = min(-(-_reach(data["mask"]) // STEP) * STEP, manifest.npix // 2)
    npix = min(2 * n + 1, manifest.npix)
    if npix == manifest.npix:
        return data
    smaller = manifest.model_copy(update={"npix": npix, "cell_arcsec": manifest.npix * manifest.cell_arcsec / npix})
    kept = {"u": np.arange(n + 1), "v": np.rint(np.fft.fftfreq(npix, 1 / npix)).astype(int)}
    arrays = dict(data.arrays)
    for spec in manifest.array_specs():
        for axis, name in enumerate(spec.dims):
            if name in kept:
                arrays[spec.name] = np.take(arrays[spec.name], kept[name], axis=axis)  # negative v from the end
    return Store(smaller, arrays)


def _reach(mask: np.ndarray) -> int:
    """Return the largest distance of a filled cell from the origin, in u or v [cells]."""
    npix = mask.shape[-2]
    rows, columns = (np.flatnonzero(mask.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    return int(max(np.minimum(rows, npix - rows).max(initial=1), columns.max(initial=1)))

"""Polarisation planes and pixel geometry of an image."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from steelyard_schemas import ContractError

__all__ = ["refuse_tied_axes", "sky_pixels", "stokes_i"]

SKEWED = 2e-3
"""Largest accepted rotation and inequality of pixel sides; 2e-3 is a tenth of a degree in position angle."""
NAMES = {
    1: "I", 2: "Q", 3: "U", 4: "V", -1: "RR", -2: "LL", -3: "RL", -4: "LR", -5: "XX", -6: "YY", -7: "XY", -8: "YX",
}  # fmt: skip
"""Greisen & Calabretta 2002, Table 7."""
HANDS = ((-1, -2), (-5, -6))
"""Pairs of hands whose mean is Stokes I."""
COUPLED = 1e-2
"""Largest shift of the spectral axis across the image, channels."""


def stokes_i(
    where: object, header: fits.Header, data: np.ndarray, axes: tuple[int, int, int]
) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Return Stokes I of an image, [channel, y, x], the number of its plane from 0, and how it was found.

    Args:
        where: the file, for messages.
        header: with the STOKES axis, if there is one.
        data: as the file has it, axes in the reverse order of FITS.
        axes: of frequency, declination, right ascension, from 0 in FITS's order.

    Raises:
        ContractError: several planes none of which is Stokes I, or one that is another.

    """
    # Axes of FITS come in the reverse order in arrays.
    last = data.ndim - 1
    others = [axis for axis in range(last, -1, -1) if axis not in axes]
    data = np.moveaxis(data, [last - axis for axis in (*axes, *others)], range(data.ndim))
    stokes = [axis for axis in others if str(header.get(f"CTYPE{axis + 1}", "")).strip().upper() == "STOKES"]
    if long := [data.shape[3 + k] for k, axis in enumerate(others) if axis not in stokes and data.shape[3 + k] > 1]:
        raise ContractError(where, f"has {long} planes beside its channels (polarisations?); give Stokes I")
    cube = data.shape[:3]
    if not stokes:
        return (
            data.reshape(cube),
            0,
            ("assumed Stokes I (no STOKES axis): an axis with CTYPE = 'STOKES' would replace it",),
        )
    data = data.reshape(*cube, -1)
    keys = [f"{key}{stokes[0] + 1}" for key in ("CRVAL", "CRPIX", "CDELT")]
    first, reference, step = (float(header.get(key, default)) for key, default in zip(keys, (1, 1, 1), strict=True))
    values = [round(first + step * (k + 1 - reference)) for k in range(data.shape[-1])]
    names = ", ".join(NAMES.get(value, str(value)) for value in values)
    if 1 in values:
        plane = values.index(1)
        return data[..., plane], plane, ((f"took Stokes I of {names}",) if len(values) > 1 else ())
    for pair in HANDS:
        present = [value for value in pair if value in values]
        if len(present) == 2:
            planes = [values.index(value) for value in pair]
            return data[..., planes].mean(axis=-1), planes[0], (f"took the mean of {names} for Stokes I",)
        if present and len(values) == 1:
            return (
                data[..., 0],
                0,
                (f"assumed {names} for Stokes I, as is right for an unpolarised line: Stokes I would replace it",),
            )
    raise ContractError(where, f"holds {names}, none of them Stokes I; give Stokes I")


def sky_pixels(where: object, wcs: WCS) -> tuple[float, int, int]:
    """Return the pixel size, arcsec, and the steps that bring x to the east and y to the north.

    Raises:
        ContractError: pixels that are not square, rotated, or tied to the spectral axis.

    """
    scale = wcs.celestial.pixel_scale_matrix * 3600.0
    size = float(np.sqrt(abs(np.linalg.det(scale))))
    if not size > 0:
        raise ContractError(where, "has pixels of no size; correct CDELT1 and CDELT2")
    off_diagonal = max(abs(scale[0, 1]), abs(scale[1, 0]))
    if off_diagonal > SKEWED * size or abs(abs(scale[0, 0]) - abs(scale[1, 1])) > SKEWED * size:
        angle = np.degrees(np.arctan2(abs(scale[0, 1]), abs(scale[1, 1])))
        raise ContractError(
            where,
            f"has pixels of {np.hypot(*scale[:, 0]):.4g} x {np.hypot(*scale[:, 1]):.4g} arcsec, rotated by "
            f"{angle:.3g} degrees; regrid it to square pixels with north up",
        )
    return float(f"{size:.9g}"), 1 if scale[0, 0] > 0 else -1, 1 if scale[1, 1] > 0 else -1


def refuse_tied_axes(where: object, wcs: WCS, shape: tuple[int, ...]) -> None:
    """Refuse a spectral axis that depends on the place in the image, or the reverse.

    Args:
        where: the file, for messages.
        wcs: world coordinates of the image.
        shape: sides of the image in FITS's order.

    """
    matrix, spectral = np.abs(wcs.pixel_scale_matrix), wcs.wcs.spec
    own = matrix[spectral, spectral]
    across = max((matrix[spectral, k] * n for k, n in enumerate(shape) if k != spectral), default=0.0)
    along = max(
        (
            matrix[k, spectral] * shape[spectral] / matrix[k, k]
            for k in (wcs.wcs.lng, wcs.wcs.lat)
            if matrix[k, k] > 0
        ),
        default=0.0,
    )
    if not own > 0 or across > COUPLED * own or along > COUPLED:
        raise ContractError(
            where, "has a spectral axis that is tied to its place on the sky (PC or CD matrix); regrid it"
        )

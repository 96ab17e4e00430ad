"""The rest frequency that the header of an image gives."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from steelyard_schemas import ContractError

from vis_gridder.constants import SPEED_OF_LIGHT_M_S
from vis_gridder.image_cube.fits.spectral_axis import VELREF_RADIO, SpectralKind
from vis_gridder.image_cube.fits.units import header_integer, header_number, header_unit
from vis_gridder.readers.common.axis import HIGHEST_HZ, LOWEST_HZ

__all__ = ["rest_frequency"]


def rest_frequency(where: object, header: fits.Header, kind: SpectralKind) -> tuple[float | None, tuple[str, ...]]:
    """Return the rest frequency that the header gives: RESTFRQ, RESTWAV, or AIPS's second reference value ALTRVAL.

    Raises:
        ContractError: not in hertz.

    """
    rest = header_number(header, "RESTFRQ") or header_number(header, "RESTFREQ")
    if rest:
        if not LOWEST_HZ < rest < HIGHEST_HZ:
            raise ContractError(where, f"has a rest frequency of {rest:g} Hz (RESTFRQ): in GHz or MHz? Hz is due")
        return rest, ()
    if (wavelength := header_number(header, "RESTWAV")) and wavelength > 0:
        return SPEED_OF_LIGHT_M_S / wavelength, (f"rest frequency from RESTWAV = {wavelength:g} m",)
    return _rest_by_altrval(header, kind)


def _rest_by_altrval(header: fits.Header, kind: SpectralKind) -> tuple[float | None, tuple[str, ...]]:
    """Solve AIPS's pair of references, a frequency and a velocity of one channel, for the rest frequency."""
    alternative, pixel = header_number(header, "ALTRVAL"), header_number(header, "ALTRPIX")
    velref = header_integer(header, "VELREF")
    unit = header_unit(
        str(header.get(f"CUNIT{kind.axis}", "") or ("Hz" if kind.definition == "frequency" else "m/s"))
    )
    if not alternative or pixel is None or (kind.definition == "frequency" and not velref):
        return None, ()
    offset = pixel - (header_number(header, f"CRPIX{kind.axis}") or 0.0)
    if offset and "2" in kind.ctype:
        return None, ()
    value = (header_number(header, f"CRVAL{kind.axis}") or 0.0) + offset * (
        header_number(header, f"CDELT{kind.axis}") or 0.0
    )
    value *= unit.si.scale
    frequency, velocity = (value, alternative) if kind.definition == "frequency" else (alternative, value)
    definition = kind.definition
    if definition == "frequency":
        definition = "radio" if velref >= VELREF_RADIO else "optical"
    beta = velocity / SPEED_OF_LIGHT_M_S
    if not abs(beta) < 1.0 or not LOWEST_HZ < frequency < HIGHEST_HZ:
        return None, ()
    factor = {"radio": 1.0 / (1.0 - beta), "optical": 1.0 + beta}.get(
        definition, float(np.sqrt((1.0 + beta) / (1.0 - beta)))
    )
    rest = frequency * factor
    return rest, (
        f"rest frequency {rest / 1e9:.9g} GHz (no RESTFRQ) from ALTRVAL and ALTRPIX: {frequency / 1e9:.9g} GHz is "
        f"{velocity / 1e3:.6g} km/s, {definition}",
    )

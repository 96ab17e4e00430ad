"""The galaxy and the three sizes of data that `forward.py` measures."""

from typing import NamedTuple

from steelyard_schemas import Galaxy

from validation.reference_disc import REST_HZ, TRUTH

REACH = 0.62
"""Longest baseline in units of the longest that the pixels hold: pixels of a third of the beam."""


RADII, AZIMUTHS = 1500, 1536
"""Numbers of radii and azimuths of the reference's points."""
KINMS_CLOUDS = 5e5


class Case(NamedTuple):
    channels: int
    width_kms: float
    npix: int
    cell_arcsec: float
    image_npix: int
    rounds: int
    """One call of SuperMAGE that counts each, for each process of ours."""
    calls: int
    """Calls of our model in a round."""


CASES = {
    "S": Case(40, 20.0, 129, 0.12, 65, 3, 5),
    "M": Case(80, 10.0, 255, 0.06, 129, 2, 4),
    "L": Case(120, 8.0, 513, 0.03, 257, 2, 3),
}


def galaxy_of(case):
    return Galaxy.model_validate(
        {
            "name": "forward",
            "distance": {"mpc": TRUTH["distance_mpc"]},
            "line": {"name": "CO(2-1)", "rest_frequency_hz": REST_HZ},
            "data": {"path": "gridded.zarr", "grid": {"cell_arcsec": case.cell_arcsec, "npix": case.npix}},
            "truth": {name: value for name, value in TRUTH.items() if name != "distance_mpc"},
        }
    )

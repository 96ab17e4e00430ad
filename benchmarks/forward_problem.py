"""The galaxy and the three sizes of data that `forward.py` measures."""

import math
from typing import NamedTuple

from steelyard_schemas import Galaxy

REST_HZ = 230.538e9
TRUTH = {
    "log10_mbh": 8.45,
    "log10_sigma_b": math.log10(6500.0),
    "alpha": 1.8,
    "gamma": 0.55,
    "beta_minus_gamma": 1.0,
    "log10_r_b_pc": 2.18,
    "q": 0.75,
    "inclination_deg": 64.0,
    "pa_deg": 128.0,
    "vsys_kms": 1710.0,
    "x0_arcsec": -0.06,
    "y0_arcsec": 0.11,
    "sigma_gas_kms": 8.0,
    "disc_scale_arcsec": 0.45,
    "flux_jykms": 12.0,
    "distance_mpc": 16.5,
}
"""The disc ends, to 1e-4 of its flux, within the inner half of the field: SuperMAGE's image holds no more."""
DISH_M = 12.0
REACH = 0.62
"""Longest baseline in units of the longest that the pixels hold: pixels of a third of the beam."""


RADII, AZIMUTHS = 1500, 1536
"""Of the reference's points."""
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
    """Of ours in a round."""


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

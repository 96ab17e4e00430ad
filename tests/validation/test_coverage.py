"""The mocks of the coverage run, and its table."""

import math

import numpy as np
import pytest
from kinematics import G_PC_KMS2_MSUN, MGE, ProjectedMge
from steelyard_schemas import Galaxy

from validation.coverage import BEAM_ARCSEC, page, truth_of
from validation.stars.departures import published


@pytest.mark.parametrize("number", [0, 7])
def test_the_black_hole_weighs_what_the_stars_do_where_it_says(number):
    expansion = published()[number]
    facts, width_kms = truth_of(expansion, np.random.default_rng(number))
    ratio = facts.pop("beam_ratio")
    galaxy = Galaxy.model_validate({"name": "mock", **facts})
    assert 0.3 <= ratio <= 3
    assert 5 < width_kms < 100
    # The file's arcsec at its distance, against the expansion's parsec.
    equal_pc = BEAM_ARCSEC * galaxy.distance.mpc * 1e6 * math.pi / 648_000 / ratio
    truth = galaxy.truth
    inclination = math.radians(truth["inclination_deg"])
    q_obs = facts["stars"]["q_obs"][0]
    q = math.sqrt(q_obs**2 - math.cos(inclination) ** 2) / math.sin(inclination)
    stars = ProjectedMge(MGE(truth["mass_to_light"] * expansion.surface, expansion.sigma_pc, q), inclination)
    black_hole = G_PC_KMS2_MSUN * 10 ** truth["log10_mbh"] / equal_pc
    assert black_hole == pytest.approx(float(stars.velocity_squared(equal_pc)), rel=1e-3)


def row(number, family, pull, converged=True):
    return {
        "number": number,
        "stars": "NGC 1",
        "beams": 1.0,
        "inclination": 50.0,
        "family": family,
        "truth": 8.0,
        "median": 8.0 + 0.1 * pull,
        "minus": 0.1,
        "plus": 0.1,
        "pull": pull,
        "inside": abs(pull) <= 1,
        "verdict": "measured",
        "converged": converged,
        "seconds": 10.0,
    }


def test_the_table_counts_converged_fits_and_shows_the_others():
    rows = [row(0, "held", 1.0), row(1, "held", -3.0), row(2, "held", 9.0, converged=False), row(0, "flexible", 0.5)]
    text = page(rows)
    # mean of 1 and -3, their scatter 2.83, one of two inside
    assert "| held | 2 of 3 | -1.00 +- 2.00 | 2.83 +- 2.00 | 50 | 0.100 | 10 |" in text
    assert "8.900 +0.100 -0.100 (+9.0), not converged" in text
    assert "| flexible |" not in text.split("Each mock")[0]  # one fit has no scatter

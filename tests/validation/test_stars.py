"""Departures of stars from their law: a process that is put in comes out."""

import numpy as np
import pytest
from nuker_surrogate import NukerParams, load_surrogate

from validation.stars.departures import FREE, RANGE_PC, Expansion, Process, common, departure, published


@pytest.fixture(scope="module")
def flexible():
    """Galaxies whose Gaussians are a Nuker law's times exp of a process of amplitude 0.3 and length 0.4 dex."""
    surrogate, rng = load_surrogate(), np.random.default_rng(2)
    sigma_pc = np.asarray(surrogate.manifest.sigma_pc)
    root = np.linalg.cholesky(Process(0.3, 0.4).covariance(np.log10(sigma_pc)) + 1e-9 * np.eye(len(sigma_pc)))
    law = NukerParams(*(np.float32(value) for value in (1.5, 1.6, 0.5, 100.0)))
    surface = np.asarray(surrogate.coefficients(law), np.float64)
    return [
        Expansion(
            f"draw {i}", 10.0, surface * np.exp(root @ rng.standard_normal(len(sigma_pc))), sigma_pc, "this test"
        )
        for i in range(10)
    ]


def test_the_amplitude_of_the_process_is_found(flexible):
    found = common([departure(galaxy, FREE) for galaxy in flexible], 0.4)
    # Five parameters of the law take up most of two decades: ten galaxies give the amplitude to a fifth.
    assert found.process.amplitude == pytest.approx(0.3, rel=0.4)
    assert found.ripple.amplitude < 0.02


def test_the_best_law_of_an_exact_law_leaves_nothing(flexible):
    surrogate = load_surrogate()
    law = NukerParams(*(np.float32(value) for value in (2.0, 1.4, 0.3, 60.0)))
    exact = flexible[0]._replace(surface=np.asarray(surrogate.coefficients(law), np.float64))
    fitted = departure(exact, FREE)
    assert fitted.rms < 0.003  # the surrogate's own error
    np.testing.assert_allclose(fitted.theta[1:], [0.3, 2.0, 1.1, np.log10(60.0)], rtol=0.05)


def test_published_expansions_fall_and_are_resolved():
    galaxies = published()
    assert len({galaxy.name for galaxy in galaxies}) == len(galaxies) >= 16
    for galaxy in galaxies:
        assert np.all(np.diff(galaxy.log_profile(galaxy.radii_pc)) < 0), galaxy.name
        assert RANGE_PC[0] <= galaxy.radii_pc[0] < 15

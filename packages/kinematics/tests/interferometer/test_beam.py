"""Primary beams against quadrature over the aperture and SciPy's Bessel functions."""

import numpy as np
import pytest
from kinematics import Aperture, SkyGrid, illuminated_aperture, primary_beam, primary_beam_at
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import j0, j1

FREQUENCY_HZ = 230.538e9
WAVELENGTH_M = 299792458.0 / FREQUENCY_HZ
ARCSEC = np.pi / 180 / 3600


def voltage(angle_arcsec, diameter_m, blockage_m):
    """Transform of an evenly lit annulus, over its value on the axis."""
    k = 2 * np.pi * np.asarray(angle_arcsec) * ARCSEC / WAVELENGTH_M
    limits = (blockage_m / 2, diameter_m / 2)
    return quad(lambda r: j0(k * r) * r, *limits, epsabs=1e-13)[0] / quad(lambda r: r, *limits)[0]


@pytest.mark.parametrize("aperture", [Aperture(10.7, 0.75), Aperture(6.25, 0.75), Aperture(25.0)])
def test_airy_is_the_transform_of_the_aperture(aperture):
    # Out to the eighth null of the largest of the dishes: sidelobes.
    angle = np.linspace(0, 90, 46)
    got = primary_beam_at(angle * 0.6, angle * 0.8, 12.0, FREQUENCY_HZ, "airy", aperture)
    np.testing.assert_allclose(got, [voltage(a, *aperture) ** 2 for a in angle], atol=1e-10)


def test_alma_dishes_are_lit_as_casa_has_it():
    assert illuminated_aperture(12.0) == (10.7, 0.75)
    assert illuminated_aperture(7.0) == (6.25, 0.75)
    assert illuminated_aperture(25.0) == (25.0, 0.0)


def test_half_power_width_of_almas_beam():
    def excess(angle):
        return float(primary_beam_at(angle, 0.0, 12.0, FREQUENCY_HZ, "airy")) - 0.5

    fwhm = 2 * brentq(excess, 5.0, 20.0)
    # 1.13 lambda / D is the ALMA handbook's round number; the annulus gives 1.151.
    assert fwhm == pytest.approx(1.151 * WAVELENGTH_M / 12.0 / ARCSEC, rel=1e-3)


def test_images_and_points_agree():
    sky = SkyGrid(64, 1.5)
    for pattern in ("gaussian", "airy"):
        image = primary_beam(sky, 12.0, FREQUENCY_HZ, pattern)
        assert image.dtype == np.float64
        assert image[32, 32] == pytest.approx(1, abs=1e-12)
        x, y = np.meshgrid(sky.centres_arcsec, sky.centres_arcsec)
        np.testing.assert_allclose(primary_beam_at(x, y, 12.0, FREQUENCY_HZ, pattern), image, atol=1e-14)


def test_casa_differs_by_half_a_percent_of_the_peak():
    """CASA's blocked term is taken at x D/d; the docstring tells by how much that changes the main lobe."""
    x = np.linspace(1e-6, 3.8, 400)
    area, length = (10.7 / 0.75) ** 2, 10.7 / 0.75
    casa = (area * 2 * j1(x) / x - 2 * j1(x * length) / (x * length)) / (area - 1)
    angle = x * WAVELENGTH_M / (np.pi * 10.7) / ARCSEC
    ours = np.sqrt(primary_beam_at(angle, 0.0, 12.0, FREQUENCY_HZ, "airy"))
    # Beyond the null of the obscured aperture, at 3.81, the root has lost its sign.
    assert 0.004 < np.abs(casa - ours)[x < 3.75].max() < 0.006

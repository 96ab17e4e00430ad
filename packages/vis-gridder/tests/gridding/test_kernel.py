import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import i0
from steelyard_schemas import Kernel
from vis_gridder import taper
from vis_gridder.gridding.kernel import kaiser_bessel, kernel_polynomial, kernel_second_moment

# Quadrature to 1e-10 and float64 arithmetic leave this much room.
TIGHT = 1e-9


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0, 6.0, 20.0])
@pytest.mark.parametrize("npix", [16, 17])
def test_taper_is_the_transform_of_the_kernel(beta, npix):
    kernel = Kernel(width_cells=1.0, beta=beta)

    def transform(pixel):
        def integrand(x):
            return i0(beta * np.sqrt(1 - 4 * x**2)) * np.cos(2 * np.pi * x * pixel / npix)

        return quad(integrand, -0.5, 0.5, epsabs=0, epsrel=1e-10)[0]

    profile = np.array([transform(i - npix // 2) for i in range(npix)]) / transform(0)
    np.testing.assert_allclose(taper(npix, 0.1, kernel), np.outer(profile, profile), rtol=TIGHT)


def test_taper_where_the_transform_turns_from_sinh_to_sine():
    # beta = pi / 2 puts the turning point exactly on the pixel at the field's edge, where sinh(z) / z is 1.
    beta = np.pi / 2
    assert taper(8, 1.0, Kernel(width_cells=1, beta=beta))[4, 0] == pytest.approx(beta / np.sinh(beta), rel=TIGHT)


def test_kernel_ends_with_the_cell():
    kernel = Kernel(width_cells=1.0, beta=2.0)
    assert kaiser_bessel(np.array([0.0]), kernel) == 1.0
    assert kaiser_bessel(np.array([0.500001]), kernel) == 0.0
    assert kaiser_bessel(np.array([-0.5]), kernel) == pytest.approx(1 / i0(2.0), rel=TIGHT)


@pytest.mark.parametrize(("beta", "error"), [(0.0, 1e-14), (2.0, 1e-14), (4.0, 1e-14), (20.0, 1e-6)])
def test_polynomial_of_the_inner_loop_is_the_kernel(beta, error):
    # Far below the 1e-4 by which a weight could matter; at 20, where hardly anybody goes, still.
    kernel = Kernel(width_cells=1.0, beta=beta)
    x = np.linspace(-0.5, 0.5, 4001)
    found = np.polyval(kernel_polynomial(kernel)[::-1], (2 * x) ** 2)
    np.testing.assert_allclose(found, kaiser_bessel(x, kernel), atol=error)


@pytest.mark.parametrize(("width", "beta"), [(1.0, 2.0), (1.0, 0.0), (0.7, 1e-3), (1.0, 9.0)])
def test_second_moment_of_the_kernel(width, beta):
    kernel = Kernel(width_cells=width, beta=beta)
    x = width * (np.arange(100_000) + 0.5) / 100_000 - width / 2
    truth = np.average(x**2, weights=kaiser_bessel(x, kernel))
    # The midpoint rule is good to 1e-10; the closed form loses eps / beta^2 to cancellation.
    assert kernel_second_moment(kernel) == pytest.approx(truth, rel=1e-8)

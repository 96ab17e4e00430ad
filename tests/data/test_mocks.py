"""The truth of mocks made by other codes (KinMS skies, exact rotation curves, the CASA simulator) fits them."""

import math

import jax
import numpy as np
import pytest
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard.inference.density import cell_data, residual_squared
from steelyard_schemas import Galaxy
from vis_gridder import GridSpec, grid, read_visibilities

pytestmark = [
    pytest.mark.data,
    # Pixels of 0.12 arcsec leave out the longest baselines: a tenth of a percent of the data.
    pytest.mark.filterwarnings("ignore:.*beyond the edge of the uv grid"),
]

REST_HZ = 230.538e9
CELL_ARCSEC, NPIX = 0.12, 135


class Fitted:
    """A mock's grid and the model of its galaxy, compiled once."""

    def __init__(self, path, distance_mpc, stars, inclination_low):
        self.data = grid(read_visibilities(path), GridSpec(CELL_ARCSEC, NPIX, rest_frequency_hz=REST_HZ))
        galaxy = Galaxy.model_validate(
            {
                "name": "mock",
                "distance": {"mpc": distance_mpc},
                "line": {"name": "CO(2-1)", "rest_frequency_hz": REST_HZ},
                "data": {"path": "mock"},
                "stars": stars,
                "priors": {"inclination_deg": {"kind": "sine", "low": inclination_low, "high": 89.0}},
            }
        )
        model = GalaxyModel.of(galaxy, ModelGrid.of(self.data, REST_HZ))
        self._model = jax.jit(model.cell_means)
        self._cells = cell_data(self.data, model.uv_cells)

    def pull_of_chi2(self, params):
        """Chi-square per datum, and its distance from one in standard errors.

        A cell's r^2 is the sum of two squares over a variance estimated with nu degrees of freedom, so that r^2 / 2
        follows F(2, nu), of mean nu / (nu - 2) and variance nu^3 / ((nu - 2)^2 (nu - 4)). Scaled to mean 2, a cell
        has variance 4 nu / (nu - 4). Cells with nu <= 8, whose variance is hardly finite, are left out.
        """
        r2 = np.asarray(residual_squared(self._model(params), self._cells), float)
        dof = np.asarray(self._cells.dof, float)
        used = (np.asarray(self._cells.inverse_variance) > 0) & (dof > 8)
        nu = dof[used]
        scaled = r2[used] * (nu - 2) / nu
        n = 2 * used.sum()
        error = math.sqrt(np.sum(4 * nu / (nu - 4))) / n
        value = scaled.sum() / n
        return value, (value - 1) / error


@pytest.fixture(scope="module")
def ngc4697(unpacked, truth_of):
    raw, common = truth_of("mock_ngc4697")
    stars = {
        "kind": "mge",
        "surface_brightness_lsun_pc2": raw["stars"]["surf"],
        "sigma_arcsec": raw["stars"]["sigma_arcsec"],
        "q_obs": raw["stars"]["q"],
    }
    # The flattest Gaussian needs more than 71.5 degrees.
    fitted = Fitted(unpacked("mock_ngc4697.ms"), raw["distance_mpc"], stars, 72.0)
    return fitted, {**common, "mass_to_light": raw["ml"]}


@pytest.fixture(scope="module")
def nuker(data_dir, truth_of):
    raw, common = truth_of("mock_nuker")
    law = raw["stars"]
    r_b_pc = law["rb_arcsec"] * raw["distance_mpc"] * 1e6 * math.pi / 648000
    fitted = Fitted(data_dir / "mock_nuker.uvfits.gz", raw["distance_mpc"], {"kind": "nuker"}, 5.0)
    shape = {
        "log10_sigma_b": math.log10(law["sigma_b"]),
        "alpha": law["alpha"],
        "gamma": law["gamma"],
        "beta_minus_gamma": law["beta"] - law["gamma"],
        "log10_r_b_pc": math.log10(r_b_pc),
        "q": law["q"],
    }
    return fitted, {**common, **shape}


@pytest.fixture(params=["ngc4697", "nuker"])
def mock(request):
    return request.getfixturevalue(request.param)


@pytest.mark.slow
def test_the_truth_fits_within_the_noise(mock):
    fitted, truth = mock
    value, pull = fitted.pull_of_chi2(truth)
    assert abs(pull) < 3, (value, pull)


@pytest.mark.parametrize("wrong", ["turned", "mirrored", "no black hole"])
def test_another_sky_does_not(mock, wrong):
    fitted, truth = mock
    value, _ = fitted.pull_of_chi2(truth)
    changed = {
        "turned": {"pa_deg": truth["pa_deg"] + 180},
        # x to -x: the angle from north turns the other way.
        "mirrored": {"pa_deg": -truth["pa_deg"], "x0_arcsec": -truth["x0_arcsec"]},
        "no black hole": {"log10_mbh": 4.0},
    }[wrong]
    worse, pull = fitted.pull_of_chi2(truth | changed)
    # Chance reaches five standard errors once in a million.
    assert pull > 5
    assert worse > value

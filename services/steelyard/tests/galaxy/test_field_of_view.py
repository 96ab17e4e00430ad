import pytest
from scipy.optimize import brentq
from scipy.special import gammainc
from steelyard.galaxy.field_of_view import check_field, flux_radius_arcsec
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard_schemas import ContractError
from steelyard_schemas.galaxy import Disc


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_growth_of_an_exponential_disc(toy_problem, share):
    # Flux within x scales: the regularised incomplete gamma function of order 2; 3.890 scales hold 90 %.
    expected = brentq(lambda x: gammainc(2, x) - share, 0.1, 20) * 0.6
    found = flux_radius_arcsec(toy_problem.model, {"disc_scale_arcsec": 0.6}, share)
    # Trapezoids on 4000 logarithmic radii: steps of 0.3 %.
    assert found == pytest.approx(expected, rel=3e-3)
    if share == 0.9:
        assert found == pytest.approx(3.89 * 0.6, rel=3e-3)


def test_growth_of_a_narrow_ring(toy, toy_grid):
    ring = toy.model_copy(update={"disc": Disc(profile="ring")})
    model = GalaxyModel.of(ring, ModelGrid.of(toy_grid, toy.line.rest_frequency_hz))
    # Half the flux of a thin ring lies within its radius (to first order in width over radius: 0.03).
    found = flux_radius_arcsec(model, {"ring_radius_arcsec": 1.5, "ring_width_arcsec": 0.05}, 0.5)
    assert found == pytest.approx(1.5, rel=0.01)


def test_a_field_that_holds_the_disc_is_taken(toy_problem, toy):
    check_field(toy_problem.model, toy.truth, toy.name)


@pytest.mark.parametrize("wrong", [{"disc_scale_arcsec": 0.9}, {"x0_arcsec": -1.5}, {"y0_arcsec": 1.5}])
def test_a_field_too_small_is_refused_with_the_size_due(toy_problem, toy, wrong):
    params = toy.truth | wrong
    with pytest.raises(ContractError, match=r"field of view is 6 arcsec.*make npix times cell_arcsec") as refused:
        check_field(toy_problem.model, params, toy.name)
    field = float(str(refused.value).split(" or more")[0].split()[-1])
    reach = 3.89 * params["disc_scale_arcsec"] + max(abs(params["x0_arcsec"]), abs(params["y0_arcsec"]))
    assert field / 2 == pytest.approx(1.1 * reach, abs=0.03), "a tenth more than the disc"

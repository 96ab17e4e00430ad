import numpy as np
import pytest
from steelyard import simulate_like
from steelyard.galaxy.simulation import channels_around, read_antennas, true_parameters
from steelyard_schemas import ContractError
from steelyard_schemas.galaxy import Grid

CONFIGURATION = """\
# observatory=ALMA
# coordsys=LOC (local tangent plane)
# x y z diam pad#
15.5 -700.25 -2.5 12. A007
37.75 -735.5 -2.25 12. A011

10.5 -659.0 -2.75 12. A015
"""


def test_antennas_of_a_casa_configuration(tmp_path):
    path = tmp_path / "alma.cfg"
    path.write_text(CONFIGURATION)
    antennas = read_antennas(path)
    np.testing.assert_array_equal(
        antennas.enu_m, [[15.5, -700.25, -2.5], [37.75, -735.5, -2.25], [10.5, -659.0, -2.75]]
    )
    assert antennas.dish_diameter_m == 12.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CONFIGURATION.replace("LOC (local tangent plane)", "XYZ"), "local tangent-plane"),
        (CONFIGURATION.replace("12. A011", "wide"), "not an antenna list"),
        (CONFIGURATION.split("37.75")[0], "two or more"),
        ("", "two or more"),
    ],
)
def test_what_is_no_antenna_list(tmp_path, text, message):
    path = tmp_path / "alma.cfg"
    path.write_text(text)
    with pytest.raises(ContractError, match=message):
        read_antennas(path)


def test_an_absent_antenna_list(tmp_path):
    with pytest.raises(ContractError, match="cannot be read"):
        read_antennas(tmp_path / "none.cfg")


def test_channels_stand_about_the_systemic_velocity(toy):
    frequency, width_hz = channels_around(toy, 5, 20.0)
    velocity = 299792.458 * (1 - frequency / 230.538e9)
    assert velocity[2] == pytest.approx(1500, abs=1e-6)
    # 20 km/s in the galaxy's frame at the line's observed frequency.
    observed = 230.538e9 * (1 - 1500 / 299792.458)
    assert width_hz == pytest.approx(observed * 20 / 299792.458, rel=1e-9)
    np.testing.assert_allclose(np.diff(frequency), width_hz, rtol=1e-9)


@pytest.mark.slow
def test_a_simulation_is_its_seed_and_nothing_else(toy, observe_toy):
    few = {"hours": 0.2, "n_channels": 4}
    first, again, other = (observe_toy(toy, seed=s, **few)["vis"] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    # Real and imaginary parts of the difference: sqrt(2) sigma; 13 000 numbers, 0.6 %.
    difference = (first - other).ravel()
    assert np.std(np.concatenate([difference.real, difference.imag])) == pytest.approx(0.06 * np.sqrt(2), rel=0.03)


@pytest.mark.slow
def test_on_the_baselines_of_other_data_the_same_sky_appears(toy, observe_toy):
    data = observe_toy(toy, noise_jy=0.0, hours=0.2, n_channels=6)
    like = simulate_like(toy, data, 0.0)
    np.testing.assert_array_equal(like["u_m"], data["u_m"])
    np.testing.assert_allclose(like["vis"], data["vis"], atol=1e-6)


def test_the_flux_is_that_of_the_truth(toy, observe_toy):
    data = observe_toy(toy, noise_jy=0.0, hours=0.2)
    short = np.argsort(np.hypot(data["u_m"], data["v_m"]))[:3]
    total = np.abs(data["vis"][short]).mean(axis=0).sum() * 75.0
    # The shortest baselines, 10 to 20 m, resolve a few percent of a disc of 0.6 arcsec; the band of 900 km/s and
    # the field of 6 arcsec lose as much.
    assert 0.85 * 20 < total < 20


def test_a_simulation_needs_every_parameter(toy):
    with pytest.raises(ContractError, match="lacks pa_deg, vsys_kms"):
        true_parameters(
            toy.model_copy(update={"truth": {k: v for k, v in toy.truth.items() if k not in ("pa_deg", "vsys_kms")}})
        )


def test_a_simulation_needs_pixels_that_hold_its_baselines(toy, observe_toy):
    coarse = toy.model_copy(update={"data": toy.data.model_copy(update={"grid": Grid(cell_arcsec=2.5, npix=24)})})
    with pytest.raises(ContractError, match="use cells below"):
        observe_toy(coarse)
    with pytest.raises(ContractError, match=r"needs \[data.grid\]"):
        observe_toy(toy.model_copy(update={"data": toy.data.model_copy(update={"grid": None})}))

"""A disc through an image cube: rendered, convolved in the image plane, noise of the beam, FITS, and back."""

import jax.numpy as jnp
import numpy as np
import pytest
from astropy.io import fits
from kinematics import (
    C_KMS,
    MGE,
    BlackHole,
    Geometry,
    ProjectedMge,
    RingDisc,
    RotationCurve,
    SkyGrid,
    VelocityGrid,
    axis_ratio_intrinsic,
    circular_velocity,
    log_radii,
    pc_per_arcsec,
    render_cube,
)
from scipy.signal import fftconvolve
from steelyard.commands.main import app
from steelyard.data.estimates import data_estimates
from steelyard.data.load import is_gridded, load_gridded
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.predict import predicted_means
from steelyard.inference.density import cell_data, residual_squared
from steelyard_schemas import ContractError, Galaxy
from typer.testing import CliRunner

NPIX, CELL, FINER = 80, 0.5, 3
BEAM = (2.4, 1.8, 40.0)
REST_HZ = 115.2712018e9
WIDTH_KMS, N_CHANNELS, FIRST_KMS = 20.0, 40, 1200.0
SIGMA_ARCSEC, BRIGHTNESS, Q_OBS = 6.0, 1500.0, 0.8
TRUTH = {
    "log10_mbh": 7.0,
    "mass_to_light": 2.0,
    "inclination_deg": 55.0,
    "pa_deg": 230.0,
    "vsys_kms": 1610.0,
    "x0_arcsec": 1.4,
    "y0_arcsec": -0.8,
    "sigma_gas_kms": 9.0,
    "ring_radius_arcsec": 7.0,
    "ring_width_arcsec": 2.0,
    "flux_jykms": 60.0,
    "distance_mpc": 16.5,
}
GALAXY = Galaxy.model_validate(
    {
        "name": "Image",
        "distance": {"mpc": TRUTH["distance_mpc"]},
        "line": {"name": "CO(1-0)", "rest_frequency_hz": REST_HZ},
        "data": {"path": "cube.fits"},
        "stars": {
            "kind": "mge",
            "surface_brightness_lsun_pc2": [BRIGHTNESS],
            "sigma_arcsec": [SIGMA_ARCSEC],
            "q_obs": [Q_OBS],
        },
        "disc": {"profile": "ring"},
        "priors": {"inclination_deg": {"kind": "sine", "low": 40.0, "high": 85.0}},
    }
)


def restored_beam(npix, cell):
    """Peak 1 [y, x], x to the east, north through east."""
    at = (np.arange(npix) - npix // 2) * cell
    x, y = np.meshgrid(at, at)
    angle = np.radians(BEAM[2])
    along, across = x * np.sin(angle) + y * np.cos(angle), x * np.cos(angle) - y * np.sin(angle)
    return np.exp(-4 * np.log(2) * ((along / BEAM[0]) ** 2 + (across / BEAM[1]) ** 2))


@pytest.fixture(scope="module")
def image():
    """The cube in Jy/beam [channel, y, x], ascending frequency, and the noise's standard deviation."""
    sky = SkyGrid(NPIX * FINER, CELL / FINER)
    velocity = FIRST_KMS + WIDTH_KMS * np.arange(N_CHANNELS)[::-1]
    frequency = REST_HZ * (1 - velocity / C_KMS)
    channels = VelocityGrid.from_frequencies(frequency, REST_HZ * WIDTH_KMS / C_KMS, REST_HZ)
    scale = pc_per_arcsec(jnp.asarray(TRUTH["distance_mpc"]))
    inclination = jnp.radians(TRUTH["inclination_deg"])
    stars = MGE(
        jnp.array([BRIGHTNESS * TRUTH["mass_to_light"]]),
        jnp.array([SIGMA_ARCSEC]) * scale,
        axis_ratio_intrinsic(jnp.array([Q_OBS]), inclination),
    )
    radii, step = log_radii(0.01, 200.0, 300)
    components = (ProjectedMge(stars, inclination), BlackHole(10 ** TRUTH["log10_mbh"]))
    curve = circular_velocity(jnp.asarray(radii) * scale, components)
    cube = np.asarray(
        render_cube(
            RingDisc(TRUTH["ring_radius_arcsec"], TRUTH["ring_width_arcsec"]),
            Geometry(
                inclination, jnp.radians(TRUTH["pa_deg"]), TRUTH["x0_arcsec"], TRUTH["y0_arcsec"], TRUTH["vsys_kms"]
            ),
            RotationCurve(jnp.float32(radii[0]), jnp.float32(step), curve),
            TRUTH["flux_jykms"],
            TRUTH["sigma_gas_kms"],
            sky,
            channels,
        )
    )
    beam = restored_beam(121, CELL / FINER)
    smooth = np.stack([fftconvolve(plane, beam, mode="same") for plane in cube])
    first = (NPIX * FINER) // 2 - FINER * (NPIX // 2)
    smooth = smooth[:, first::FINER, first::FINER]
    rng = np.random.default_rng(11)
    white = rng.standard_normal((N_CHANNELS, NPIX + 40, NPIX + 40))
    noise = np.stack([fftconvolve(plane, restored_beam(41, CELL), mode="valid") for plane in white])
    sigma = 0.05 * smooth.max()
    return smooth + noise * sigma / noise.std(), sigma


@pytest.fixture(scope="module")
def folder(image, tmp_path_factory):
    cube, _ = image
    header = fits.Header()
    header.update(
        CTYPE1="RA---SIN", CRVAL1=185.776, CDELT1=-CELL / 3600, CRPIX1=NPIX - NPIX // 2,
        CTYPE2="DEC--SIN", CRVAL2=5.25, CDELT2=CELL / 3600, CRPIX2=NPIX // 2 + 1,
        CTYPE3="VRAD", CUNIT3="km/s", CRVAL3=FIRST_KMS, CDELT3=WIDTH_KMS, CRPIX3=1.0,
        RESTFRQ=REST_HZ, SPECSYS="LSRK", BUNIT="Jy/beam",
        BMAJ=BEAM[0] / 3600, BMIN=BEAM[1] / 3600, BPA=BEAM[2],
    )  # fmt: skip
    target = tmp_path_factory.mktemp("image")
    # Ascending velocity, east to the left.
    fits.PrimaryHDU(cube[::-1, :, ::-1].astype(np.float32), header).writeto(target / "cube.fits")
    return target


@pytest.fixture(scope="module")
def data(folder):
    assert is_gridded(folder / "cube.fits")
    return load_gridded(GALAXY, folder)


@pytest.fixture(scope="module")
def model(data):
    return GalaxyModel.of(GALAXY, ModelGrid.of(data, REST_HZ))


def chi_square(data, model, **changes):
    """Chi-square over real and imaginary parts of all cells, and their number."""
    means = predicted_means(model, {**TRUTH, **changes})
    squared = np.asarray(residual_squared(means, cell_data(data, model.uv_cells)))
    return float(squared.sum()), 2 * int(data["mask"].sum())


@pytest.mark.slow
def test_the_truth_has_chi_square_one(data, model):
    found, n = chi_square(data, model)
    # The channels without line, nu / 2 of them, gave the variances, and have 1 by that; the mean of the others' ratio
    # F(2, nu) is nu / (nu - 2).
    nu = float(np.median(data["dof"][data["mask"]]))
    expected = 1 + (1 - 0.5 * nu / N_CHANNELS) * 2 / (nu - 2)
    assert found / n == pytest.approx(expected, abs=4 * np.sqrt(2 / n))


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"pa_deg": 360 - TRUTH["pa_deg"], "x0_arcsec": -TRUTH["x0_arcsec"]},  # east for west
        {"pa_deg": TRUTH["pa_deg"] - 180},  # approaching for receding, or the other sign of the transform
        {"x0_arcsec": TRUTH["x0_arcsec"] + CELL},
        {"y0_arcsec": TRUTH["y0_arcsec"] - CELL},
        {"vsys_kms": TRUTH["vsys_kms"] + WIDTH_KMS},
        {"flux_jykms": 1.2 * TRUTH["flux_jykms"]},
    ],
)
def test_any_other_convention_has_not(data, model, change):
    """By ten sigma."""
    assert chi_square(data, model, **change)[0] - chi_square(data, model)[0] > 100


def test_parameters_come_back_within_their_errors(data, model):
    """One Gauss-Newton step from the truth; the black hole is not resolved, and the distance only scales M/L."""
    steps = {
        "mass_to_light": 0.02, "inclination_deg": 0.3, "pa_deg": 0.3, "vsys_kms": 1.0, "x0_arcsec": 0.05,
        "y0_arcsec": 0.05, "sigma_gas_kms": 0.3, "ring_radius_arcsec": 0.05, "ring_width_arcsec": 0.05,
        "flux_jykms": 1.0,
    }  # fmt: skip
    cells = cell_data(data, model.uv_cells)
    root_weight = np.sqrt(np.asarray(cells.inverse_variance))

    def whitened(means):
        scaled = (np.asarray(means) * root_weight).ravel()
        return np.concatenate([scaled.real, scaled.imag]).astype(float)

    def means(**changes):
        return predicted_means(model, {**TRUTH, **changes})

    jacobian = np.stack(
        [
            whitened(means(**{name: TRUTH[name] + h}) - means(**{name: TRUTH[name] - h})) / (2 * h)
            for name, h in steps.items()
        ],
        axis=1,
    )
    residual = whitened(cells.mean - means())
    information = jacobian.T @ jacobian
    step = np.linalg.solve(information, jacobian.T @ residual)
    pulls = step / np.sqrt(np.diag(np.linalg.inv(information)))
    assert np.abs(pulls).max() < 3.5
    # Chi-square of ten degrees of freedom: 29.6 once in a thousand.
    assert step @ information @ step < 29.6


def test_the_estimates_are_that_of_the_sky(data):
    estimates = data_estimates(data, REST_HZ)
    assert estimates.pa_deg == pytest.approx(TRUTH["pa_deg"], abs=10)
    assert estimates.vsys_kms == pytest.approx(TRUTH["vsys_kms"], abs=15)
    assert (estimates.x0_arcsec, estimates.y0_arcsec) == pytest.approx(
        (TRUTH["x0_arcsec"], TRUTH["y0_arcsec"]), abs=0.5
    )
    assert data.manifest.observation.phase_centre_ra_deg == pytest.approx(185.776, abs=1e-6)


def test_a_cube_is_valid_and_damage_is_one_line(folder, tmp_path):
    run = CliRunner()
    told = run.invoke(app, ["validate", str(folder / "cube.fits")])
    assert told.exit_code == 0
    assert "valid gridded_visibilities" in told.stdout
    with fits.open(folder / "cube.fits") as hdus:
        del hdus[0].header["BMAJ"]
        hdus.writeto(tmp_path / "beamless.fits")
    refused = run.invoke(app, ["validate", str(tmp_path / "beamless.fits")])
    assert refused.exit_code == 1
    assert "does not give its beam" in refused.stderr


def test_an_image_cube_needs_no_grid(folder):
    asked = GALAXY.model_dump(mode="json")
    asked["data"]["grid"] = {"cell_arcsec": 0.5, "npix": 64}
    with pytest.raises(ContractError, match="is an image cube with its own grid"):
        load_gridded(Galaxy.model_validate(asked), folder)

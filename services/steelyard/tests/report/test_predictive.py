"""The report's predictive checks: quiet where the model is right, loud at the place where it is not."""

import numpy as np
import pytest
from steelyard import write_report
from steelyard.fitting.folder import RunFolder
from steelyard.report.predictive import best_misfit, predicted_moments
from steelyard.report.predictive_figures import chi_square
from steelyard.report.products import Products
from steelyard_schemas import GriddedVisibilities, Posterior, Store, read_store, write_store


@pytest.fixture(scope="module")
def stores(finished):
    run = RunFolder(finished.folder)
    return read_store(run.posterior, Posterior), read_store(run.gridded, GriddedVisibilities)


@pytest.fixture(scope="module")
def products(stores):
    return Products(*stores)


def altered(stores, change):
    posterior, data = stores
    mean = change(data["mean"].copy(), data)
    return Products(posterior, Store(data.manifest, dict(data.arrays) | {"mean": mean}))


def test_the_chi_square_is_that_of_the_manifest(products):
    misfit = best_misfit(products)
    quality = products.manifest.quality
    assert 2 * misfit.used.sum() == quality.n_data
    # The report's model runs in single precision, from draws that were stored.
    assert misfit.chi2.sum() == pytest.approx(quality.chi2, rel=1e-3)


def test_a_noisy_channel_stands_out(stores):
    rng = np.random.default_rng(5)

    def disturb(mean, data):
        noise = rng.standard_normal((2, *mean[4].shape)) * np.sqrt(3 * data["variance"][4])
        mean[4] += np.where(data["mask"][4], noise[0] + 1j * noise[1], 0)
        return mean

    reduced, sd = best_misfit(altered(stores, disturb)).reduced(axis=(1, 2))
    # Four times the variance: eighty data scatter by a sixth of it.
    assert reduced[4] == pytest.approx(4.0, abs=2.0)
    assert np.argmax((reduced - 1) / sd) == 4
    quiet = np.delete((reduced - 1) / sd, 4)
    assert np.max(np.abs(quiet)) < 4


def test_the_map_shows_a_cell_and_its_mirror_image(stores):
    data = stores[1]
    where = tuple(np.argwhere(data["mask"].all(axis=0) & (data["u_wavelengths"] > 0))[7])

    def disturb(mean, data):
        mean[:, *where] += 10 * np.sqrt(data["variance"][:, *where])
        return mean

    figure = chi_square(altered(stores, disturb))
    mesh = figure.axes[0].collections[0]
    image = np.ma.filled(mesh.get_array(), np.nan)
    u, v = data["u_wavelengths"][where[1]] / 1e3, data["v_wavelengths"][where[0]] / 1e3
    corners = mesh.get_coordinates()
    centres = 0.25 * (corners[1:, 1:] + corners[1:, :-1] + corners[:-1, 1:] + corners[:-1, :-1])
    brightest = centres[np.isfinite(image) & (image > 10)]
    found = sorted(map(tuple, brightest.round(3)))
    assert found == sorted([tuple(np.round([u, v], 3)), tuple(np.round([-u, -v], 3))])


def test_predictions_scatter_as_the_data_do_where_the_model_is_right(products):
    maps = predicted_moments(products)
    inner = np.s_[4:-4, 4:-4]
    # Some thirty beams fill the field, so that the rms strays by an eighth; so do 68 % ranges of forty.
    assert np.sqrt(np.mean(maps.deviation.integrated[inner] ** 2)) == pytest.approx(1.0, abs=0.5)
    seen = np.isfinite(maps.deviation.velocity_kms)
    assert seen.sum() > 50
    assert abs(np.median(maps.deviation.velocity_kms[seen])) < 0.5
    assert np.nanmax(np.abs(maps.median.integrated - products.moments(products.modelled).integrated)) < 0.2 * np.max(
        maps.data.integrated
    )


def test_a_source_that_the_model_lacks_is_seen_where_it_is(stores):
    """A continuum source 1.25 arcsec east and 1.5 south of the phase centre."""
    east, north = 1.25, -1.5

    def disturb(mean, data):
        u, v = data["u_wavelengths"][None, :], data["v_wavelengths"][:, None]
        arcsec = np.radians(1 / 3600)
        phase = np.exp(2j * np.pi * (u * east + v * north) * arcsec)
        return mean + np.where(data["mask"], 0.03 * phase, 0)

    deviation = predicted_moments(altered(stores, disturb)).deviation.integrated
    y, x = np.unravel_index(np.nanargmax(deviation), deviation.shape)
    npix = len(deviation)
    assert deviation[y, x] > 6
    # To half a beam: noise moves the peak.
    assert np.hypot((x - npix // 2) * 0.25 - east, (y - npix // 2) * 0.25 - north) < 0.6


@pytest.mark.slow
def test_the_page_names_what_is_not_constrained(stores, tmp_path):
    posterior, data = stores
    run = RunFolder(tmp_path)
    parameters = [p.model_copy(update={"contraction": 0.9}) for p in posterior.manifest.parameters]
    parameters[1] = parameters[1].model_copy(update={"contraction": 0.04})
    manifest = posterior.manifest.model_copy(update={"parameters": tuple(parameters)})
    write_store(run.posterior, Store(manifest, posterior.arrays))
    write_store(run.gridded, data)
    page = write_report(tmp_path, figure_folder=tmp_path / "figures").read_text()
    assert f"do not constrain <code>{parameters[1].name}</code>:" in page
    assert f"do not constrain <code>{parameters[0].name}</code>" not in page
    assert ">0.04</td>" in page
    assert {"contraction", "chi_square", "moments"} <= {p.stem for p in (tmp_path / "figures").glob("*.png")}

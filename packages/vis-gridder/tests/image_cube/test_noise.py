"""Noise of restored image cubes, measured apart from lines in emission and absorption."""

import json
import warnings

import numpy as np
import pytest
from steelyard_schemas import ContractError
from typer.testing import CliRunner
from vis_gridder import read_image_cube
from vis_gridder.cli import app
from vis_gridder.gridding.grid import GridWarning

from .support import (
    ARCSEC,
    BEAM,
    FIRST_MS,
    LINE,
    N_CHANNELS,
    NPIX,
    WIDTH_MS,
    covariance,
    gaussian,
    noise_cube,
    quietly,
)


def normalised(store, channels):
    mask = store["mask"][channels]
    mean = np.where(mask, store["mean"][channels], 0) / np.sqrt(np.where(mask, store["variance"][channels], 1))
    return mean, mask


@pytest.mark.parametrize(("n_channels", "n_cubes"), [(6, 24), (40, 8)])
def test_noise_correlated_by_the_beam_is_independent_in_cells_and_right(write, n_channels, n_cubes):
    """Few channels (pooled over 3 x 3 cells) and many; the noise is measured on some and tested on the others."""
    rng = np.random.default_rng(3)
    chi2, neighbours, n = 0.0, 0.0, 0
    for k in range(n_cubes):
        path = write(noise_cube(rng, 1e-3, n=n_channels), name=f"{k}.fits")
        edge = FIRST_MS / 1e3 + WIDTH_MS / 1e3 * (n_channels / 2 - 0.5)
        store = quietly(path, line_free_kms=[(0, edge)])
        z, mask = normalised(store, slice(0, n_channels // 2))
        nu = np.median(store["dof"][store["mask"]])
        assert nu == pytest.approx(54 if n_channels == 6 else 40)
        # The mean of F(2, nu).
        chi2 += np.sum(np.abs(z) ** 2) / 2 * (nu - 2) / nu
        both = mask[:, :, 1:] & mask[:, :, :-1]
        neighbours += np.sum((z[:, :, 1:] * z[:, :, :-1].conj()).real[both]) / 2 / both.sum() / n_cubes
        n += mask.sum()
    # |z|^2 / 2 of a cell has variance 1, and the noise of its estimate is shared by all channels.
    assert chi2 / n == pytest.approx(1.0, abs=0.05)
    # The sharp edges of a field of ten beams leave 3 % between neighbours, with alternating sign.
    assert abs(neighbours) < 0.05


@pytest.mark.parametrize(("size", "x0"), [(1.0, 0.0), (3.0, 0.0), (1.0, 8.0)])
def test_the_error_of_a_fitted_flux_is_right(write, size, x0):
    """Fit a Gaussian source by least squares to 200 channels of pure noise, each an independent realisation."""
    n = 200
    store = quietly(write(noise_cube(np.random.default_rng(9), 1e-3, n=n)), line_free_kms=[(0, 1e5)])
    v, u = np.meshgrid(store["v_wavelengths"] * ARCSEC, store["u_wavelengths"] * ARCSEC, indexing="ij")
    template = np.exp(-2 * np.pi**2 * size**2 * (u**2 + v**2) + 2j * np.pi * u * x0)
    weight = np.where(store["mask"], 1 / np.where(store["mask"], store["variance"], 1), 0)
    information = (weight * np.abs(template) ** 2).sum(axis=(1, 2))
    flux = (weight * (store["mean"] * template.conj()).real).sum(axis=(1, 2)) / information
    assert np.std(flux * np.sqrt(information)) == pytest.approx(1.0, abs=0.15)


def test_channels_that_share_noise_are_told_and_inflate(write):
    rng = np.random.default_rng(5)
    independent = noise_cube(rng, 1e-3, n=N_CHANNELS + 2)
    hanning = 0.25 * independent[:-2] + 0.5 * independent[1:-1] + 0.25 * independent[2:]
    with pytest.warns(GridWarning, match=r"neighbouring channels correlates by \+0\.6[5-9]"):
        store = read_image_cube(write(hanning))
    mask = store["mask"]
    mean = np.where(mask, store["mean"], 0).mean(axis=0)[mask[0]]
    variance = store["variance"].mean(axis=0)[mask[0]] / mask.shape[0]
    # What is as wide as the band has the noise that the variances promise: 1 + 2 (2/3 + 1/6) = 2.67.
    assert np.mean(np.abs(mean) ** 2 / 2 / variance) == pytest.approx(1.0, abs=0.2)


def test_a_line_that_fills_the_band_leaves_the_noise_beside_it(write):
    rng = np.random.default_rng(6)
    noise = noise_cube(rng, 1e-3, n=12)
    source = 0.02 * gaussian(covariance(4.0, 3.0, 0.0), 0.0, 0.0)
    beside = quietly(write(noise + source))
    assert any("pixels beside the line" in line for line in beside.manifest.history)
    mask = beside["mask"]
    only_noise = quietly(write(noise), line_free_kms=[(0, 1e4)])
    ratio = beside["variance"][mask & only_noise["mask"]] / only_noise["variance"][mask & only_noise["mask"]]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.15)
    assert np.median(beside["dof"][mask]) > 50


def test_noise_that_rises_to_the_edges_is_told(write, noisy):
    at = np.hypot(*np.meshgrid(*(2 * [np.arange(NPIX) - NPIX // 2]))) / NPIX
    with pytest.warns(GridWarning, match="as in an image corrected for the primary beam"):
        read_image_cube(write(noisy * np.exp(4 * at**2)))


def test_a_cube_without_noise(write):
    cube = np.zeros((N_CHANNELS, NPIX, NPIX)) + 1e-12
    cube[LINE] += gaussian(covariance(4.0, 3.0, 0.0), 0.0, 0.0)
    with pytest.raises(ContractError, match="holds no noise"):
        quietly(write(cube))


ABSORBER = slice(13, 16)


def absorbed(rng, emission_jy=0.0, absorption_jy=-0.6):
    """Noise of 1 mJy, a Gaussian source in the line channels, and a point 6 arcsec east of it in fewer, Jy/beam."""
    cube = noise_cube(rng, 1e-3)
    source = covariance(2.0, 1.5, 60.0)
    beam = covariance(*BEAM)
    spread = np.sqrt(np.linalg.det(beam) / np.linalg.det(source + beam))
    cube[LINE] += emission_jy * spread * gaussian(source + beam, -3.0, -2.0)
    cube[ABSORBER] += absorption_jy * gaussian(beam, 6.0, 3.0)
    return cube


@pytest.mark.parametrize("n_channels", [N_CHANNELS, 6])
def test_absorption_is_signal_and_not_noise(write, n_channels):
    """The variance of a cube with absorption is that of its noise; so it is where the line fills the band."""
    first = 0 if n_channels == N_CHANNELS else ABSORBER.start
    channels = slice(first, first + (n_channels if n_channels == N_CHANNELS else 3))
    noise = absorbed(np.random.default_rng(12), absorption_jy=0.0)[channels]
    cube = absorbed(np.random.default_rng(12))[channels]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no word of channels that share noise
        store = read_image_cube(write(cube))
    reference = quietly(write(noise), line_free_kms=[(0, 1e5)] if first == 0 else [])
    both = store["mask"] & reference["mask"]
    ratio = np.sqrt(store["variance"][both] / reference["variance"][both])
    assert np.median(ratio) == pytest.approx(1.0, abs=0.15)
    if first == 0:
        # Three channels of 30, and one at each side that the mean of three may light.
        assert any(f"from {n} channels without line" in line for line in store.manifest.history for n in (25, 26, 27))
    assert any("line in absorption" in line for line in store.manifest.history)


@pytest.mark.parametrize(
    ("emission_jy", "absorption_jy", "kind"),
    [
        (0.8, 0.0, "emission"),
        (0.0, -0.6, "absorption"),
        (0.8, -0.6, "emission and absorption"),
        (0.8, -0.03, "emission"),
        (0.03, -0.6, "emission and absorption"),  # the emission has channels of its own
        (0.0, 0.0, "undecided"),
    ],
)
def test_the_sign_of_a_line_and_its_fluxes(write, emission_jy, absorption_jy, kind):
    cube = absorbed(np.random.default_rng(13), emission_jy, absorption_jy)
    told = CliRunner().invoke(app, ["info", str(write(cube)), "--json"])
    assert told.exit_code == 0, told.output
    facts = json.loads(told.stdout)
    assert facts["line_sign"] == kind
    # Jy times channels of 10 km/s.
    noise = 0.5
    assert facts["emission_jykms"] == pytest.approx(emission_jy * 60.0, rel=0.03, abs=noise)
    assert facts["absorption_jykms"] == pytest.approx(absorption_jy * 30.0, rel=0.03, abs=noise)
    lines = [line for line in facts["history"] if line.startswith(("line in", "no line stands out"))]
    assert len(lines) == 1
    assert (f"line in {kind}: " in lines[0]) == (kind != "undecided")
    assert ("may be sidelobes" in lines[0]) == (absorption_jy == -0.03)

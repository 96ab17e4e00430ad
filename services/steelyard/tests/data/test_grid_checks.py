"""Messages about a grid before a fit, and the report of a fit whose figures fail."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from steelyard.commands.main import app
from steelyard.data.grid_checks import grid_warnings, main_lobe
from steelyard.data.load import load_gridded
from steelyard.report import ReportWarning, page, products, write_report
from steelyard_schemas import ContractError, write_store
from typer.testing import CliRunner


@pytest.fixture
def coarse(toy_grid):
    """Cells of Gaussian weight: a beam of 1.5 pixels, sigma_uv = sqrt(2 ln 2) / (pi FWHM) by Fourier transform."""
    manifest = toy_grid.manifest
    fwhm = 1.5 * manifest.cell_arcsec / 3600 * np.pi / 180
    sigma = np.sqrt(2 * np.log(2)) / (np.pi * fwhm)
    u, v = toy_grid["u_wavelengths"][None, :], toy_grid["v_wavelengths"][:, None]
    variance = np.exp((u**2 + v**2) / (2 * sigma**2)).astype(np.float32)
    arrays = dict(toy_grid.arrays)
    arrays["mask"] = np.ones_like(arrays["mask"])
    arrays["variance"] = np.broadcast_to(variance, arrays["mask"].shape).copy()
    return replace(toy_grid, arrays=arrays)


def test_the_main_lobe_of_gaussian_weights(coarse):
    beam = main_lobe(coarse)
    # The weights fall to 0.3 at the edge of the grid, which widens the beam and makes it less of a Gaussian.
    assert 1.5 < beam.minor_arcsec / 0.25 < 2.0
    assert beam.major_arcsec == pytest.approx(beam.minor_arcsec, rel=0.05)


def test_pixels_too_coarse_for_the_beam_are_told_with_the_grid_that_serves(coarse, toy_grid):
    (line,) = grid_warnings(coarse, edge_is_known=True)
    assert "pixels of 0.25 arcsec are too coarse for a beam of" in line
    cell = float(line.split("cell_arcsec = ")[1].split(",")[0])
    npix = int(line.split("npix = ")[1].split()[0])
    assert cell == pytest.approx(main_lobe(coarse).minor_arcsec / 3, rel=0.05)
    assert npix % 2 == 0
    assert 24 * 0.25 <= npix * cell < 24 * 0.25 + 2 * cell
    assert grid_warnings(toy_grid, edge_is_known=False) == ()


def test_data_beyond_the_grid_are_told_of_a_store_too(toy_grid):
    noise = toy_grid.manifest.noise.model_copy(update={"n_used": 922, "n_outside": 78})
    partial = replace(toy_grid, manifest=toy_grid.manifest.model_copy(update={"noise": noise}))
    (line,) = grid_warnings(partial, edge_is_known=False)
    assert "7.8 % of the data lie beyond the edge" in line
    assert grid_warnings(partial, edge_is_known=True) == ()


def test_a_fit_says_first_what_was_assumed_and_what_the_grid_lacks(workplace, edit, toy, toy_folder):
    data = load_gridded(toy, toy_folder)
    noise = data.manifest.noise.model_copy(update={"n_outside": data.manifest.noise.n_used})
    history = (*data.manifest.history, "assumed a dish of 12 m, give --dish-diameter-m")
    manifest = data.manifest.model_copy(update={"noise": noise, "history": history})
    write_store(workplace / "grid.zarr", replace(data, manifest=manifest))
    edit(workplace / "toy.toml", 'path = "toy.zarr"', 'path = "grid.zarr"')
    edit(workplace / "toy.toml", "grid = { cell_arcsec = 0.25, npix = 24 }", "")
    edit(workplace / "toy.toml", "value = 1.5", "value = 99.0")  # it goes no further
    told = CliRunner().invoke(app, ["fit", str(workplace / "toy.toml"), "-o", str(workplace / "out")])
    assert "assumed a dish of 12 m" in told.stderr
    assert "warning: 50 % of the data lie beyond the edge" in told.stderr


@pytest.fixture
def no_beam(monkeypatch):
    def no_lobe(*_):
        raise ContractError("dirty beam", "has 3 pixels above half its peak; make the pixels finer")

    monkeypatch.setattr(products, "fit_beam", no_lobe)


@pytest.fixture
def copied(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "out")
    (tmp_path / "out" / "report.html").unlink()
    return tmp_path / "out"


def test_each_figure_stands_alone(copied, no_beam, tmp_path):
    with pytest.warns(ReportWarning, match=r"lacks figures \(rotation, .*has 3 pixels above half its peak"):
        text = write_report(copied, figure_folder=tmp_path / "figures").read_text()
    drawn = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert {"mass", "corner", "contraction", "traces", "chi_square"} <= drawn
    assert not drawn & {"rotation", "channels", "moments"}
    assert 'The figure "rotation" could not be drawn: dirty beam: has 3 pixels above half its peak' in text
    assert "No beam could be fitted" in text


@pytest.mark.slow
def test_a_picture_costs_no_result(copied, toy_file, no_beam, monkeypatch):
    result = CliRunner().invoke(app, ["fit", str(toy_file), "-o", str(copied)])
    assert result.exit_code == 0
    assert "log10(M_BH / Msun) = 8." in result.stdout
    assert "warning: the report lacks figures" in result.stderr
    assert (copied / "report.html").exists()

    def no_page(*_args, **_options):
        raise MemoryError("cannot allocate 80 GiB")

    monkeypatch.setattr(page, "write_report", no_page)
    result = CliRunner().invoke(app, ["fit", str(toy_file), "-o", str(copied)])
    assert result.exit_code == 0
    assert "log10(M_BH / Msun) = 8." in result.stdout
    assert "report:" not in result.stdout
    assert "warning: the report was not written: cannot allocate 80 GiB" in result.stderr
    as_json = CliRunner().invoke(app, ["fit", str(toy_file), "-o", str(copied), "--json"])
    assert as_json.exit_code == 0
    told = json.loads(as_json.stdout)
    assert (told["converged"], told["report"]) == (True, None)

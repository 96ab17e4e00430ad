import dataclasses
import json

import numpy as np
import pytest
from astropy.io import fits
from steelyard_schemas import GriddedVisibilities, read_store, write_store
from typer.testing import CliRunner
from vis_gridder.cli import app


@pytest.fixture
def uvfits(write_uvfits):
    rng = np.random.default_rng(0)
    data = rng.standard_normal((300, 1, 6, 2)) + 1j * rng.standard_normal((300, 1, 6, 2))
    uvw = np.repeat(rng.uniform(-1e-6, 1e-6, (30, 3)), 10, axis=0)
    return write_uvfits(data, np.ones(data.shape), uvw_s=uvw, file="target.uvfits")


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_grid_writes_a_store_and_a_cube(uvfits, tmp_path):
    out, cube = tmp_path / "out.zarr", tmp_path / "cube.fits"
    result = run("grid", uvfits, "--cell-arcsec", 10, "--npix", 64, "-o", out, "--dirty-fits", cube, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    store = read_store(out, GriddedVisibilities)
    assert told["content_hash"] == store.manifest.content_hash
    assert told["noise"]["n_used"] == 1800 - told["noise"]["n_outside"]
    assert fits.getdata(cube).shape == (6, 64, 64)
    again = run("grid", uvfits, "-o", out)
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    assert run("grid", uvfits, "-o", out, "--overwrite").exit_code == 0, "cell and npix are suggested"


def test_velocity_range_and_edge_warning(uvfits, tmp_path):
    # Channels of 1e5 Hz at 1.4 GHz: 21 km/s each, from 4306.9 km/s downwards for the line at 1.4204 GHz.
    out = tmp_path / "out.zarr"
    result = run("grid", uvfits, "--cell-arcsec", 80, "--npix", 16, "--velocity-max-kms", 4270, "-o", out)
    assert result.exit_code == 0, result.stderr
    assert "warning:" in result.stderr
    assert "beyond the edge" in result.stderr
    assert read_store(out, GriddedVisibilities)["frequency_hz"].size == 4


def test_info(uvfits):
    result = run("info", uvfits, "--json")
    assert result.exit_code == 0
    facts = json.loads(result.stdout)
    assert (facts["channels"], facts["rows"], facts["target"]) == (6, 300, "A")
    # All rows are one baseline of this file: sigma is 1 / sqrt(2) for two hands; 2000 degrees of freedom, 1.6 %.
    assert facts["visibility_noise_jy"] == pytest.approx(np.sqrt(0.5), rel=0.07)
    plain = run("info", uvfits)
    assert "suggested_cell_arcsec" in plain.stdout


def test_every_command_warns_of_dead_samples(write_uvfits, tmp_path):
    rng = np.random.default_rng(1)
    data = rng.standard_normal((300, 1, 6, 2)) + 1j * rng.standard_normal((300, 1, 6, 2))
    data[:60, 0, 3:] = 0
    uvw = np.repeat(rng.uniform(-1e-6, 1e-6, (30, 3)), 10, axis=0)
    path = write_uvfits(data, np.ones(data.shape), uvw_s=uvw, file="dead.uvfits")
    for command in (["info"], ["grid", "-o", tmp_path / "grid.zarr"], ["convert", "-o", tmp_path / "own.zarr"]):
        result = run(command[0], path, *command[1:])
        assert result.exit_code == 0, result.stderr
        assert result.stderr.count("warning: dead.uvfits: flagged 180 of 1800 samples that are exactly zero") == 1
    facts = json.loads(run("info", path, "--json").stdout)
    assert facts["flagged_fraction"] == 0.1
    assert any("180 of 1800 samples" in line for line in facts["history"])


def test_pictures_line_and_history(uvfits, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra [plot] draws pictures")
    result = run("grid", uvfits, "-o", tmp_path / "out.zarr", "--plot", tmp_path / "pictures")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "pictures" / "overview.png").stat().st_size > 10_000
    again = run("grid", uvfits, "-o", tmp_path / "other.zarr", "--plot", tmp_path / "pictures")
    assert again.exit_code == 1
    assert not (tmp_path / "other.zarr").exists(), "nothing is gridded that cannot be drawn"


def test_several_files_go_on_one_grid(uvfits, tmp_path):
    alone, twice = tmp_path / "alone.zarr", tmp_path / "twice.zarr"
    grid = ("--cell-arcsec", 10, "--npix", 64)
    assert run("grid", uvfits, *grid, "-o", alone).exit_code == 0
    assert run("grid", uvfits, uvfits, *grid, "-o", twice).exit_code == 0
    one, two = (read_store(path, GriddedVisibilities) for path in (alone, twice))
    np.testing.assert_array_equal(two["count"], 2 * one["count"])
    assert two.manifest.sources == ("target.uvfits", "target.uvfits")


def test_continuum_and_channel_width(uvfits, tmp_path):
    # Six channels of 21.1 km/s from 4200 to 4307 km/s: three of 42.2, the continuum from the outer ones.
    out = tmp_path / "out.zarr"
    arguments = ("--channel-width-kms", 42.3, "--continuum-kms", "4190:4230", "--continuum-kms", "4280:4320")
    result = run("grid", uvfits, "--cell-arcsec", 10, "--npix", 64, *arguments, "-o", out)
    assert result.exit_code == 0, result.stderr
    store = read_store(out, GriddedVisibilities)
    assert store["frequency_hz"].size == 2
    assert any("subtracted a polynomial of order 1" in line for line in store.manifest.history)
    assert any("averaged 6 channels" in line for line in store.manifest.history)


def test_convert_writes_a_store_that_grids_to_the_same(uvfits, tmp_path):
    store = tmp_path / "vis.zarr"
    assert run("convert", uvfits, "-o", store).exit_code == 0
    for file in (uvfits, store):
        result = run("grid", file, "--cell-arcsec", 10, "--npix", 64, "-o", tmp_path / f"{file.name}.grid")
        assert result.exit_code == 0, result.stderr
    one, other = (read_store(tmp_path / f"{file.name}.grid", GriddedVisibilities) for file in (uvfits, store))
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(other[name], array)
    assert run("convert", uvfits, "-o", store).exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cell-arcsec", "-1"], "cell_arcsec"),
        (["--velocity-min-kms", "9000"], "no channel within the velocity range"),
        (["--field", "B"], "no field=B"),
        (["--cell-arcsec", "1000", "--npix", "16"], "finer keep all"),
        (["--frame", "helio"], "--frame"),
        (["--continuum-kms", "900-1100"], "LOW:HIGH"),
        (["--continuum-kms", "0:100"], "no channel from 0 to 100 km/s"),
        (["--channel-width-kms", "1"], "narrower than the data's"),
        (["--scan", "99"], "scan"),
        (["--spw", "3"], "spw"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(uvfits, tmp_path, arguments, message):
    before = sorted(tmp_path.iterdir())
    result = run("grid", uvfits, "-o", tmp_path / "out.zarr", *arguments)
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in result.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_not_visibilities(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    result = run("info", tmp_path / "notes.txt")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1


def test_text_from_a_file_cannot_command_the_terminal(make_vis, tmp_path):
    rng = np.random.default_rng(0)
    u, v = rng.normal(0, 30, (2, 40))
    vis = (rng.normal(size=(40, 3)) + 1j * rng.normal(size=(40, 3))).astype(np.complex64)
    evil = "NGC\x1b]0;owned\x07 [red]1[/red]\x00\x9b2J"
    store = make_vis(u, v, vis, target=evil, telescope=evil)
    history = ("assumed \x1b[2J a dish",)
    path = tmp_path / "evil\x1b[31m{x}[bold].zarr"
    write_store(path, dataclasses.replace(store, manifest=store.manifest.model_copy(update={"history": history})))
    for command in (
        ["info"],
        ["grid", "-o", tmp_path / "out\x1b.zarr", "--cell-arcsec", 1, "--npix", 16, "--overwrite"],
    ):
        told = run(command[0], path, *command[1:])
        assert told.exit_code == 0, told.stderr
        shown = told.stdout + told.stderr
        assert {c for c in shown if not c.isprintable()} == {"\n"}
        assert r"\x1b[31m{x}[bold].zarr" in shown
    facts = run("info", path).stdout
    assert r"NGC\x1b]0;owned\x07 [red]1[/red]\x00\x9b2J" in facts
    wrong = run("info", tmp_path / "none\x1b[31m.ms")
    assert wrong.exit_code == 1
    assert r"none\x1b[31m.ms" in wrong.stderr

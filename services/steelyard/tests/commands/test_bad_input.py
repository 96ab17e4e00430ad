"""Bad input through the command line: one line that says what, where and what to do; exit code 1; nothing left."""

import dataclasses
import json
import shutil
import tarfile
from pathlib import Path

import nuker_surrogate
import numpy as np
import pytest
from steelyard.commands.main import app
from steelyard_schemas import Visibilities, read_store, write_store
from typer.testing import CliRunner


@pytest.fixture
def refused(workplace):
    """Return a function that fits toy.toml, checks how it is refused, and returns the line."""

    def check(*options):
        out = workplace / "out"
        before = sorted(workplace.rglob("*"))
        result = CliRunner().invoke(app, ["fit", str(workplace / "toy.toml"), "-o", str(out), *options])
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        stages = ("reading ", "searching ", "optimise ")
        lines = [line for line in result.stderr.splitlines() if not line.startswith(stages)]
        assert len(lines) == 1, result.stderr
        assert lines[0].startswith("error: ")
        assert len(lines[0]) > len("error: ")
        assert sorted(workplace.rglob("*")) == before
        return lines[0]

    return check


@pytest.fixture
def rewrite(workplace):
    """Return a function that writes toy.zarr again with some arrays changed."""

    def rewrite(**changed):
        store = read_store(workplace / "toy.zarr", Visibilities)
        arrays = {**store.arrays, **{name: change(store[name].copy()) for name, change in changed.items()}}
        write_store(workplace / "toy.zarr", dataclasses.replace(store, arrays=arrays), overwrite=True)

    return rewrite


def point_to(workplace, edit, name):
    edit(workplace / "toy.toml", 'path = "toy.zarr"', f'path = "{name}"')


def mentions(line, *words):
    missing = [word for word in words if word not in line]
    assert not missing, line


@pytest.mark.slow
def test_a_text_file_for_data(workplace, edit, refused):
    (workplace / "data.ms").write_text("not visibilities")
    point_to(workplace, edit, "data.ms")
    mentions(refused(), "data.ms", "is not a Measurement Set, UVFITS")


@pytest.mark.slow
def test_an_empty_folder_for_data(workplace, edit, refused):
    (workplace / "data.ms").mkdir()
    point_to(workplace, edit, "data.ms")
    mentions(refused(), "data.ms", "neither a Measurement Set nor")


def test_an_archive_for_data(workplace, edit, refused):
    with tarfile.open(workplace / "data.ms.tar.gz", "w:gz") as archive:
        archive.add(workplace / "toy.zarr", "toy.zarr")
    point_to(workplace, edit, "data.ms.tar.gz")
    mentions(refused(), "data.ms.tar.gz", "is an archive", "unpack it first")


def test_no_data(workplace, edit, refused):
    point_to(workplace, edit, "elsewhere.ms")
    mentions(refused(), "elsewhere.ms", "no such file", "[data] path")


def test_data_that_need_a_grid(workplace, edit, refused):
    edit(workplace / "toy.toml", "grid = { cell_arcsec = 0.25, npix = 24 }", "")
    mentions(refused(), "toy.zarr", "add [data.grid]")


def test_all_data_flagged(rewrite, refused):
    rewrite(flag=np.ones_like, weight=np.zeros_like)
    mentions(refused(), "toy.zarr", "all data flagged")


def test_weights_all_zero(rewrite, refused):
    rewrite(weight=np.zeros_like)
    mentions(refused(), "toy.zarr", "weight")


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_weights_that_are_none(rewrite, refused, value):
    def spoil(weight):
        weight[3, 2] = value
        return weight

    rewrite(weight=spoil)
    mentions(refused(), "toy.zarr", "weight", "flag")


def test_visibilities_that_are_not_finite(rewrite, refused):
    def spoil(vis):
        vis[5, 1] = np.nan
        return vis

    rewrite(vis=spoil)
    mentions(refused(), "toy.zarr", "vis", "flag")


def test_line_frequency_in_ghz(workplace, edit, refused):
    edit(workplace / "toy.toml", "230.538e9", "230.538")
    mentions(refused(), "toy.toml", "line.rest_frequency_hz", "in Hz", "230.538e9")


def test_data_frequencies_in_ghz(rewrite, refused):
    rewrite(frequency_hz=lambda f: f / 1e9, channel_width_hz=lambda w: w / 1e9)
    mentions(refused(), "toy.zarr", "GHz", "Hz is due")


def test_irregular_channels(rewrite, refused):
    def spoil(frequency):
        frequency[4] += 0.3 * (frequency[5] - frequency[4])
        return frequency

    rewrite(frequency_hz=spoil)
    mentions(refused(), "toy.zarr", "irregular channels", "regrid")


def test_a_wrong_line(workplace, edit, refused):
    # HI at 1.42 GHz puts these channels at minus 160 times the speed of light.
    edit(workplace / "toy.toml", "230.538e9", "1.42040575e9")
    mentions(refused(), "simulated", "rest frequency of 1.42", "[line] rest_frequency_hz")


def test_a_prior_outside_the_surrogates_domain(workplace, edit, refused):
    edit(
        workplace / "toy.toml",
        'alpha = { kind = "fixed", value = 1.5 }',
        'alpha = { kind="uniform", low=0.05, high=20 }',
    )
    mentions(refused(), "Toy", "priors.alpha", "0.05 to 20", "from 0.1 to 10", "set low and high within")


def test_every_prior_outside_is_named(workplace, edit, refused):
    edit(workplace / "toy.toml", "value = 1.5", "value = 99.0")
    edit(workplace / "toy.toml", 'beta_minus_gamma = { kind = "fixed", value = 1.0', BEYOND)
    mentions(refused(), "priors.alpha", "priors.beta_minus_gamma")


BEYOND = 'beta_minus_gamma = { kind = "fixed", value = 5.0'


def test_stars_flatter_than_the_inclination_allows(workplace, edit, refused):
    stars = "[stars]\nkind = 'mge'\nsurface_brightness_lsun_pc2 = [1e3]\nsigma_arcsec = [1.0]\nq_obs = [0.2]\n"
    edit(workplace / "toy.toml", "[sampler]", stars + "\n[sampler]")
    line = refused()
    # cos i = 0.2 at 78.46 degrees.
    mentions(line, "toy.toml", "q_obs = 0.2", "priors.inclination_deg", "above 78.46 deg")


def test_a_truncated_store(workplace, refused):
    chunks = [path for path in (workplace / "toy.zarr" / "vis" / "c").rglob("*") if path.is_file()]
    chunks[0].unlink()
    mentions(refused(), "toy.zarr", "'vis' is truncated")


def test_a_damaged_store(workplace, refused):
    chunks = [path for path in (workplace / "toy.zarr" / "u_m" / "c").rglob("*") if path.is_file()]
    chunks[0].write_bytes(chunks[0].read_bytes()[: chunks[0].stat().st_size // 2])
    mentions(refused(), "toy.zarr", "u_m")


@pytest.fixture
def own_artifact(workplace, edit):
    """A copy of the newest artifact, which the galaxy file uses."""
    shipped = Path(nuker_surrogate.__file__).parent / "artifacts" / "shipped"
    newest = max(shipped.iterdir(), key=lambda path: [int(n) for n in path.name.split(".")])
    artifact = workplace / "artifact"
    shutil.copytree(newest, artifact)
    edit(workplace / "toy.toml", "[sampler]", f"[stars]\nkind = 'nuker'\nsurrogate = '{artifact}'\n\n[sampler]")
    return artifact


def test_an_artifact_with_a_wrong_hash(own_artifact, refused):
    weights = own_artifact / "weights.msgpack"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    mentions(refused(), "artifact", "weights.msgpack has hash", "copy the artifact again")


def test_an_artifact_from_a_newer_version(own_artifact, refused):
    manifest = json.loads((own_artifact / "manifest.json").read_text())
    (own_artifact / "manifest.json").write_text(json.dumps(manifest | {"schema_version": "3.0"}))
    mentions(refused(), "manifest.json", "newer", "update steelyard-schemas")


def test_a_surrogate_that_does_not_exist(workplace, edit, refused):
    edit(workplace / "toy.toml", "[sampler]", "[stars]\nkind = 'nuker'\nsurrogate = '99.0.0'\n\n[sampler]")
    mentions(refused(), "surrogate 99.0.0", "is not shipped; shipped versions")


def test_a_galaxy_file_from_a_newer_version(workplace, edit, refused):
    edit(workplace / "toy.toml", 'schema_version = "1.0"', 'schema_version = "2.0"')
    mentions(refused(), "toy.toml", "'2.0' is newer", "update steelyard-schemas")


def test_a_store_from_a_newer_version(workplace, refused):
    metadata = workplace / "toy.zarr" / "zarr.json"
    document = json.loads(metadata.read_text())
    document["attributes"]["steelyard"]["schema_version"] = "9.0"
    metadata.write_text(json.dumps(document))
    mentions(refused(), "toy.zarr", "'9.0' is newer", "update steelyard-schemas")


def test_a_key_with_a_typo(workplace, edit, refused):
    edit(workplace / "toy.toml", "n_warmup", "n_warmpu")
    mentions(refused(), "toy.toml", "sampler.n_warmpu")


def test_a_prior_of_a_parameter_that_does_not_exist(workplace, edit, refused):
    edit(workplace / "toy.toml", "[truth]", 'log_mbh = { kind = "fixed", value = 8.0 }\n\n[truth]')
    mentions(refused(), "toy.toml", "priors.log_mbh")


def test_a_syntax_error(workplace, edit, refused):
    edit(workplace / "toy.toml", "mpc = 10.0", "mpc = ")
    mentions(refused(), "toy.toml", "syntax error", "line")


def test_no_galaxy_file(workplace, refused):
    (workplace / "toy.toml").unlink()
    mentions(refused(), "toy.toml", "No such file")


def test_a_store_for_a_galaxy_file(workplace, refused):
    (workplace / "toy.toml").unlink()
    shutil.copytree(workplace / "toy.zarr", workplace / "toy.toml")
    mentions(refused(), "toy.toml", "cannot be read")


def test_gridded_data_with_a_grid(workplace, edit, toy_grid, refused):
    write_store(workplace / "grid.zarr", toy_grid)
    point_to(workplace, edit, "grid.zarr")
    mentions(refused(), "grid.zarr", "gridded already", "remove [data.grid]")


@pytest.mark.slow
def test_a_posterior_for_data(workplace, finished, edit, refused):
    shutil.copytree(finished.folder / "posterior.zarr", workplace / "posterior.zarr")
    point_to(workplace, edit, "posterior.zarr")
    mentions(refused(), "posterior.zarr", "holds 'posterior', expected 'visibilities'")


@pytest.mark.slow
def test_a_field_of_view_smaller_than_the_disc(workplace, edit, refused):
    # 90 % of the flux within 3.89 * 0.9 arcsec; half the field is 3.
    edit(workplace / "toy.toml", 'disc_scale_arcsec = { kind = "fixed", value = 0.6', WIDE)
    mentions(refused(), "Toy", "field of view is 6 arcsec", "make npix times cell_arcsec")


WIDE = 'disc_scale_arcsec = { kind = "fixed", value = 0.9'


def test_out_that_is_a_file(workplace, refused):
    (workplace / "out").write_text("mine")
    refused()
    assert (workplace / "out").read_text() == "mine"


@pytest.fixture
def simulated(workplace):
    """Return a function that runs `steelyard simulate` with options and returns its one line of error."""
    (workplace / "array.cfg").write_text("0 0 0 12 a\n50 10 0 12 b\n20 70 0 12 c\n")

    def simulate(*options, code=1):
        start = [
            "simulate",
            workplace / "toy.toml",
            "--antennas",
            workplace / "array.cfg",
            "-o",
            workplace / "x.zarr",
        ]
        result = CliRunner().invoke(app, [str(part) for part in (*start, "--noise-jy", 0.1, *options)])
        assert result.exit_code == code, result.output
        assert result.stdout == ""
        assert not (workplace / "x.zarr").exists()
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: ")
        return line

    return simulate


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--seed", 2**63), "seed is 9223372036854775808, must be within 0 and"),
        (("--seed", -1), "seed is -1"),
        (("--hours", "inf"), "hours is inf, must be within 0.0001 and 24 h"),
        (("--hours", "nan"), "hours is nan"),
        (("--integration-s", 0), "integration_s is 0.0"),
        (("--channel-width-kms", 0), "channel_width_kms is 0.0"),
        (("--declination-deg", 91), "declination_deg is 91.0"),
        (("--channels", 10**9), "n_channels is 1000000000"),
        (("--noise-jy", "1e-300"), "noise_jy is 1e-300, must be 0 or"),
    ],
)
def test_a_simulations_numbers_have_limits(simulated, options, words):
    mentions(simulated(*options), "simulation: ", words)


def test_what_does_not_fit_in_memory_is_refused_with_the_number(simulated, workplace, monkeypatch):
    # Three baselines for 24 h of 1 ms: 2.592e8 rows of 500 000 channels, 64 bytes each: 7.725e6 GiB.
    mentions(simulated("--hours", 24, "--integration-s", 0.001, "--channels", 500000), "needs 7.725e+06 GiB")
    result = CliRunner().invoke(
        app, ["grid", str(workplace / "toy.zarr"), "--cell-arcsec", "0.25", "--npix", "100000", "-o", "x.zarr"]
    )
    # Twelve channels of 100000 x 50001 cells of 32 bytes.
    mentions(result.stderr.splitlines()[-1], "error: grid: a grid of 12 channels and 100000 x 100000", "1788 GiB")
    assert result.exit_code == 1


def test_memory_of_a_fit_is_asked_before_the_search(refused, monkeypatch):
    # 12 channels of 24 x 13 cells of 32 bytes are 120 kB, the dirty cube of 24 x 24 pixels 221 kB.
    monkeypatch.setattr("steelyard_schemas.memory.machine_memory", lambda: 200_000)
    mentions(refused(), "a fit of 12 channels and 24 x 24 pixels needs", "velocity range in [data.grid]")
    monkeypatch.setattr("steelyard_schemas.memory.machine_memory", lambda: 100_000)
    mentions(refused(), "a grid of 12 channels and 24 x 24 pixels needs", "--npix")


def test_numbers_that_no_grid_can_have(workplace):
    for options, words in (
        (("--cell-arcsec", "1e-300"), "cell_arcsec is 1e-300, must be within 1e-07 and 100000"),
        (("--cell-arcsec", "1e300"), "cell_arcsec is 1e+300"),
        (("--cell-arcsec", "0.25", "--npix", "24", "--min-count", str(2**63)), "min_count is 9223372036854775808"),
        (("--cell-arcsec", "0.25", "--npix", "24", "--velocity-min-kms", "nan"), "velocity_min_kms is nan"),
        (("--cell-arcsec", "0.25", "--npix", "24", "--rest-frequency-hz", "inf"), "rest_frequency_hz is inf"),
    ):
        result = CliRunner().invoke(app, ["grid", str(workplace / "toy.zarr"), "-o", "x.zarr", *options])
        assert result.exit_code == 1
        mentions(result.stderr.splitlines()[-1], "error: grid: ", words)
    assert CliRunner().invoke(app, ["info", str(workplace / "toy.zarr"), "--rest-frequency-hz", "0"]).exit_code == 1


def test_a_seed_that_no_generator_takes(workplace, edit, refused):
    edit(workplace / "toy.toml", "n_chains = 4", f"n_chains = 4\nseed = {2**63}")
    mentions(refused(), "toy.toml", "sampler.seed", str(2**63 - 1))


def test_what_nobody_foresaw_is_one_line_too(workplace, monkeypatch):
    def bug(*_args, **_options):
        raise KeyError("sigma")

    monkeypatch.setattr("steelyard.fitting.run.prepare", bug)
    result = CliRunner().invoke(app, ["fit", str(workplace / "toy.toml"), "-o", str(workplace / "out")])
    assert result.exit_code == 1
    line = result.stderr.splitlines()[-1]
    mentions(line, "error: KeyError: 'sigma' at test_bad_input.py:", "STEELYARD_TRACEBACK=1")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "arguments", [["grd"], ["fit"], ["fit", "a.toml", "--restrat"], ["compare", "--proposals", "x", "a"], ["--nope"]]
)
def test_a_wrong_command_line_is_an_error_line_too(arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert "--help`)" in line

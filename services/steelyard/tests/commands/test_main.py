import json
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest
from steelyard.commands.main import app
from steelyard_schemas import Visibilities, read_store
from typer.testing import CliRunner

COMMANDS = [
    *("compare", "demo", "fit", "report", "validate", "simulate", "info", "grid", "convert"),
    *("surrogate train", "surrogate evaluate", "surrogate list", "surrogate show"),
    *("survey run", "survey resume", "survey status", "survey report", "survey relation"),
]


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert command.split()[-1] in result.stdout.split("Example")[1]


def test_no_command_is_forgotten_here():
    listed = {command.split()[0] for command in COMMANDS}
    registered = {c.name or c.callback.__name__ for c in app.registered_commands}
    assert registered | {g.name for g in app.registered_groups} == listed


def test_version():
    result = run("--version")
    assert (result.exit_code, result.stdout.strip()) == (0, version("steelyard"))


def test_without_arguments_it_shows_help():
    assert "Usage" in run().output


@pytest.mark.slow
@pytest.mark.parametrize("what", ["--help", "surrogate --help"])
def test_help_loads_neither_figures_nor_sampler(what):
    heavy = ("matplotlib", "corner", "sampler", "kinematics", "blackjax", "arviz", "scipy.stats")
    script = (
        "import sys\n"
        "from steelyard.commands.main import app\n"
        f"sys.argv = ['steelyard', *{what!r}.split()]\n"
        "try:\n    app()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"print('LOADED', [m for m in {heavy!r} if m in sys.modules])\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "Usage" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "LOADED []"


def test_validate_what_is_valid(workplace, finished):
    for path, kind, expected in (
        (workplace / "toy.toml", "galaxy", "1.3"),
        (workplace / "toy.zarr", "visibilities", "1.1"),
        (finished.folder / "gridded.zarr", "gridded_visibilities", "1.2"),
        (finished.folder / "posterior.zarr", "posterior", "1.5"),
    ):
        plain = run("validate", path)
        assert plain.exit_code == 0, plain.stderr
        assert f"valid {kind} {expected}" in plain.stdout
        told = json.loads(run("validate", path, "--json").stdout)
        assert told == {"path": str(path), "kind": kind, "schema_version": expected, "valid": True}


def test_validate_what_is_not(workplace, edit):
    edit(workplace / "toy.toml", "mpc = 10.0", "mpc = -10.0\nmegaparsec = 3")
    next(path for path in (workplace / "toy.zarr" / "weight" / "c").rglob("*") if path.is_file()).unlink()
    for name, words in (
        ("toy.toml", ("distance.mpc", "distance.megaparsec")),
        ("toy.zarr", ("'weight' is truncated",)),
        ("none", ("no such file",)),
    ):
        result = run("validate", workplace / name, "--json")
        assert result.exit_code == 1
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: ")
        assert all(word in line for word in (name, *words)), line


def test_the_surrogate_command_is_mounted():
    listed = run("surrogate", "list")
    assert listed.exit_code == 0
    assert {"1.1.0", "2.0.0"} <= set(listed.stdout.split())
    assert run("surrogate", "show", "--json").exit_code == 0
    wrong = run("surrogate", "show", "no/such/folder")
    assert wrong.exit_code == 1
    (line,) = wrong.stderr.splitlines()
    assert line.startswith("error: no/such/folder: is not a surrogate artifact")


def test_info_and_grid_are_mounted(workplace):
    told = json.loads(run("info", workplace / "toy.zarr", "--json").stdout)
    assert (told["target"], told["channels"]) == ("Toy", 12)
    # Made with a standard deviation of 0.06 Jy: 200 000 differences, 0.2 %.
    assert told["visibility_noise_jy"] == pytest.approx(0.06, rel=0.02)
    out = workplace / "grid.zarr"
    result = run("grid", workplace / "toy.zarr", "--cell-arcsec", 0.25, "--npix", 24, "-o", out, "--json")
    assert json.loads(result.stdout)["npix"] == 24
    assert run("validate", out).exit_code == 0


@pytest.mark.slow
def test_a_finished_fit_prints_its_result(toy_file, finished):
    result = run("fit", toy_file, "-o", finished.folder)
    assert result.exit_code == 0, result.stderr
    assert "already finished" in result.stderr
    assert "log10(M_BH / Msun) = 8." in result.stdout
    assert "truth: log10(M_BH / Msun) = 8.900" in result.stdout
    assert "converged" in result.stdout
    assert str(finished.folder / "report.html") in result.stdout


@pytest.mark.slow
def test_json_is_one_document(toy_file, finished):
    result = run("fit", toy_file, "-o", finished.folder, "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["converged"] is True
    assert told["black_hole"]["verdict"] == "measured"
    assert told["parameters"][0]["name"] == "log10_mbh"
    assert told["truth"]["log10_mbh"] == 8.9


@pytest.mark.slow
def test_report_again_with_figures(finished, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(finished.folder, folder)
    (folder / "report.html").unlink()
    result = run("report", folder, "--figures", tmp_path / "figures")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip() == str(folder / "report.html")
    figures = list((tmp_path / "figures").glob("*.png"))
    assert {"corner", "rotation", "channels"} <= {path.stem for path in figures}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)


def test_report_of_a_folder_without_a_fit(tmp_path):
    result = run("report", tmp_path)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert "run `steelyard fit` first" in line


@pytest.mark.slow
def test_simulate_with_antennas_and_like(workplace, antennas):
    rows = "\n".join(" ".join(f"{x:.4f}" for x in position) + " 12. A" for position in antennas.enu_m)
    (workplace / "array.cfg").write_text(f"# coordsys=LOC (local tangent plane)\n{rows}\n")
    out = workplace / "mock.zarr"
    made = run(
        *("simulate", workplace / "toy.toml", "--antennas", workplace / "array.cfg", "--hours", 0.2),
        *("--channels", 6, "--channel-width-kms", 75, "--noise-jy", 0.05, "-o", out),
    )
    assert made.exit_code == 0, made.stderr
    assert "in 6 channels" in made.stdout
    assert read_store(out, Visibilities)["vis"].shape[1] == 6
    again = run("simulate", workplace / "toy.toml", "--like", out, "--noise-jy", 0.05, "-o", out)
    assert again.exit_code == 1
    assert "exists already" in again.stderr
    both = run("simulate", workplace / "toy.toml", "--noise-jy", 0.05, "-o", workplace / "x.zarr")
    assert both.exit_code == 1
    assert "either --like FILE or --antennas FILE" in both.stderr


@pytest.mark.slow
def test_a_fit_that_is_not_converged_exits_with_3(workplace, finished, edit):
    out = workplace / "out"
    shutil.copytree(finished.folder, out)
    edit(workplace / "toy.toml", "target_ess = 400", "target_ess = 1e6")
    edit(workplace / "toy.toml", "max_steps = 2000", "max_steps = 100")
    result = run("fit", workplace / "toy.toml", "-o", out)
    assert result.exit_code == 3, result.stderr
    assert "NOT CONVERGED" in result.stdout

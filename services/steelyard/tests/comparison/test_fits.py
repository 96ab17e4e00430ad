"""Finished fits side by side."""

import json
import shutil

import numpy as np
import pytest
from steelyard import compare
from steelyard.commands.main import app
from steelyard_schemas import ContractError, Posterior, Store, read_store, write_store
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def folders(finished, tmp_path_factory):
    """The fit of the toy, and one that says 0.03 dex more, twice as wide, has not converged and knows no alpha."""
    base = tmp_path_factory.mktemp("fits")
    shutil.copytree(finished.folder, base / "first")
    store = read_store(base / "first" / "posterior.zarr", Posterior)
    hole = store.manifest.black_hole
    wider = {name: hole.log10_mbh + 2 * (getattr(hole, name) - hole.log10_mbh) + 0.03 for name in QUANTILES}
    loose = store.manifest.parameters[1].model_copy(update={"contraction": 0.1})
    manifest = store.manifest.model_copy(
        update={
            "black_hole": hole.model_copy(update={"log10_mbh": hole.log10_mbh + 0.03, **wider}),
            "parameters": (store.manifest.parameters[0], loose, *store.manifest.parameters[2:]),
            "converged": False,
        }
    )
    write_store(base / "second" / "posterior.zarr", Store(manifest, store.arrays))
    return [base / "first", base / "second"]


QUANTILES = ("log10_mbh_q16", "log10_mbh_q84")


def test_shifts_are_those_from_the_first_fit(folders):
    comparison = compare(folders)
    first, second = comparison.rows
    assert (first.shift_dex, first.shift_sigma) == (0.0, 0.0)
    assert second.shift_dex == pytest.approx(0.03)
    half = 0.5 * (first.black_hole.log10_mbh_q84 - first.black_hole.log10_mbh_q16)
    assert second.shift_sigma == pytest.approx(0.03 / (half * np.sqrt(5)))
    assert (first.stars, first.likelihood) == ("Nuker", "student_t")
    assert comparison.same_data
    assert not comparison.all_converged


def test_the_command_shows_a_table_and_fails_where_a_fit_has_not_converged(folders, tmp_path):
    figure = tmp_path / "masses.png"
    both = CliRunner().invoke(app, ["compare", *map(str, folders), "--figure", str(figure)])
    assert both.exit_code == 3
    assert both.stdout.count("NOT CONVERGED") == 1
    assert "unconstrained (posterior follows the prior): " in both.stdout
    assert figure.read_bytes().startswith(b"\x89PNG")
    alone = CliRunner().invoke(app, ["compare", str(folders[0]), "--json"])
    assert alone.exit_code == 0
    told = json.loads(alone.stdout)
    assert told["fits"][0]["black_hole"]["verdict"] == "measured"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "run `steelyard fit` first"),
        (["FIRST", "--figure", "masses.xyz"], "a figure is written as"),
        (["FIRST", "--out", "there"], "--out needs --models"),
        (["FIRST", "FIRST", "--models"], "--models takes exactly one galaxy file"),
    ],
)
def test_wrong_use_is_one_line(folders, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["compare", *(str(folders[0]) if a == "FIRST" else a for a in arguments)])
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not list(tmp_path.iterdir())


def test_nothing_to_compare():
    with pytest.raises(ValueError, match="nothing to compare"):
        compare([])
    with pytest.raises(ContractError, match=r"holds no posterior\.zarr"):
        compare(["nowhere"])

import json
import sys

import pytest
from nuker_surrogate import cli, load_surrogate
from typer.testing import CliRunner

runner = CliRunner()


def run(monkeypatch, *arguments):
    """Run the installed command's entry point; return its exit status."""
    monkeypatch.setattr(sys, "argv", ["nuker-surrogate", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code or 0


@pytest.mark.parametrize("command", ["train", "evaluate", "list", "show"])
def test_help_has_an_example(command):
    out = runner.invoke(cli.app, [command, "--help"]).output
    assert f"Example: nuker-surrogate {command}" in " ".join(out.split())


def test_train_list_show_evaluate(monkeypatch, capfd, tmp_path):
    small = ("--hidden", "8", "--examples", "400", "--label-steps", "50", "--loss-steps", "50", "--points", "4")
    out = tmp_path / "mine"
    assert run(monkeypatch, "train", str(out), "--version", "0.2.0", *small, "--json") == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out)["version"] == "0.2.0"
    assert "labels 50/50 loss" in printed.err  # plain lines where there is no terminal
    assert "measuring 5/5" in printed.err

    assert run(monkeypatch, "show", str(out)) == 0
    assert "surrogate 0.2.0: corrected head" in capfd.readouterr().out

    assert run(monkeypatch, "evaluate", str(out), "--points", "3", "--faces", "2", "--json") == 0
    table = json.loads(capfd.readouterr().out)
    assert list(table) == ["ridge", "surrogate 0.2.0", "floor"]
    for rows in table.values():
        assert [row["points"] for row in rows] == ["box"] * 5 + ["faces"] * 5

    assert run(monkeypatch, "list", "--json") == 0
    assert load_surrogate().version in json.loads(capfd.readouterr().out)


def test_the_table_names_every_route(monkeypatch, capfd):
    assert run(monkeypatch, "evaluate", "--points", "3", "--faces", "0") == 0
    out = capfd.readouterr().out
    assert "ridge" in out
    assert "floor" in out
    assert "circular velocity" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "99.0.0"), "99.0.0: is not shipped"),
        (("evaluate", "--points", "0", "--faces", "0"), "nothing to measure"),
        (("train", "{tmp}"), "exists already"),
        (("train", "{tmp}/new", "--head", "tanh"), "head is 'tanh', expected symexp"),
        (("train", "{tmp}/new", "--hidden", "a,b"), "--hidden is 'a,b'"),
        (("train", "{tmp}/new", "--version", "one"), "not a semantic version"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(monkeypatch, capfd, tmp_path, arguments, words):
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    assert run(monkeypatch, *filled) == 1
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert words in printed.err
    assert list(tmp_path.iterdir()) == []

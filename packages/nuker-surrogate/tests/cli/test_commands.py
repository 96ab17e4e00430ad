import json
import shutil
import sys

import pytest
from nuker_surrogate import cli, load_surrogate
from nuker_surrogate.artifacts.versions import shipped_versions
from typer.testing import CliRunner

runner = CliRunner()


def run(monkeypatch, *arguments):
    """Run the installed command's entry point; return its exit status."""
    monkeypatch.setattr(sys, "argv", ["nuker-surrogate", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code or 0


@pytest.mark.parametrize("command", ["train", "evaluate", "publish", "list", "show"])
def test_help_has_an_example(command):
    out = runner.invoke(cli.app, [command, "--help"]).output
    assert f"Example: nuker-surrogate {command}" in " ".join(out.split())


def test_train_list_show_evaluate(monkeypatch, capfd, tmp_path):
    small = ("--head", "corrected", "--linear-examples", "200", "--hidden", "8", "--examples", "400")
    small = (*small, "--label-steps", "50", "--loss-steps", "50", "--points", "4")
    out = tmp_path / "mine"
    assert run(monkeypatch, "train", str(out), "--version", "0.2.0", *small, "--json") == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out)["version"] == "0.2.0"
    assert "errors 50/50 loss" in printed.err  # plain lines where there is no terminal
    assert "measuring 5/5" in printed.err

    assert run(monkeypatch, "show", str(out)) == 0
    assert "surrogate 0.2.0: corrected head" in capfd.readouterr().out

    assert run(monkeypatch, "evaluate", str(out), "--points", "3", "--faces", "2", "--json") == 0
    table = json.loads(capfd.readouterr().out)
    assert list(table) == ["ridge", "surrogate 0.2.0 (corrected)", "least squares"]
    for rows in table.values():
        assert [row["points"] for row in rows] == ["box"] * 5 + ["faces"] * 5

    assert run(monkeypatch, "list", "--json") == 0
    assert load_surrogate().version in json.loads(capfd.readouterr().out)


@pytest.mark.slow
def test_an_ensemble_is_trained_and_published(monkeypatch, capfd, tmp_path):
    out, url = tmp_path / "mine", str(tmp_path / "registry")
    small = ("--linear-examples", "200", "--points", "4", "--choose-on", "3", "--seed", "0", "--seed", "1")
    arguments = ("train", str(out), "--version", "97.0.0", "--registry", url, *small)
    assert run(monkeypatch, *arguments) == 0
    printed = capfd.readouterr()
    assert f"written to {out}, published in {url}" in printed.out
    assert printed.out.index("members of the ensemble") < printed.out.index("worst relative error over 10 pc")
    assert "members 2/2 linear-seed" in printed.err
    assert not (tmp_path / "mine.training").exists()

    arguments = ("train", str(tmp_path / "again"), *arguments[2:])
    assert run(monkeypatch, *arguments) == 1
    assert f"surrogate 97.0.0: exists already in {url}: choose a higher --version" in capfd.readouterr().err
    assert run(monkeypatch, "train", str(tmp_path / "wide"), "--hidden", "64,x") == 1
    assert "--hidden is '64,x', expected widths such as 128,128" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("stopped_at", ["nuker_surrogate.artifacts.publish.publish", "shutil.rmtree"])
def test_stopped_after_its_artifact_was_written_a_training_ends_by_the_same_command(
    monkeypatch, capfd, tmp_path, stopped_at
):
    out, url, folder = tmp_path / "mine", tmp_path / "registry", tmp_path / "mine.training"
    arguments = ["train", str(out), "--version", "97.0.0", "--registry", str(url), "--linear-examples", "200"]
    arguments += ["--points", "4"]

    rmtree = shutil.rmtree

    def stopped(*arguments, **options):
        # Zarr removes folders too, in a thread that an interrupt would end for good.
        if stopped_at == "shutil.rmtree" and arguments[0] != folder:
            return rmtree(*arguments, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stopped_at, stopped)
        assert run(monkeypatch, *arguments) == 130
    before = (out / "manifest.json").read_bytes()
    assert folder.exists()

    assert run(monkeypatch, *arguments[:-1], "5") == 1  # measured otherwise, it is another artifact
    assert f"error: {out}: exists already; choose another name" in capfd.readouterr().err

    assert run(monkeypatch, *arguments) == 0
    assert f"written to {out}, published in {url}" in capfd.readouterr().out
    assert (out / "manifest.json").read_bytes() == (url / "97.0.0" / "manifest.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "registry"]
    assert run(monkeypatch, *arguments) == 1


def test_publish_list_show(monkeypatch, capfd, tmp_path, write_artifact):
    url = str(tmp_path / "registry")
    for version in ("98.0.0", "99.0.0"):
        write_artifact(tmp_path / version, version)
    assert run(monkeypatch, "publish", str(tmp_path / "99.0.0"), "--registry", url) == 0
    assert capfd.readouterr().out == f"published 99.0.0 in {url}\n"
    monkeypatch.setenv("STEELYARD_SURROGATES", url)
    assert run(monkeypatch, "publish", str(tmp_path / "98.0.0"), "--json") == 0
    assert json.loads(capfd.readouterr().out) == {"version": "98.0.0", "registry": url}
    assert run(monkeypatch, "publish", str(tmp_path / "98.0.0")) == 1
    assert "98.0.0: exists already" in capfd.readouterr().err

    newest = shipped_versions()[-1]
    assert run(monkeypatch, "list", "--json") == 0
    assert json.loads(capfd.readouterr().out)[-3:] == [newest, "98.0.0", "99.0.0"]
    assert run(monkeypatch, "list") == 0
    lines = [line.split(maxsplit=1) for line in capfd.readouterr().out.splitlines()]
    assert lines[-3:] == [[newest, "shipped"], ["98.0.0", f"published in {url}"], ["99.0.0", f"published in {url}"]]

    assert run(monkeypatch, "show", "98.0.0") == 0
    assert "surrogate 98.0.0: linear head" in capfd.readouterr().out
    assert run(monkeypatch, "show", "--json") == 0
    # The environment changes no default.
    assert json.loads(capfd.readouterr().out)["version"] == load_surrogate().version
    monkeypatch.delenv("STEELYARD_SURROGATES")
    assert run(monkeypatch, "show", "--registry", url, "--json") == 0
    assert json.loads(capfd.readouterr().out)["version"] == "99.0.0"
    assert run(monkeypatch, "list") == 0
    assert "published" not in capfd.readouterr().out


def test_the_table_names_every_route_and_the_maps_are_drawn(monkeypatch, capfd, tmp_path, write_artifact):
    other = str(write_artifact(tmp_path / "other", "0.9.0"))
    maps = tmp_path / "maps.png"
    assert run(monkeypatch, "evaluate", "--beside", other, "--points", "3", "--faces", "0", "--maps", str(maps)) == 0
    assert maps.read_bytes().startswith(b"\x89PNG")
    out = capfd.readouterr().out
    assert "ridge" in out
    assert "least squares" in out
    assert "circular velocity" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "99.0.0"), "99.0.0: is not shipped"),
        (("publish", "{tmp}/none"), "none is named: give its path or URL"),
        (("publish", "{tmp}/none", "--registry", "{tmp}/registry"), "is not a surrogate artifact"),
        (("list", "--registry", "notaprotocol://x"), "Protocol not known"),
        (("show", "{tmp}"), "is not a surrogate artifact"),
        (("ablations", "/dev/null/x", "--points", "1"), "Not a directory"),
        (("evaluate", "--points", "0", "--faces", "0"), "nothing to measure"),
        (("evaluate", "--from-pc", "30", "--to-pc", "10"), "radii from 30 to 10 pc"),
        (("evaluate", "1.1.0", "--beside", "1.1.0"), "two surrogates of one version and head"),
        (("evaluate", "1.1.0", "--beside", "2.0.0"), "has other Gaussians"),
        (("train", "{tmp}/.."), "exists already"),
        (("train", "{tmp}/new", "--head", "tanh"), "head is 'tanh', expected linear"),
        (("train", "{tmp}/new", "--hidden", "a,b"), "--hidden is 'a,b'"),
        (("train", "{tmp}/new", "--version", "one"), "not a semantic version"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(monkeypatch, capfd, tmp_path, arguments, words):
    filled = [argument.format(tmp=tmp_path) for argument in arguments]
    assert run(monkeypatch, *filled) == 1
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    assert words in printed.err
    assert list(tmp_path.iterdir()) == []

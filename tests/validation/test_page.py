"""Results between the markers of a page: what is replaced, what is kept, what is refused before a run."""

import pytest
from steelyard_schemas import ContractError

from benchmarks.peer_process import module_command, run_module
from validation import ROOT
from validation.page import END, START, ResultPage, around_result, table, write_result
from validation.records import RECORDS, read_lines, write_lines

OWN = f"# Title\n\nOwn text.\n\n{START}\n{{}}\n{END}\n\nOwn end.\n"


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(OWN.format("old result"))
    return ResultPage(path, "validation.thing", "--folder FOLDER", ("kinms==3.0.14",))


def test_the_result_is_replaced_and_the_rest_kept(page):
    page.write("new\n")
    stamp = "Written by `uv run --with kinms==3.0.14 python -m validation.thing --folder FOLDER --write`."
    assert page.path.read_text() == OWN.format(f"{stamp}\n\nnew")
    page.write("newer")
    assert page.path.read_text() == OWN.format(f"{stamp}\n\nnewer")


@pytest.mark.parametrize("text", ["", "no markers", START, END, f"{END}\n{START}", f"{START}\n{START}\n{END}"])
def test_a_page_without_its_pair_of_markers_is_refused_before_the_run(page, text, capsys):
    page.path.write_text(text)
    with pytest.raises(ContractError, match="needs one line <!-- result -->"):
        write_result(page.path, "new")
    assert page.path.read_text() == text
    with pytest.raises(SystemExit):
        page.parser(None).parse_args(["--write"])
    assert "error: " in capsys.readouterr().err
    assert not page.parser(None).parse_args([]).write


def test_a_table_aligns_columns_by_letter():
    assert table(("a", "b"), [("1", "2")]) == ["| a | b |", "|---|---|", "| 1 | 2 |", ""]
    assert table(("a", "b"), [], "lr")[1] == "|---|---:|"


def test_every_page_with_a_stamp_has_markers_and_names_a_module_that_exists():
    stamped = [path for path in (ROOT / "docs").glob("*.md") if "Written by `uv run" in path.read_text()]
    assert len(stamped) >= 12
    for path in stamped:
        around_result(path)
        stamp = path.read_text().split("Written by `")[1].split("`")[0]
        place = ROOT / stamp.split("python -m ")[1].split()[0].replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").is_file(), path


def test_records_come_back_as_they_were_kept(tmp_path):
    write_lines(tmp_path / "some.jsonl", [{"a": [1, None]}, {"b": 0.1}])
    assert (tmp_path / "some.jsonl").read_text() == '{"a":[1,null]}\n{"b":0.1}\n'
    assert read_lines(tmp_path / "some.jsonl") == [{"a": [1, None]}, {"b": 0.1}]
    assert read_lines(tmp_path / "none.jsonl") == []
    assert len(read_lines(RECORDS / "survey_recovery.jsonl")) == 3


def test_modules_run_from_any_folder_and_in_interpreters_that_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_module("benchmarks.peer_process").returncode == 0
    with pytest.raises(SystemExit, match="no such interpreter"):
        module_command("validation", interpreter="nowhere/bin/python")

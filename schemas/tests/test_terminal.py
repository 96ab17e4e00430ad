"""One line for whatever goes wrong, plain text for whatever comes from outside, and memory that is not there."""

import subprocess
import sys

import pytest
from steelyard_schemas import (
    ContractError,
    error_line,
    machine_memory,
    memory,
    one_line_errors,
    plain,
    require_memory,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("NGC 4697", "NGC 4697"),
        ("Sgr A\u2605, \u9280\u6cb3, caf\u00e9", "Sgr A\u2605, \u9280\u6cb3, caf\u00e9"),
        ("a\x1b[2J\x07\x00b", r"a\x1b[2J\x07\x00b"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),  # C1: the one-byte form of ESC [
        ("line\nnext\ttab", r"line\nnext\ttab"),
        ("\u202egnp", r"\u202egnp"),  # turns the direction of writing
        ("\udcff.ms", r"\udcff.ms"),  # a file name that is no UTF-8
    ],
)
def test_plain_shows_what_would_command_a_terminal(text, shown):
    assert plain(text) == shown


def failing(error):
    try:
        raise error
    except type(error) as caught:
        return error_line(caught)


def test_a_line_for_every_error():
    assert failing(ContractError("x.ms", "is\n broken\x1b[1m")) == r"x.ms: is broken\x1b[1m"
    assert failing(ValueError()) == "ValueError"
    assert failing(MemoryError("80 GiB")).startswith("out of memory (80 GiB)")
    assert failing(ZeroDivisionError("by zero")).startswith("ZeroDivisionError: by zero at test_terminal.py:")
    assert "STEELYARD_TRACEBACK=1" in failing(RecursionError("deep"))


def test_the_guard_ends_with_one_line_and_lets_the_command_lines_own_ends_pass(capsys, monkeypatch):
    monkeypatch.delenv("STEELYARD_TRACEBACK", raising=False)
    for error, code, told in (
        (OverflowError("too big"), 1, "error: OverflowError: too big at "),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 1, ""),
    ):
        with pytest.raises(SystemExit) as end, one_line_errors():
            raise error
        printed = capsys.readouterr()
        assert (end.value.code, printed.out) == (code, "")
        assert printed.err.startswith(told)
        assert printed.err.count("\n") == bool(told)

    class Exit(RuntimeError):  # noqa: N818
        exit_code = 2

    with pytest.raises(Exit), one_line_errors():
        raise Exit
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("STEELYARD_TRACEBACK", "1")
    with pytest.raises(SystemExit), one_line_errors():
        raise OverflowError("too big")
    assert "Traceback (most recent call last)" in capsys.readouterr().err


FULL = "from steelyard_schemas import one_line_errors\nwith one_line_errors(): print('x' * 9)"


@pytest.mark.skipif(sys.platform != "linux", reason="has no /dev/full")
def test_output_that_cannot_be_written_is_an_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", FULL], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: no space left to write ([Errno 28] No space left on device): free some")


def test_a_reader_that_went_away_ends_the_command_in_silence():
    with subprocess.Popen([sys.executable, "-c", FULL], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as command:
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 1


def test_memory_is_that_of_the_machine_or_of_its_container(tmp_path, monkeypatch):
    assert machine_memory() > 2**27
    (tmp_path / "memory.max").write_text("1000000\n")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    assert machine_memory() == 1_000_000
    require_memory("grid", "a grid", 999_999, "less")
    with pytest.raises(ContractError, match=r"^grid: a grid needs 4 GiB of memory, this machine has .* GiB: less$"):
        require_memory("grid", "a grid", 4 * 2**30, "less")
    (tmp_path / "memory.max").write_text("max\n")
    assert machine_memory() > 2**27

"""SIGTERM and SIGHUP: one line, 128 + n, and never in the way of who handles or ignores them."""

import os
import signal
import threading
import time
from contextlib import suppress

import pytest
import steelyard_schemas.stopping
from steelyard_schemas import atomic_path, one_line_errors
from steelyard_schemas.stopping import Stopped, orderly_stop

SIGNALS = [signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def _safe(monkeypatch):
    """Let no signal end the tests, whatever is wrong."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number):
    assert signal.getsignal(number) is not signal.SIG_DFL, "it would end this process"
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_write_that_is_stopped_leaves_what_was_there(number, tmp_path, capsys):
    target = tmp_path / "record.json"
    target.write_text("before")

    def write():
        with one_line_errors(), orderly_stop(), one_line_errors(), atomic_path(target, overwrite=True) as temporary:
            temporary.write_text("half")
            send(number)

    with pytest.raises(SystemExit) as ended:
        write()
    assert ended.value.code == 128 + number
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: stopped by {signal.Signals(number).name}: ")
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]
    assert signal.getsignal(number) is signal.SIG_DFL


def test_what_is_finished_is_kept_and_a_fault_on_the_way_does_not_hide_the_signal(capsys):
    kept = []

    def keep():
        with orderly_stop():
            try:
                send(signal.SIGTERM)
            except KeyboardInterrupt as error:
                kept.append(error.number)
                send(signal.SIGTERM)  # the same wish
                raise OSError("the terminal is gone") from error

    with pytest.raises(SystemExit) as ended:
        keep()
    assert (kept, ended.value.code) == ([signal.SIGTERM], 143)


def test_who_insists_is_heard_again(monkeypatch):
    monkeypatch.setattr(steelyard_schemas.stopping, "REPEATED_S", 0.0)

    def insist():
        with orderly_stop():
            for number in (signal.SIGHUP, signal.SIGTERM):
                with pytest.raises(Stopped):
                    send(number)
            raise KeyboardInterrupt

    with pytest.raises(SystemExit, match="129"):
        insist()


def test_who_ignores_or_handles_a_signal_goes_on(capsys):
    taken = []
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    signal.signal(signal.SIGTERM, lambda number, _: taken.append(number))
    with orderly_stop():
        send(signal.SIGHUP)
        send(signal.SIGTERM)
    assert taken == [signal.SIGTERM]
    thread = threading.Thread(target=lambda: orderly_stop().__enter__())
    thread.start()
    thread.join()
    assert capsys.readouterr().err == ""


def test_a_folder_that_a_thread_still_fills_does_not_hide_the_signal(tmp_path, capsys):
    stop = threading.Event()

    def fill(folder):
        while not stop.is_set():
            with suppress(FileNotFoundError):  # removed between the two
                folder.mkdir(exist_ok=True)
                (folder / f"{time.monotonic_ns()}").write_text("")

    threads = []

    def write():
        with orderly_stop(), atomic_path(tmp_path / "a", overwrite=False) as new:
            threads.append(threading.Thread(target=fill, args=(new,)))
            threads[0].start()
            threading.Timer(0.05, stop.set).start()
            send(signal.SIGTERM)

    with pytest.raises(SystemExit, match="143"):
        write()
    threads[0].join()
    assert not (tmp_path / "a").exists()
    with atomic_path(tmp_path / "a", overwrite=False) as new:
        new.mkdir()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]  # swept

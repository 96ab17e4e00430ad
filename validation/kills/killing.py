"""Commands that are killed at given moments and started again until they end by themselves."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

from steelyard_schemas import ContractError, read_json

from validation.kills.states import TEMPORARY, State, leftovers, names

MARK = "STEELYARD_KILLED_RUN"
"""Environment variable by which the processes of a run are found."""
ENDS_WITHIN_S = 300.0
"""Time that a command has to end after a signal that it may handle."""
HEEDED_WITHIN_S = 30.0
"""Time after a signal in which a command that was ending already may end as if there had been none."""
GONE_WITHIN_S = 60.0
"""Time after which no process of a run that has ended may run."""


class Subject(NamedTuple):
    """A command that is killed, and what is compared at its end."""

    name: str
    arguments: tuple[str, ...]
    """Arguments of `steelyard`; `{out}` stands for its output."""
    state: Callable[[Path], State]
    status_files: str = ""
    """Pattern, beside `out`, of the files that name the workers."""


class Kill(NamedTuple):
    """A signal and when it is sent."""

    signal: str
    fraction: float
    """Delay after the command's start or the last kill of a worker, as a fraction of the undisturbed run's time."""
    target: Literal["command", "worker"] = "command"
    at_write: bool = False
    """Wait from then on until something is being written."""
    once: str = ""
    """Pattern, beside `out`: the time counts from when there is such a file."""


class Landed(NamedTuple):
    """A kill that met its process, and the temporary names that lay there then."""

    kill: Kill
    after_s: float
    half_written: tuple[str, ...]


class Ended(NamedTuple):
    """How a run ended."""

    landed: tuple[Landed, ...]
    code: int
    state: State
    seconds: float
    """Duration [s] of the last start of the command."""
    problems: tuple[str, ...]


def run_to_the_end(
    subject: Subject, place: Path, kills: Sequence[Kill], undisturbed_s: float, environment: Mapping[str, str]
) -> Ended:
    """Start a command in an empty folder, kill it, start it again, until it has ended by itself.

    Args:
        subject: the command.
        place: folder of this run; must not exist.
        kills: in this order. Those that come too late, because the command has ended, are not made.
        undisturbed_s: time that the command takes.
        environment: variables of the command, besides those of this process.

    """
    run = _Run(subject, place, {**os.environ, **environment, MARK: secrets.token_hex(8)})
    landed: list[Landed] = []
    waiting, problems = list(kills), []
    while True:
        began = time.monotonic()
        process = run.start()
        struck = False
        while waiting and not struck:
            hit = run.strike(process, waiting[0], waiting[0].fraction * undisturbed_s)
            if hit is None:
                break
            landed.append(hit)
            struck = waiting.pop(0).target == "command"
        signalled = time.monotonic()
        code, late = _ended(process, ENDS_WITHIN_S if struck else None)
        if late or (struck and code in (0, 2) and time.monotonic() - signalled > HEEDED_WITHIN_S):
            problems.append(f"did not heed {landed[-1].kill.signal}")
        elif struck and code in (0, 2):
            landed.pop()  # it was ending when the signal came
            struck = False
        if not struck:
            break
    seconds = time.monotonic() - began
    problems += run.orphans()
    state, more = run.state()
    return Ended(tuple(landed), code, state, seconds, (*problems, *more))


class _Run:
    """The processes and folders of one run."""

    def __init__(self, subject: Subject, place: Path, environment: Mapping[str, str]) -> None:
        self._subject, self._environment = subject, environment
        self._here, self._logs = place / "here", place / "log"
        self._out = self._here / "out"
        self._here.mkdir(parents=True)
        self._logs.mkdir()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the command, the same at every time."""
        arguments = [argument.format(out=self._out) for argument in self._subject.arguments]
        log = self._logs / f"{len(list(self._logs.iterdir())):02}.txt"
        with log.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "steelyard", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def strike(self, process: subprocess.Popen[bytes], kill: Kill, after_s: float) -> Landed | None:
        """Wait for the moment of a kill and send its signal; None if the command ends before."""
        began = time.monotonic()
        while kill.once and not any(self._here.glob(kill.once)):
            if process.poll() is not None:
                return None
            time.sleep(0.001)
        counted = time.monotonic()
        while time.monotonic() - counted < after_s:
            if process.poll() is not None:
                return None
            time.sleep(0.01)
        while True:
            if process.poll() is not None:
                return None
            half = tuple(self._half_written())
            target = process.pid if kill.target == "command" else next(self._workers(), None)
            if target is not None and (half or not kill.at_write):
                with suppress(ProcessLookupError):
                    os.kill(target, signal.Signals[f"SIG{kill.signal}"])
                    return Landed(kill, time.monotonic() - began, half)
            time.sleep(0.0005)

    def state(self) -> tuple[State, list[str]]:
        """Return the end state, and what is wrong with it."""
        problems = [f"left over: {name}" for name in leftovers(self._here)]
        try:
            return names(self._here) | self._subject.state(self._out), problems
        except ContractError as error:
            last = sorted(self._logs.iterdir())[-1].read_text(errors="replace").splitlines()[-3:]
            return {}, [*problems, str(error), *last]

    def orphans(self) -> list[str]:
        """Name the processes of this run that do not end, and end them."""
        end = time.monotonic() + GONE_WITHIN_S
        while (found := list(self._processes())) and time.monotonic() < end:
            time.sleep(0.2)
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return [f"{len(found)} processes run on"] if found else []

    def _half_written(self) -> Iterator[str]:
        folders = [self._here]
        while folders:
            with suppress(OSError):
                for entry in os.scandir(folders.pop()):
                    if TEMPORARY.fullmatch(entry.name):
                        yield entry.name
                    elif entry.is_dir() and not entry.name.endswith(".zarr"):
                        folders.append(Path(entry.path))

    def _workers(self) -> Iterator[int]:
        for path in self._here.glob(self._subject.status_files):
            with suppress(OSError, ContractError, KeyError, ValueError):
                pid = int(read_json(path)["worker"].rpartition(":")[2])
                if self._is_mine(pid):
                    yield pid

    def _processes(self) -> Iterator[int]:
        return (int(path.name) for path in Path("/proc").glob("[0-9]*") if self._is_mine(int(path.name)))

    def _is_mine(self, pid: int) -> bool:
        mark = f"{MARK}={self._environment[MARK]}".encode()
        with suppress(OSError):
            return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        return False


def _ended(process: subprocess.Popen[bytes], within_s: float | None) -> tuple[int, bool]:
    """Return the exit code, and whether the command had to be ended."""
    try:
        return process.wait(within_s), False
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(), True


def differences(calm: State, found: State) -> list[str]:
    """Name the parts in which an end state differs from that of an undisturbed run."""
    return sorted(part for part in calm.keys() | found.keys() if calm.get(part) != found.get(part))

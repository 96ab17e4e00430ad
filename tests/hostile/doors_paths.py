"""Paths that are no files: pipes, devices, folders, loops, nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from .case import GRID, Build, Case, take

PATHS: dict[str, Callable[[Path], str]] = {
    "a pipe": lambda folder: _pipe(folder / "hostile.toml"),
    "/dev/zero": lambda folder: "/dev/zero",
    "a link to /dev/zero": lambda folder: _link(folder / "hostile.toml", "/dev/zero"),
    "a folder": lambda folder: _folder(folder / "hostile.toml"),
    "nothing": lambda folder: "absent.toml",
    "a link to itself": lambda folder: _link(folder / "hostile.toml", "hostile.toml"),
    "below a file": lambda folder: _below(folder / "hostile.toml"),
    "memory of the process": lambda folder: "/proc/self/mem",
    "a name of control characters": lambda folder: "absent\x1b[2J\n.toml",
    "a name of 5000 characters": lambda folder: "x" * 5000,
}
COMMANDS = {
    "info": ["vis-gridder", "info", "PATH"],
    "grid": ["vis-gridder", "grid", "PATH", *GRID],
    "convert": ["vis-gridder", "convert", "PATH", "--out", "out.zarr"],
    "validate": ["steelyard", "validate", "PATH"],
    "fit": ["steelyard", "fit", "PATH", "--out", "out"],
    "simulate": ["steelyard", "simulate", "PATH", "--antennas", "antennas.cfg", "--noise-jy", "1", "-o", "out.zarr"],
    "like": ["steelyard", "simulate", "toy.toml", "--like", "PATH", "--noise-jy", "1", "-o", "out.zarr"],
    "antennas": ["steelyard", "simulate", "toy.toml", "--antennas", "PATH", "--noise-jy", "1", "-o", "out.zarr"],
    "report": ["steelyard", "report", "PATH"],
    "compare": ["steelyard", "compare", "PATH", "PATH"],
    "survey run": ["steelyard", "survey", "run", "PATH", "--out", "out"],
    "defaults": ["steelyard", "survey", "run", "sample.csv", "--defaults", "PATH", "--out", "out"],
    "survey status": ["steelyard", "survey", "status", "PATH"],
    "survey report": ["steelyard", "survey", "report", "PATH"],
    "resume": ["steelyard", "survey", "resume", "PATH"],
    "publish": ["nuker-surrogate", "publish", "PATH", "--registry", "registry"],
    "show": ["nuker-surrogate", "show", "PATH"],
}
OFTEN = ("a pipe", "/dev/zero", "a folder", "nothing")
"""Given to every command; the others to a few."""
FEW = ("info", "validate", "antennas", "survey run", "resume", "show")
DATA = ("a pipe", "/dev/zero", "a folder", "nothing", "a link to itself", "memory of the process")


def cases() -> Iterator[Case]:
    """Yield the cases of this door."""
    for command, argv in COMMANDS.items():
        for name, make in PATHS.items():
            if name in OFTEN or command in FEW:
                yield Case("paths", f"{command}: {name}", _at(argv, make))
    for name in DATA:
        yield Case("paths", f"data of a galaxy: {name}", _data(PATHS[name]))


def _at(argv: list[str], make: Callable[[Path], str]) -> Build:
    def build(folder: Path, valid: Path) -> list[str]:
        for file in ("toy.toml", "antennas.cfg", "sample.csv"):
            take(folder, valid, file)
        path = make(folder)
        return [path if word == "PATH" else word for word in argv]

    return build


def _data(make: Callable[[Path], str]) -> Build:
    def build(folder: Path, valid: Path) -> list[str]:
        text = take(folder, valid, "toy.toml").read_text()
        (folder / "toy.toml").write_text(text.replace("toy.zarr", make(folder)))
        return ["steelyard", "fit", "toy.toml", "--out", "out"]

    return build


def _pipe(path: Path) -> str:
    os.mkfifo(path)
    return path.name


def _link(path: Path, target: str) -> str:
    path.symlink_to(target)
    return path.name


def _folder(path: Path) -> str:
    path.mkdir()
    return path.name


def _below(path: Path) -> str:
    path.write_text("")
    return f"{path.name}/child"

"""Random damage to valid files: bytes flipped, overwritten, cut off, doubled or taken out, from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .case import GRID, take

__all__ = ["KINDS", "mutate"]

EDGES = (0, 1, 0x7F, 0x80, 0xFF)


class Kind(NamedTuple):
    """A valid file or folder, and the commands that read it; PATH stands for its name."""

    name: str
    commands: tuple[tuple[str, ...], ...]


INFO, READ = ("vis-gridder", "info", "PATH"), ("vis-gridder", "grid", "PATH", *GRID)
VALIDATE = ("steelyard", "validate", "PATH")
PUBLISH = ("nuker-surrogate", "publish", "PATH", "--registry", "registry")
KINDS = (
    Kind("toy.toml", (VALIDATE,)),
    Kind("target.ms", (INFO, READ)),
    Kind("target.uvfits", (INFO, READ)),
    Kind("target.npz", (INFO, READ)),
    Kind("target.txt", (INFO, READ)),
    Kind("target.txt.gz", (INFO, READ)),
    Kind("image.fits", (INFO, VALIDATE, ("vis-gridder", "grid", "PATH", "--out", "out.zarr"))),
    Kind("visibilities.zarr", (VALIDATE, INFO, READ)),
    Kind("gridded_visibilities.zarr", (VALIDATE,)),
    Kind("posterior.zarr", (VALIDATE,)),
    Kind("job_record.json", (VALIDATE,)),
    Kind("survey_job.json", (VALIDATE,)),
    Kind("training_job.json", (VALIDATE,)),
    Kind("surrogate", (VALIDATE, ("nuker-surrogate", "show", "./PATH"), PUBLISH)),
    Kind("survey", (("steelyard", "survey", "status", "PATH"),)),
)


def mutate(seed: int, folder: Path, valid: Path) -> list[str]:
    """Copy a valid file, damage it, and return a command line that reads it; all of it follows from the seed."""
    dice = random.Random(seed)  # noqa: S311
    kind = KINDS[seed % len(KINDS)]
    path = take(folder, valid, kind.name)
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        file = dice.choice(files)
        file.write_bytes(_changed(dice, file.read_bytes()))
    return [word.replace("PATH", kind.name) for word in dice.choice(kind.commands)]


def _changed(dice: random.Random, content: bytes) -> bytes:
    how = dice.choice((_flip, _overwrite, _cut, _double, _take_out, _header))
    return how(dice, content) if content else dice.randbytes(16)


def _place(dice: random.Random, content: bytes, longest: int = 64) -> tuple[int, int]:
    start = dice.randrange(len(content))
    return start, min(len(content), start + dice.randint(1, longest))


def _flip(dice: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 8))):
        changed[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _overwrite(dice: random.Random, content: bytes) -> bytes:
    start, end = _place(dice, content, 8)
    byte: Callable[[], int] = (lambda: dice.choice(EDGES)) if dice.random() < 0.5 else (lambda: dice.randrange(256))
    return content[:start] + bytes(byte() for _ in range(start, end)) + content[end:]


def _header(dice: random.Random, content: bytes) -> bytes:
    """Damage what comes first, where formats say what follows."""
    start = dice.randrange(min(len(content), 512))
    return content[:start] + bytes([dice.randrange(256)]) + content[start + 1 :]


def _cut(dice: random.Random, content: bytes) -> bytes:
    return content[: dice.randrange(len(content))]


def _double(dice: random.Random, content: bytes) -> bytes:
    start, end = _place(dice, content)
    return content[:end] + content[start:end] * dice.choice((1, 1, 3, 100)) + content[end:]


def _take_out(dice: random.Random, content: bytes) -> bytes:
    start, end = _place(dice, content)
    return content[:start] + content[end:]

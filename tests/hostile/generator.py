"""The catalogue of hostile inputs: each builds its files in an empty folder and returns a command line to refuse."""

from __future__ import annotations

from collections.abc import Iterator

from . import doors_data, doors_galaxy, doors_options, doors_paths, doors_stores, doors_surrogate, doors_survey
from .case import Case

__all__ = ["Case", "catalogue"]


def catalogue() -> tuple[Case, ...]:
    """Return every case, each under a name of its own."""
    return tuple(_cases())


def _cases() -> Iterator[Case]:
    for door in (
        doors_galaxy,
        doors_data,
        doors_stores,
        doors_surrogate,
        doors_survey,
        doors_options,
        doors_paths,
    ):
        yield from door.cases()

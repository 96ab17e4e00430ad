"""Stepwise migration of old document versions; newer versions are rejected."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Step", "brought_to_date"]

Step = Callable[[dict[str, Any]], dict[str, Any]]
"""Pure function that migrates a document (plain data) to the next version."""


def brought_to_date(kind: str, data: dict[str, Any], steps: Mapping[str, Step], current: str) -> dict[str, Any]:
    """Migrate a document to the version `current`.

    Args:
        kind: kind of the document, for error messages.
        data: document as plain data, with its `schema_version`.
        steps: migrations to the next version, by version.
        current: version that this installation writes.

    Raises:
        ValueError: the version is newer than `current`, or unknown.

    """
    version = data.get("schema_version")
    while isinstance(version, str) and version in steps:
        data = steps[version](data)
        version = data["schema_version"]
    if version == current:
        return data
    found = f"{kind} schema_version {reprlib.repr(version)}"
    if isinstance(version, str) and _as_tuple(version) > _as_tuple(current):
        raise ValueError(
            f"{found} is newer than this installation reads ({current}): update steelyard-schemas to a release "
            f"that supports {kind} {version}"
        )
    raise ValueError(f"{found} is unknown; this installation reads {current}")


def _as_tuple(version: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError:
        return ()

"""Stamps: whether a data set is still the one that was gridded or planned with."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from steelyard_schemas import Galaxy, is_store, read_manifest

__all__ = ["data_stamp", "source_stamp"]


def data_stamp(path: Path) -> str:
    """Identify a data set without reading it: a store by its hash, others by names, sizes and times of their files.

    A survey plans a hundred thousand of these. Touching a Measurement Set makes it another one, which costs a new
    fit; writing other data into it unnoticed would take restoring its times on purpose.
    """
    if not path.exists():
        return "missing"
    if is_store(path) and (found := read_manifest(path).get("content_hash")):
        return str(found)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    facts = [(p.relative_to(path).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return "files:" + hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def source_stamp(path: Path, galaxy: Galaxy) -> str:
    """Identify what gridded data are made of: the data set, its place, the line and the grid of the galaxy file."""
    wanted = [galaxy.data.model_dump(mode="json"), galaxy.line.rest_frequency_hz, str(path.resolve())]
    return hashlib.sha256(json.dumps([*wanted, data_stamp(path)]).encode()).hexdigest()

"""Check any file or store of ours against its contract."""

from __future__ import annotations

import hashlib
from pathlib import Path

from steelyard_schemas.contract import Contract, StoreContract
from steelyard_schemas.errors import ContractError
from steelyard_schemas.files import read_model
from steelyard_schemas.layout import is_store
from steelyard_schemas.names import member_files, safe_member
from steelyard_schemas.reading import open_file
from steelyard_schemas.stream import open_store
from steelyard_schemas.surrogate import SurrogateArtifact

__all__ = ["file_hash", "part_hash", "validate"]

MANIFEST = "manifest.json"


def file_hash(path: str | Path) -> str:
    """Return 'sha256:...' of a file's bytes."""
    with open_file(path) as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def part_hash(path: str | Path) -> str:
    """Return `file_hash` of a file; of a folder, one hash over the names and contents of all files in it.

    Raises:
        ContractError: it cannot be read, or there is more in the folder than files and folders.

    """
    path = Path(path)
    if path.is_file():
        return file_hash(path)
    digest = hashlib.sha256()
    for name in member_files(path):
        digest.update(f"{name} {file_hash(path / name)}\n".encode())
    return "sha256:" + digest.hexdigest()


def validate(path: str | Path) -> Contract:
    """Read the contract at `path` (a store, an artifact folder, .toml or .json) and check all of it.

    Raises:
        ContractError: with every problem found.

    """
    path = Path(path)
    if not path.exists():
        raise ContractError(path, "no such file or folder")
    if is_store(path):
        reader = open_store(path, StoreContract)
        for _ in reader.blocks():
            pass  # the hash is checked when all rows have been read
        return reader.manifest
    if (path / MANIFEST).is_file():
        artifact = read_model(safe_member(path, MANIFEST), SurrogateArtifact)
        if problems := _file_problems(path, artifact):
            raise ContractError(path, problems)
        return artifact
    if path.is_dir():
        raise ContractError(path, "is neither a Zarr store (zarr.json) nor an artifact (manifest.json)")
    return read_model(path, Contract)


def _file_problems(folder: Path, artifact: SurrogateArtifact) -> list[str]:
    problems = []
    for name, expected in artifact.files.items():
        part = safe_member(folder, name)
        if not part.exists():
            problems.append(f"{name} is missing")
        elif (found := part_hash(part)) != expected:
            problems.append(
                f"{name} has hash {found[:18]}..., expected {expected[:18]}...: it was altered or damaged"
            )
    return problems

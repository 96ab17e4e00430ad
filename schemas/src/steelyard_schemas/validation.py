"""Validation of any Steelyard file or store against its contract."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from steelyard_schemas.contract import Contract, StoreContract
from steelyard_schemas.errors import ContractError
from steelyard_schemas.files import read_model
from steelyard_schemas.layout import is_store, open_arrays
from steelyard_schemas.names import member_files, safe_member
from steelyard_schemas.reading import open_file
from steelyard_schemas.stream import open_store
from steelyard_schemas.surrogate import VALIDATION, WEIGHTS, SurrogateArtifact
from steelyard_schemas.weights import read_weights

__all__ = ["MANIFEST", "file_hash", "part_hash", "part_problems", "validate"]

MANIFEST = "manifest.json"


def file_hash(path: str | Path) -> str:
    """Return the hash 'sha256:...' of a file's bytes."""
    with open_file(path) as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def part_hash(path: str | Path) -> str:
    """Return `file_hash` of a file; of a folder, one hash over the names and contents of all files in it.

    Raises:
        ContractError: the path cannot be read, or the folder contains links or devices.

    """
    path = Path(path)
    if path.is_file():
        return file_hash(path)
    digest = hashlib.sha256()
    for name in member_files(path):
        digest.update(f"{name} {file_hash(path / name)}\n".encode())
    return "sha256:" + digest.hexdigest()


def validate(path: str | Path) -> Contract:
    """Read and fully check the contract at `path` (a store, an artifact folder, .toml or .json).

    Raises:
        ContractError: the contract is violated; all problems are listed.

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
        if problems := part_problems(path, artifact):
            raise ContractError(path, problems)
        _open_parts(path, artifact)
        return artifact
    if path.is_dir():
        raise ContractError(path, "is neither a Zarr store (zarr.json) nor an artifact (manifest.json)")
    return read_model(path, Contract)


def part_problems(folder: str | Path, artifact: SurrogateArtifact) -> list[str]:
    """Compare the parts of an artifact with the hashes of its manifest; return one sentence per problem."""
    problems = []
    for name, expected in artifact.files.items():
        part = safe_member(folder, name)
        if not part.exists():
            problems.append(f"{name} is missing: copy the artifact again")
        elif (found := part_hash(part)) != expected:
            problems.append(
                f"{name} has hash {found[:18]}..., its manifest says {expected[:18]}...: it was altered or damaged; "
                "copy the artifact again"
            )
    return problems


def _open_parts(folder: Path, artifact: SurrogateArtifact) -> None:
    """Read the parts of an artifact: a correct hash does not prove that the content is valid."""
    read_weights(safe_member(folder, WEIGHTS))
    if VALIDATION not in artifact.files:
        return
    path = safe_member(folder, VALIDATION)
    for name, array in open_arrays(path, artifact.VALIDATION_ARRAYS).items():
        try:
            values = np.asarray(array[...])
        except Exception as error:  # any of the codecs may fail on a damaged chunk
            raise ContractError(path, f"array '{name}' cannot be read ({type(error).__name__}: {error})") from error
        if not np.isfinite(values).all() or (name.endswith("_error") and np.any(values < 0)):
            raise ContractError(path, f"array '{name}' holds numbers that are not finite, or negative errors")

"""Surrogates of a survey: named by version in its jobs, and stored with them unless the package ships them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import NamedTuple

from steelyard_schemas import (
    ContractError,
    SurrogateArtifact,
    atomic_path,
    member_files,
    read_bytes,
    read_model,
    safe_member,
)

__all__ = ["Resolved", "SurrogateShelf", "read_parts", "unpack_parts"]


class Resolved(NamedTuple):
    """Version and hash of a surrogate."""

    name: str
    """Version, or "latest"."""
    hash: str
    """Hash of its weights."""


class SurrogateShelf:
    """Folder with one artifact per version, in the layout of a `STEELYARD_SURROGATES` registry.

    A path is meaningless on another machine, so a job names the version and the artifact is shipped along.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Resolved] = {}

    def resolve(self, which: str) -> Resolved:
        """Return version and hash of a surrogate; artifacts not shipped with the package are copied to the shelf.

        Raises:
            ContractError: the artifact does not exist, or its version exists with different content.

        """
        if which not in self._known:
            self._known[which] = self._resolve(which)
        return self._known[which]

    def _resolve(self, which: str) -> Resolved:
        # Imported here because it loads JAX, which tests and workers without a galaxy do not need.
        from nuker_surrogate.artifacts.files import artifact_files
        from nuker_surrogate.artifacts.open import find_artifact
        from nuker_surrogate.artifacts.versions import shipped_versions
        from steelyard_schemas.validation import MANIFEST

        source = find_artifact(which)
        manifest = read_model(safe_member(source, MANIFEST), SurrogateArtifact)
        digest = manifest.files["weights.msgpack"]
        version = manifest.version
        there = find_artifact(version) if version in shipped_versions() else self.folder / version
        if there.exists() and read_model(there / MANIFEST, SurrogateArtifact).files != manifest.files:
            raise ContractError(
                which,
                f"is version {version}, but {there} holds a different artifact of that version: "
                "release it under a new version",
            )
        if not there.exists():
            with atomic_path(there, overwrite=False) as temporary:
                for name in artifact_files(source, manifest):
                    target = safe_member(temporary, name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source / name, target)
        return Resolved(which if which == "latest" else version, digest)


def read_parts(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files below a folder by relative path."""
    return {name: read_bytes(folder / name, 2**30) for name in member_files(folder)} if folder.is_dir() else {}


def unpack_parts(parts: dict[str, bytes], folder: Path) -> Path:
    """Write the files of `read_parts` below a folder, once for all processes of a node; return the folder.

    Its name is the hash of the content, so that files written by another process can be used as they are.
    """
    digest = hashlib.sha256()
    for name, data in sorted(parts.items()):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    there = folder / digest.hexdigest()
    if there.exists():
        return there
    try:
        with atomic_path(there, overwrite=False) as temporary:
            for name, data in parts.items():
                target = safe_member(temporary, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
    except (OSError, ContractError):
        # Another process may have been first.
        if not there.exists():
            raise
    return there

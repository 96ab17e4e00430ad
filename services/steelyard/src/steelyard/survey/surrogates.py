"""The surrogates of a survey: named by version in its jobs, and kept beside them where the package ships none."""

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
    """What a job says of its surrogate."""

    name: str
    hash: str


class SurrogateShelf:
    """A folder with one artifact per version: a registry as `STEELYARD_SURROGATES` names one.

    A path means nothing on another machine, so a job names the version, and the artifact comes along.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._known: dict[str, Resolved] = {}

    def resolve(self, which: str) -> Resolved:
        """Return version and hash of a surrogate; what is not shipped with the package is copied to the shelf.

        Raises:
            ContractError: there is no such artifact, or one of its version with another content.

        """
        if which not in self._known:
            self._known[which] = self._resolve(which)
        return self._known[which]

    def _resolve(self, which: str) -> Resolved:
        # Not at the top of the file: it loads JAX, which workers that have no galaxy yet, and tests, can do without.
        from nuker_surrogate.artifacts.files import artifact_files
        from nuker_surrogate.artifacts.open import find_artifact
        from nuker_surrogate.artifacts.versions import shipped_versions
        from steelyard_schemas.validate import MANIFEST

        source = find_artifact(which)
        manifest = read_model(safe_member(source, MANIFEST), SurrogateArtifact)
        digest = manifest.files["weights.msgpack"]
        version = manifest.version
        there = find_artifact(version) if version in shipped_versions() else self.folder / version
        if there.exists() and read_model(there / MANIFEST, SurrogateArtifact).files != manifest.files:
            raise ContractError(
                which, f"is version {version}, but {there} holds another artifact of that version: release it anew"
            )
        if not there.exists():
            with atomic_path(there, overwrite=False) as temporary:
                for name in artifact_files(source, manifest):
                    target = safe_member(temporary, name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source / name, target)
        return Resolved(which if which == "latest" else version, digest)


def read_parts(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder by their relative path."""
    return {name: read_bytes(folder / name, 2**30) for name in member_files(folder)} if folder.is_dir() else {}


def unpack_parts(parts: dict[str, bytes], folder: Path) -> Path:
    """Write what `read_parts` returned below a folder, once for all processes of a node; return where.

    The place is named by the content, so that what another process wrote there serves as it is.
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

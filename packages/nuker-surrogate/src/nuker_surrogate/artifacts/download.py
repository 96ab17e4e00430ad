"""Downloading an artifact: its manifest first, then only the files that the manifest lists, within limits.

Registries are not trusted: names of files and their stated sizes may be wrong or hostile.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import fsspec
from steelyard_schemas import ContractError, parse, parse_json, safe_member
from steelyard_schemas.surrogate import SurrogateArtifact
from steelyard_schemas.validation import MANIFEST

MOST_MANIFEST_BYTES = 2**20
MOST_FILE_BYTES = 256 * 2**20
MOST_BYTES = 2**30
MOST_FILES = 10_000
"""Limits of an artifact in a registry, at least two hundred times what the shipped artifacts need."""
_PIECE_BYTES = 2**20


def download(fs: fsspec.AbstractFileSystem, source: str, version: str, folder: Path, where: str) -> None:
    """Copy an artifact into an empty folder; the caller checks the parts against the manifest afterwards.

    Args:
        fs: file system of the registry.
        source: path of the artifact in it.
        version: expected version.
        folder: folder to write to.
        where: name of the artifact in errors.

    Raises:
        ContractError: the manifest is invalid or of another version, the name of a file leads out of the artifact,
            or a limit is exceeded.
    """
    text = b"".join(_pieces(fs, f"{source}/{MANIFEST}", MOST_MANIFEST_BYTES, where))
    manifest = parse(parse_json(text, where=where), where=where)
    if not isinstance(manifest, SurrogateArtifact):
        raise ContractError(where, f"holds '{manifest.kind}', expected a surrogate artifact")
    if manifest.version != version:
        raise ContractError(where, f"holds version {manifest.version}, not {version}: its folder was renamed")
    names = [name for part in sorted(manifest.files) for name in _listed(fs, source, part, where)]
    check_number(names, where)
    # Check every name before writing the first file.
    targets = {name: safe_member(folder, name) for name in names}
    left = MOST_BYTES
    for name, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            for piece in _pieces(fs, f"{source}/{name}", min(MOST_FILE_BYTES, left), where):
                file.write(piece)
                left -= len(piece)
    (folder / MANIFEST).write_bytes(text)


def check_sizes(sizes: Mapping[str, int], where: object) -> None:
    """Raise ContractError if files of these sizes [bytes] exceed the limits of a download."""
    check_number(sizes, where)
    if max(sizes.values(), default=0) > MOST_FILE_BYTES or sum(sizes.values()) > MOST_BYTES:
        raise ContractError(
            where,
            f"is too large to share: {MOST_FILE_BYTES:,} bytes a file and {MOST_BYTES:,} in all are allowed",
        )


def check_number(names: Iterable[str], where: object) -> None:
    """Raise ContractError if there are more than `MOST_FILES` files."""
    if (n := len(list(names))) > MOST_FILES:
        raise ContractError(where, f"holds {n:,} files, expected {MOST_FILES:,} at most")


def _listed(fs: fsspec.AbstractFileSystem, source: str, part: str, where: str) -> list[str]:
    """List the files of a part by their paths relative to the artifact."""
    if fs.isfile(f"{source}/{part}"):
        return [part]
    names = []
    for path in fs.find(f"{source}/{part}"):
        if not path.startswith(f"{source}/{part}/"):
            raise ContractError(where, f"lists the file {path[-80:]!r}, which is not in it: it is not an artifact")
        names.append(path[len(source) + 1 :])
    return names


def _pieces(fs: fsspec.AbstractFileSystem, path: str, limit: int, where: str) -> Iterator[bytes]:
    """Yield the content of a remote file; raise ContractError beyond `limit` bytes, whatever size it states."""
    left = limit
    with fs.open(path, "rb") as file:
        while piece := file.read(_PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                raise ContractError(where, f"{path.rpartition('/')[2]!r} is longer than the {limit:,} bytes allowed")
            yield piece

"""Downloading an artifact: its manifest first, then what that lists, bounded, and nothing else.

A registry is somebody else's: what it calls its files, and how long it says they are, is not to be relied on.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import fsspec
from steelyard_schemas import ContractError, parse, parse_json, safe_member
from steelyard_schemas.surrogate import SurrogateArtifact
from steelyard_schemas.validate import MANIFEST

MOST_MANIFEST_BYTES = 2**20
MOST_FILE_BYTES = 256 * 2**20
MOST_BYTES = 2**30
MOST_FILES = 10_000
"""Limits of an artifact in a registry, two hundred times what shipped ones need or more."""
_PIECE_BYTES = 2**20


def download(fs: fsspec.AbstractFileSystem, source: str, version: str, folder: Path, where: str) -> None:
    """Copy an artifact into an empty folder. That its parts are what the manifest says is left to be checked.

    Args:
        fs: file system of the registry.
        source: the artifact in it.
        version: that it must have.
        folder: to write to.
        where: names the artifact in errors.

    Raises:
        ContractError: the manifest is none or of another version, a file has a name that leads out of the artifact,
            or there is more than an artifact may hold.
    """
    text = b"".join(_pieces(fs, f"{source}/{MANIFEST}", MOST_MANIFEST_BYTES, where))
    manifest = parse(parse_json(text, where=where), where=where)
    if not isinstance(manifest, SurrogateArtifact):
        raise ContractError(where, f"holds '{manifest.kind}', expected a surrogate artifact")
    if manifest.version != version:
        raise ContractError(where, f"holds version {manifest.version}, not {version}: its folder was renamed")
    names = [name for part in sorted(manifest.files) for name in _listed(fs, source, part, where)]
    check_number(names, where)
    # Every name before the first file.
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
    """Raise ContractError if an artifact of files of these sizes could not be downloaded again."""
    check_number(sizes, where)
    if max(sizes.values(), default=0) > MOST_FILE_BYTES or sum(sizes.values()) > MOST_BYTES:
        raise ContractError(
            where,
            f"is too large to share: {MOST_FILE_BYTES:,} bytes a file and {MOST_BYTES:,} in all are allowed",
        )


def check_number(names: Iterable[str], where: object) -> None:
    """Raise ContractError if these are more files than an artifact may have."""
    if (n := len(list(names))) > MOST_FILES:
        raise ContractError(where, f"holds {n:,} files, expected {MOST_FILES:,} at most")


def _listed(fs: fsspec.AbstractFileSystem, source: str, part: str, where: str) -> list[str]:
    """Names of the files of a part, within the artifact."""
    if fs.isfile(f"{source}/{part}"):
        return [part]
    names = []
    for path in fs.find(f"{source}/{part}"):
        if not path.startswith(f"{source}/{part}/"):
            raise ContractError(where, f"lists the file {path[-80:]!r}, which is not in it: it is not an artifact")
        names.append(path[len(source) + 1 :])
    return names


def _pieces(fs: fsspec.AbstractFileSystem, path: str, limit: int, where: str) -> Iterator[bytes]:
    """Yield the content of a remote file, which may be longer than it claims."""
    left = limit
    with fs.open(path, "rb") as file:
        while piece := file.read(_PIECE_BYTES):
            left -= len(piece)
            if left < 0:
                raise ContractError(where, f"{path.rpartition('/')[2]!r} is longer than the {limit:,} bytes allowed")
            yield piece

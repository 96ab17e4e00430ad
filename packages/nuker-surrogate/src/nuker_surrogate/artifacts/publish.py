"""Publishing an artifact in a registry, where its version never changes again."""

from collections.abc import Iterable
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem
from steelyard_schemas import ContractError, atomic_path, read_bytes, safe_member, validate
from steelyard_schemas.validation import MANIFEST

from nuker_surrogate.artifacts.download import MOST_FILE_BYTES, check_sizes
from nuker_surrogate.artifacts.files import artifact_files
from nuker_surrogate.artifacts.open import load_surrogate
from nuker_surrogate.artifacts.remote import open_registry, published_versions, reaching, required_url, versions_in
from nuker_surrogate.artifacts.versions import shipped_versions


def publish(artifact_folder: str | Path, registry: str | Path | None = None) -> str:
    """Check an artifact, copy it into a registry, and return its version.

    An upload that was cut off can be repeated; a version is visible only once its manifest is there.

    Args:
        artifact_folder: folder of the artifact, as `release` wrote it.
        registry: path or URL such as ``s3://bucket/surrogates``; by default that of STEELYARD_SURROGATES.

    Raises:
        ContractError: the artifact is damaged, its version is taken, or the registry cannot be reached or written.
    """
    url = required_url(registry)
    folder = Path(artifact_folder)
    manifest = load_surrogate(folder).manifest
    validate(folder)
    version = manifest.version
    if version in shipped_versions() and load_surrogate(version).manifest != manifest:
        # Shipped versions are found first, so this one would never be loaded.
        raise _taken(version, "this package")
    sizes = artifact_files(folder, manifest)
    check_sizes(sizes, folder)
    with reaching(url):
        fs, root = open_registry(url)
        if version in versions_in(fs, root):
            raise _taken(version, url)
        if isinstance(fs, LocalFileSystem):
            _copy(folder, sizes, Path(root) / version, url)
        else:
            _upload(folder, sizes, fs, f"{root}/{version}", url)
    return version


def publish_once(artifact_folder: str | Path, registry: str | Path | None = None) -> str:
    """Publish an artifact unless it is in the registry already; return its version.

    Raises:
        ContractError: as `publish` does; another artifact has its version.
    """
    manifest = load_surrogate(artifact_folder).manifest
    if manifest.version in published_versions(registry):
        if load_surrogate(manifest.version, registry=registry).manifest == manifest:
            return manifest.version
        raise _taken(manifest.version, required_url(registry))
    return publish(artifact_folder, registry)


def _copy(folder: Path, names: Iterable[str], target: Path, url: str) -> None:
    """Copy an artifact into a local registry, atomically."""
    try:
        with atomic_path(target, overwrite=False) as new:
            new.mkdir()
            for name in names:
                _write(safe_member(new, name), read_bytes(folder / name, MOST_FILE_BYTES))
    except ContractError as error:
        if not target.exists():
            raise
        raise _taken(target.name, url) from error


def _upload(folder: Path, names: Iterable[str], fs: fsspec.AbstractFileSystem, target: str, url: str) -> None:
    """Upload an artifact file by file; `names` end with the manifest, which makes the version visible."""
    version = target.rpartition("/")[2]
    for name in names:
        path, data = f"{target}/{name}", read_bytes(folder / name, MOST_FILE_BYTES)
        try:
            fs.pipe_file(path, data, mode="create")
        except FileExistsError as error:
            if name == MANIFEST:
                raise _taken(version, url) from error
            if fs.cat_file(path) != data:  # equal data come from an earlier upload of this artifact
                raise ContractError(
                    f"surrogate {version}",
                    f"another artifact of this version is being published in {url}, or its upload was cut "
                    "off: release yours under a higher version",
                ) from error


def _taken(version: str, where: str) -> ContractError:
    return ContractError(
        f"surrogate {version}",
        f"exists already in {where}, and a published version never changes: release yours under a higher version",
    )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)

"""A registry of released surrogates: a folder or bucket with one artifact per version, none of which ever changes.

A version exists once its ``manifest.json`` does: the manifest comes last, and nothing is ever overwritten.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem
from platformdirs import user_cache_path
from steelyard_schemas import ContractError, atomic_path, read_bytes, safe_member, validate
from steelyard_schemas.validate import MANIFEST

from nuker_surrogate.artifact import artifact_files, check_version, in_order, load_surrogate, shipped_versions
from nuker_surrogate.download import MOST_FILE_BYTES, check_sizes, download

ENVIRONMENT = "STEELYARD_SURROGATES"


def registry_url(registry: str | Path | None = None) -> str | None:
    """The registry named, else that of the environment variable STEELYARD_SURROGATES, else None."""
    return str(registry or os.environ.get(ENVIRONMENT) or "").rstrip("/") or None


def published_versions(registry: str | Path | None = None) -> tuple[str, ...]:
    """Versions in a registry, oldest first; none where nothing was published yet.

    Args:
        registry: path or URL; by default that of STEELYARD_SURROGATES.

    Raises:
        ContractError: there is no registry to look in, or it cannot be reached.
    """
    url = _required(registry)
    with _reaching(url):
        return _versions(*_open(url))


def publish(artifact_folder: str | Path, registry: str | Path | None = None) -> str:
    """Check an artifact and copy it into a registry; returns its version.

    An upload that was cut off can be repeated; until its manifest is there, nobody sees it.

    Args:
        artifact_folder: as `release` wrote it.
        registry: path or URL such as ``s3://bucket/surrogates``; by default that of STEELYARD_SURROGATES.

    Raises:
        ContractError: the artifact is damaged, its version is taken, or the registry cannot be reached or written.
    """
    url = _required(registry)
    folder = Path(artifact_folder)
    manifest = load_surrogate(folder).manifest
    validate(folder)
    version = manifest.version
    if version in shipped_versions() and load_surrogate(version).manifest != manifest:
        # Shipped versions are found first, so this one would never be loaded.
        raise _taken(version, "this package")
    sizes = artifact_files(folder, manifest)
    check_sizes(sizes, folder)
    with _reaching(url):
        fs, root = _open(url)
        if version in _versions(fs, root):
            raise _taken(version, url)
        if isinstance(fs, LocalFileSystem):
            try:
                with atomic_path(Path(root) / version, overwrite=False) as new:
                    new.mkdir()
                    for name in sizes:
                        _write(safe_member(new, name), read_bytes(folder / name, MOST_FILE_BYTES))
            except ContractError as error:
                if not (Path(root) / version).exists():
                    raise
                raise _taken(version, url) from error
        else:
            for name in sizes:  # the manifest comes last
                target, data = f"{root}/{version}/{name}", read_bytes(folder / name, MOST_FILE_BYTES)
                try:
                    fs.pipe_file(target, data, mode="create")
                except FileExistsError as error:
                    if name == MANIFEST:
                        raise _taken(version, url) from error
                    if fs.cat_file(target) != data:  # else left by an earlier upload of this artifact
                        raise ContractError(
                            f"surrogate {version}",
                            f"another artifact of this version is being published in {url}, or its upload was cut "
                            "off: release yours under a higher version",
                        ) from error
    return version


def publish_once(artifact_folder: str | Path, registry: str | Path | None = None) -> str:
    """Publish an artifact unless it is in the registry already; returns its version.

    Raises:
        ContractError: as `publish` does; another artifact has its version.
    """
    manifest = load_surrogate(artifact_folder).manifest
    if manifest.version in published_versions(registry):
        if load_surrogate(manifest.version, registry=registry).manifest == manifest:
            return manifest.version
        raise _taken(manifest.version, _required(registry))
    return publish(artifact_folder, registry)


def fetch(version: str | None = None, registry: str | Path | None = None) -> Path:
    """Folder of a published artifact: its own in a local registry, else a copy in the user's cache.

    A version never changes, so a cached one is used without asking the registry again.

    Args:
        version: semantic version; the newest published by default.
        registry: path or URL; by default that of STEELYARD_SURROGATES.

    Raises:
        ContractError: no such version, it arrived damaged, or the registry cannot be reached.
        ValueError: `version` is not a semantic version.
    """
    url = _required(registry)
    if version is None:
        versions = published_versions(url)
        if not versions:
            raise ContractError(url, "holds no surrogate: publish one, or check the address")
        version = versions[-1]
    check_version(version)
    cached = user_cache_path("steelyard") / "surrogates" / hashlib.sha256(url.encode()).hexdigest()[:16] / version
    if cached.is_dir():
        return cached
    with _reaching(url):
        fs, root = _open(url)
        source = f"{root}/{version}"
        if not fs.isfile(f"{source}/{MANIFEST}"):
            published, shipped = (", ".join(found) or "none" for found in (_versions(fs, root), shipped_versions()))
            raise ContractError(
                f"surrogate {version}", f"is not in the registry {url}; published: {published}; shipped: {shipped}"
            )
        if isinstance(fs, LocalFileSystem):
            return Path(root) / version
        try:
            with atomic_path(cached, overwrite=False) as new:
                new.mkdir()
                download(fs, source, version, new, f"{url}/{version}")
                _check(new, f"{url}/{version}")
        except ContractError:
            if not cached.is_dir():  # else another process has fetched it meanwhile
                raise
    return cached


def _required(registry: str | Path | None) -> str:
    if url := registry_url(registry):
        return url
    raise ContractError("registry", f"none is named: give its path or URL, or set {ENVIRONMENT}")


def _open(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    fs, root = fsspec.url_to_fs(url)
    fs.invalidate_cache()  # of listings: others publish too
    return fs, root.rstrip("/")


def _versions(fs: fsspec.AbstractFileSystem, root: str) -> tuple[str, ...]:
    try:
        names = in_order(path.rstrip("/").rpartition("/")[2] for path in fs.ls(root, detail=False))
    except FileNotFoundError:
        return ()
    return tuple(name for name in names if fs.isfile(f"{root}/{name}/{MANIFEST}"))


def _taken(version: str, where: str) -> ContractError:
    return ContractError(
        f"surrogate {version}",
        f"exists already in {where}, and a published version never changes: release yours under a higher version",
    )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _check(folder: Path, where: str) -> None:
    try:
        validate(folder)
    except ContractError as error:
        raise ContractError(where, error.problems) from error


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    """Turn whatever a file system raises into one line that names the registry."""
    try:
        yield
    except ContractError:
        raise
    except ImportError as error:
        package = getattr(error.__cause__, "name", None) or error.name
        advice = f"needs another package: pip install {package}" if package else f"needs another package ({error})"
        raise ContractError(url, advice) from error
    except Exception as error:  # each file system has errors of its own
        reason = " ".join(str(error).split())
        raise ContractError(url, f"the registry cannot be used ({type(error).__name__}: {reason})") from error

"""Reading a registry of released surrogates: a folder or bucket with one immutable artifact per version.

A version exists once its ``manifest.json`` does: the manifest is written last, and nothing is overwritten.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem
from platformdirs import user_cache_path
from steelyard_schemas import ContractError, atomic_path, validate
from steelyard_schemas.validation import MANIFEST

from nuker_surrogate.artifacts.download import download
from nuker_surrogate.artifacts.versions import check_version, in_order, shipped_versions

ENVIRONMENT = "STEELYARD_SURROGATES"


def registry_url(registry: str | Path | None = None) -> str | None:
    """Path or URL of the registry given, else of the one in STEELYARD_SURROGATES, else None."""
    return str(registry or os.environ.get(ENVIRONMENT) or "").rstrip("/") or None


def published_versions(registry: str | Path | None = None) -> tuple[str, ...]:
    """List the versions in a registry, oldest first; an empty tuple if nothing was published yet.

    Args:
        registry: path or URL; by default that of STEELYARD_SURROGATES.

    Raises:
        ContractError: no registry is named, or it cannot be reached.
    """
    url = required_url(registry)
    with reaching(url):
        return versions_in(*open_registry(url))


def fetch(version: str | None = None, registry: str | Path | None = None) -> Path:
    """Return the folder of a published artifact: the registry's own if it is local, else a copy in the user's cache.

    A version never changes, so a cached one is used without asking the registry again.

    Args:
        version: semantic version; the newest published by default.
        registry: path or URL; by default that of STEELYARD_SURROGATES.

    Raises:
        ContractError: no such version, it arrived damaged, or the registry cannot be reached.
        ValueError: `version` is not a semantic version.
    """
    url = required_url(registry)
    if version is None:
        versions = published_versions(url)
        if not versions:
            raise ContractError(url, "holds no surrogate: publish one, or check the address")
        version = versions[-1]
    check_version(version)
    cached = user_cache_path("steelyard") / "surrogates" / hashlib.sha256(url.encode()).hexdigest()[:16] / version
    if cached.is_dir():
        return cached
    with reaching(url):
        fs, root = open_registry(url)
        source = f"{root}/{version}"
        if not fs.isfile(f"{source}/{MANIFEST}"):
            published, shipped = (", ".join(found) or "none" for found in (versions_in(fs, root), shipped_versions()))
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


def required_url(registry: str | Path | None) -> str:
    """Return the URL of the registry; raise ContractError if none is named."""
    if url := registry_url(registry):
        return url
    raise ContractError("registry", f"none is named: give its path or URL, or set {ENVIRONMENT}")


def open_registry(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Open the file system of a registry and return it with the path of the registry in it."""
    fs, root = fsspec.url_to_fs(url)
    fs.invalidate_cache()  # cached listings may be out of date: others publish too
    return fs, root.rstrip("/")


def versions_in(fs: fsspec.AbstractFileSystem, root: str) -> tuple[str, ...]:
    """List the complete versions below `root`, oldest first."""
    try:
        names = in_order(path.rstrip("/").rpartition("/")[2] for path in fs.ls(root, detail=False))
    except FileNotFoundError:
        return ()
    return tuple(name for name in names if fs.isfile(f"{root}/{name}/{MANIFEST}"))


def _check(folder: Path, where: str) -> None:
    try:
        validate(folder)
    except ContractError as error:
        raise ContractError(where, error.problems) from error


@contextmanager
def reaching(url: str) -> Iterator[None]:
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

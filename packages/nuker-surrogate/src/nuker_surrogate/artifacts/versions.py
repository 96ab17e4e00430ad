"""Versions of surrogates: their form, their order, and those shipped with this package."""

import re
from collections.abc import Iterable
from pathlib import Path

SHIPPED = Path(__file__).parent / "shipped"
"""Folder of the shipped artifacts, one per version."""
_VERSION = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}")


def is_version(text: str) -> bool:
    """Whether a text is three numbers with dots, such as ``1.2.0``."""
    return _VERSION.fullmatch(text) is not None


def check_version(version: str) -> None:
    """Raise ValueError unless `version` is three numbers with dots."""
    if not is_version(version):
        raise ValueError(f"version {version!r} is not a semantic version such as 1.2.0")


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Select the names that are semantic versions, oldest first."""
    return tuple(sorted(filter(is_version, names), key=lambda name: tuple(map(int, name.split(".")))))


def shipped_versions() -> tuple[str, ...]:
    """Versions shipped with this package, oldest first."""
    return in_order(path.name for path in SHIPPED.glob("*"))


def shipped_folder(version: str) -> Path:
    """Folder of a shipped artifact; `version` is one of `shipped_versions`."""
    return SHIPPED / version

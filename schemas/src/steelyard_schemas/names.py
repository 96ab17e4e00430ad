"""Safe conversion of names from files or networks to paths."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from steelyard_schemas.errors import ContractError

__all__ = ["MemberName", "member_files", "member_name", "safe_member"]

MOST_NAME_BYTES = 1024
MOST_PART_BYTES = 255
"""Maximum length of one part of a name [bytes], the limit of common file systems."""
_FORBIDDEN = {"Cc", "Cs", "Zl", "Zp"}  # control characters, lone surrogates, line breaks
_DRIVE = re.compile(r"[A-Za-z]:")


def member_name(name: str) -> str:
    """Check the name of a file or folder within another folder and return it unchanged.

    Raises:
        ValueError: the name is unsafe: absolute, or with '..', a drive, a backslash or a control character.

    """
    problem = _problem(name)
    if problem:
        raise ValueError(f"the name {name[:80]!r} {problem}: it must be relative, such as weights.msgpack or a/b")
    return name


MemberName = Annotated[str, AfterValidator(member_name)]
"""Type of a field that names a file or folder within the contract's own folder."""


def safe_member(folder: str | Path, name: str) -> Path:
    """Return the path of a member of `folder`, which need not exist yet.

    The folder itself may be a symbolic link, but nothing below it may be.

    Raises:
        ContractError: the name is unsafe, or the path contains a symbolic link.

    """
    folder = Path(folder)
    try:
        path = folder / member_name(name)
    except ValueError as error:
        raise ContractError(folder, str(error)) from error
    for part in (path, *path.parents[: name.count("/")]):
        if part.is_symlink() or part.is_junction():
            raise ContractError(folder, f"{_relative(folder, part)!r} is a link: replace it by its target")
    return path


def member_files(folder: str | Path, name: str = "") -> dict[str, int]:
    """Return sizes [bytes] by name of all files at or below a member of `folder`, or below the folder, in order.

    Raises:
        ContractError: the member is missing, or there is a link, device, pipe or unsafe name at or below it.

    """
    folder = Path(folder)
    top = safe_member(folder, name) if name else folder
    sizes: dict[str, int] = {}
    try:
        if name and top.is_file():
            return {name: top.stat().st_size}
        waiting = [top]
        while waiting:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    path = Path(entry.path)
                    if entry.is_dir(follow_symlinks=False) and not entry.is_junction():
                        waiting.append(path)
                    elif entry.is_file(follow_symlinks=False):
                        sizes[_checked(folder, path)] = entry.stat(follow_symlinks=False).st_size
                    else:
                        what = f"{_relative(folder, path)!r} is a link or a device: only files and folders are read"
                        raise ContractError(folder, what)
    except OSError as error:
        raise ContractError(folder, f"{name or '.'!r} cannot be read: {error.strerror or error}") from error
    # Sorted by path components, because hashes of folders depend on the order.
    return dict(sorted(sizes.items(), key=lambda item: item[0].split("/")))


def _relative(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _checked(folder: Path, path: Path) -> str:
    try:
        return member_name(_relative(folder, path))
    except ValueError as error:
        raise ContractError(folder, str(error)) from error


def _problem(name: str) -> str | None:
    if any(unicodedata.category(character) in _FORBIDDEN for character in name):
        return "holds a control character"
    parts = name.split("/")
    if len(name.encode()) > MOST_NAME_BYTES or any(len(part.encode()) > MOST_PART_BYTES for part in parts):
        return f"is longer than {MOST_PART_BYTES} bytes a part or {MOST_NAME_BYTES} bytes"
    if "\\" in name:
        return "holds a backslash"
    if _DRIVE.match(name):
        return "names a drive"
    if name.startswith("/"):
        return "is absolute"
    # Some systems drop trailing dots and spaces, so '.. ' also means the parent folder.
    if not all(part.strip(". ") for part in parts):
        return "has an empty part, '.' or '..'"
    return None

"""Plain arrays in one `.npz` file, for what a program keeps for itself: written atomically, never unpickled."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from steelyard_schemas.atomic import atomic_path
from steelyard_schemas.errors import ContractError
from steelyard_schemas.reading import open_file

__all__ = ["read_npz", "write_npz"]


def read_npz(path: str | Path, advice: str, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of a `.npz` file.

    Args:
        path: of the file.
        advice: what to do if it cannot be read, as "delete it to start afresh".
        names: of the arrays wanted, as far as they are there; others are not touched. All if None.

    Raises:
        ContractError: it is not there, damaged, or holds more than plain arrays.

    """
    try:
        # Opened here, because NumPy leaves the file open when it is damaged.
        with open_file(path) as raw, np.load(raw, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files if names is None or name in names}
            # A member that is no array comes as its bytes.
            if foreign := [name for name, array in found.items() if not isinstance(array, np.ndarray)]:
                raise ContractError(path, f"{foreign[0]!r} in it is no array")
            return found
    except ContractError as error:
        raise ContractError(path, f"{error.problems[0]}; {advice}") from error
    except Exception as error:  # damage shows in zipfile, zlib, struct or NumPy, each with exceptions of its own
        raise ContractError(path, f"cannot be read ({error or type(error).__name__}); {advice}") from error


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a `.npz` file; a crash at any moment leaves either the old file or the new one.

    Raises:
        ValueError: an array holds Python objects.

    """
    with atomic_path(Path(path), overwrite=True) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)

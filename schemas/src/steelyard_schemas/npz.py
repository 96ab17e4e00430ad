"""Internal files of plain arrays (`.npz`), written atomically and never unpickled."""

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
        path: path of the file.
        advice: remedy if it cannot be read, such as "delete it to start afresh".
        names: names of the arrays to read, if present; None for all.

    Raises:
        ContractError: the file is missing, damaged, or contains more than plain arrays.

    """
    try:
        # Opened here, because NumPy leaves the file open when it is damaged.
        with open_file(path) as raw, np.load(raw, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files if names is None or name in names}
            # A member that is not an array is returned as bytes.
            if foreign := [name for name, array in found.items() if not isinstance(array, np.ndarray)]:
                raise ContractError(path, f"{foreign[0]!r} in it is not an array")
            return found
    except ContractError as error:
        raise ContractError(path, f"{error.problems[0]}; {advice}") from error
    except Exception as error:  # zipfile, zlib, struct and NumPy raise different exceptions for damaged files
        raise ContractError(path, f"cannot be read ({error or type(error).__name__}); {advice}") from error


def write_npz(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a `.npz` file; a crash leaves either the old file or the new one.

    Raises:
        ValueError: an array holds Python objects.

    """
    with atomic_path(Path(path), overwrite=True) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)

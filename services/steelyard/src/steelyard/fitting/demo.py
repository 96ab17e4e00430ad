"""Bundled example: gridded visibilities of a mock of NGC 4697 and their galaxy file."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path

from steelyard_schemas import atomic_path, vacant

__all__ = ["unpack_demo"]


def unpack_demo(folder: Path) -> Path:
    """Copy the example to a folder where the user can edit it; return the path of its galaxy file."""
    folder.mkdir(parents=True, exist_ok=True)
    with as_file(files("steelyard").joinpath("example")) as example:
        for part in ("mock_ngc4697.toml", "mock_ngc4697_grid.zarr"):
            source, target = example / part, folder / part
            if not vacant(target):
                continue
            with atomic_path(target, overwrite=False) as temporary:
                if source.is_dir():
                    shutil.copytree(source, temporary)
                else:
                    shutil.copy(source, temporary)
    return folder / "mock_ngc4697.toml"

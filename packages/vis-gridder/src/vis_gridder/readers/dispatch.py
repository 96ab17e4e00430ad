"""Which reader a file needs, told from its content."""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from steelyard_schemas import ContractError, Store, Visibilities, is_store

from vis_gridder.readers.own_store import read_own_store

__all__ = ["Format", "detect_format", "read_visibilities"]

Format = Literal["measurement_set", "uvfits", "npz", "store"]
Progress = Callable[[int, int], None]


def detect_format(path: str | Path) -> Format:
    """Tell the format of `path` from its content, whatever its name.

    Raises:
        ContractError: no such path, an archive that must be unpacked, or nothing that is known here.

    """
    path = Path(path)
    if not path.exists():
        raise ContractError(path, "does not exist")
    return _detect_folder(path) if path.is_dir() else _detect_file(path)


def _detect_folder(path: Path) -> Format:
    if is_store(path):
        return "store"
    info = path / "table.info"
    if info.is_file() and "Measurement Set" in info.read_text(errors="replace"):
        return "measurement_set"
    if (path / "table.dat").is_file():
        raise ContractError(path, "is a CASA table but not a Measurement Set; give the top folder of the .ms")
    raise ContractError(path, "is a folder but neither a Measurement Set nor a Visibilities store")


def _detect_file(path: Path) -> Format:
    try:
        if tarfile.is_tarfile(path):
            raise ContractError(path, f"is an archive; unpack it first (tar -xf {path.name}) and give what is inside")
        with path.open("rb") as file:
            magic = file.read(4)
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(path) as file:
                magic = file.read(4)
    except (OSError, EOFError) as error:
        raise ContractError(path, f"cannot be read ({error})") from error
    if magic == b"SIMP":
        return "uvfits"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith(".npy") for name in archive.namelist()):
                return "npz"
        raise ContractError(path, "is a zip archive without NumPy arrays; unpack it first and give what is inside")
    raise ContractError(path, "is not a Measurement Set, UVFITS, viscube .npz or Visibilities store")


def read_visibilities(
    path: str | Path,
    *,
    field: str | int | None = None,
    spw: str | int | None = None,
    progress: Progress | None = None,
) -> Store[Visibilities]:
    """Read Stokes I visibilities from a Measurement Set, UVFITS (.gz too), viscube `.npz` or our own store.

    Parallel-hand correlations are averaged with their weights, flagged samples get weight 0, autocorrelations
    are dropped, channels ascend in frequency, u, v, w are in metres; what was done is in `manifest.history`.

    Args:
        path: the file or folder; its format is told from its content.
        field: name or number of the field (source), needed where the file holds several.
        spw: name or number of the spectral window (IF), needed where the file holds several.
        progress: called with rows done and rows in all.

    Raises:
        ContractError: the data cannot be read or used; the message says where, what, and what to do.

    """
    path = Path(path)
    kind = detect_format(path)
    if kind == "measurement_set":
        from vis_gridder.readers.measurement_set import read_measurement_set

        return read_measurement_set(path, field=field, spw=spw, progress=progress)
    if kind == "uvfits":
        from vis_gridder.readers.uvfits import read_uvfits

        return read_uvfits(path, field=field, spw=spw, progress=progress)
    if field is not None or spw is not None:
        raise ContractError(path, "holds one field and one spectral window; leave field and spw out")
    if kind == "npz":
        from vis_gridder.readers.viscube_npz import read_viscube

        return read_viscube(path)
    return read_own_store(path)

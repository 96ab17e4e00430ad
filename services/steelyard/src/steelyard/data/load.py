"""Gridded data for a galaxy file: read gridded data, or grid visibilities."""

from __future__ import annotations

from pathlib import Path

from steelyard_schemas import (
    ContractError,
    Galaxy,
    GriddedVisibilities,
    Store,
    content_hash,
    is_store,
    read_manifest,
    read_store,
)
from vis_gridder import (
    GridSpec,
    Spectral,
    grid,
    is_image_cube,
    is_viscube_grid,
    open_visibilities,
    prepare,
    read_image_cube,
    read_viscube_grid,
)

__all__ = ["is_gridded", "load_gridded"]


def is_gridded(path: Path) -> bool:
    """Whether a path is a store of gridded visibilities, a `.npz` file gridded by viscube or a FITS image cube."""
    if is_store(path):
        return read_manifest(path).get("kind") == "gridded_visibilities"
    return is_viscube_grid(path) or is_image_cube(path)


def load_gridded(galaxy: Galaxy, folder: Path) -> Store[GriddedVisibilities]:
    """Return the gridded data of a galaxy; relative paths start at `folder`.

    Raises:
        ContractError: the file is missing or invalid, or needs a [data.grid] table, or must not have one.

    """
    path = folder / galaxy.data.path
    if not path.exists():
        raise ContractError(path, f"no such file; [data] path in the galaxy file is '{galaxy.data.path}'")
    if is_image_cube(path):
        if galaxy.data.grid is not None:
            raise ContractError(
                path,
                "is an image cube with its own grid: remove [data.grid] from the galaxy file; to crop it, make "
                f"a store from it first (`steelyard grid {path}`)",
            )
        return _hashed(read_image_cube(path, rest_frequency_hz=galaxy.line.rest_frequency_hz))
    if is_gridded(path):
        if galaxy.data.grid is not None:
            raise ContractError(path, "is gridded already: remove [data.grid] from the galaxy file")
        # A store of an earlier contract version is kept in the current version, which changes its hash.
        return _hashed(read_store(path, GriddedVisibilities) if is_store(path) else read_viscube_grid(path))
    if galaxy.data.grid is None:
        raise ContractError(
            path, f"is not gridded yet: add [data.grid] to the galaxy file (`steelyard info {path}` suggests one)"
        )
    wanted = galaxy.data.grid
    spec = GridSpec(
        cell_arcsec=wanted.cell_arcsec,
        npix=wanted.npix,
        velocity_min_kms=wanted.velocity_min_kms,
        velocity_max_kms=wanted.velocity_max_kms,
        rest_frequency_hz=galaxy.line.rest_frequency_hz,
    )
    sources = prepare(open_visibilities(path), Spectral(rest_frequency_hz=spec.rest_frequency_hz))
    return _hashed(grid(sources, spec))


def _hashed(data: Store[GriddedVisibilities]) -> Store[GriddedVisibilities]:
    """Fill in the hash that the data will have on disk, so that the identity of a fit does not change."""
    found = content_hash(data.manifest.model_dump(mode="json"), data.arrays)
    return Store(data.manifest.model_copy(update={"content_hash": found}), data.arrays)

import os

import numpy as np
import pytest
from steelyard.data.stamps import data_stamp, source_stamp
from steelyard_schemas import Visibilities, read_store, write_store
from steelyard_schemas.galaxy import Grid


def test_the_source_is_the_file_its_grid_and_its_line(tmp_path, toy):
    file = tmp_path / "data"
    file.write_text("visibilities")
    stamp = source_stamp(file, toy)
    assert source_stamp(file, toy) == stamp
    finer = toy.model_copy(update={"data": toy.data.model_copy(update={"grid": Grid(cell_arcsec=0.2, npix=24)})})
    assert source_stamp(file, finer) != stamp
    assert source_stamp(file, toy.model_copy(update={"truth": {}})) == stamp
    os.utime(file, ns=(1, 1))
    assert source_stamp(file, toy) != stamp


@pytest.mark.parametrize("stamp_of", [lambda path, _: data_stamp(path), source_stamp], ids=["data", "source"])
def test_a_file_within_that_is_renamed_makes_another_data_set(tmp_path, toy, stamp_of):
    folder = tmp_path / "target.ms"
    folder.mkdir()
    (folder / "table.dat").write_text("rows")
    stamp = stamp_of(folder, toy)
    (folder / "table.dat").rename(folder / "table.f1")
    assert stamp_of(folder, toy) != stamp


@pytest.mark.parametrize("stamp_of", [lambda path, _: data_stamp(path), source_stamp], ids=["data", "source"])
def test_a_store_is_known_by_its_content(tmp_path, toy, toy_folder, stamp_of):
    """The same visibilities written again need no new gridding; others do."""
    store, path = read_store(toy_folder / "toy.zarr", Visibilities), tmp_path / "again.zarr"
    write_store(path, store)
    stamp = stamp_of(path, toy)
    write_store(path, store, overwrite=True)
    assert stamp_of(path, toy) == stamp
    weight = (2 * store["weight"]).astype(np.float32)
    write_store(path, type(store)(store.manifest, {**store.arrays, "weight": weight}), overwrite=True)
    assert stamp_of(path, toy) != stamp

"""Stores on disk: round trip, damage, atomic writes."""

import json
import os
import shutil
import time
import tracemalloc
import warnings

import numpy as np
import pytest
import zarr
from steelyard_schemas import (
    ContractError,
    GriddedVisibilities,
    Posterior,
    Store,
    StoreContract,
    Visibilities,
    atomic_path,
    is_store,
    read_store,
    validate,
    write_store,
)

MAKERS = ["visibilities", "gridded", "posterior"]


@pytest.fixture
def written(make, tmp_path):
    """A visibilities store on disk."""
    path = tmp_path / "vis.zarr"
    write_store(path, make.visibilities())
    return path


@pytest.mark.parametrize("maker", MAKERS)
def test_round_trip(make, tmp_path, maker):
    store = getattr(make, maker)()
    assert not is_store(tmp_path / "a")
    returned = write_store(tmp_path / "a", store)
    back = read_store(tmp_path / "a", type(store.manifest))
    assert back.manifest == returned.manifest
    assert back.manifest.content_hash.startswith("sha256-arrays:")
    assert back.arrays.keys() == store.arrays.keys()
    for name, values in store.arrays.items():
        assert back[name].dtype == values.dtype
        np.testing.assert_array_equal(back[name], values)
    assert validate(tmp_path / "a") == returned.manifest
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_arrays_carry_units_and_dimensions_for_other_readers(written):
    group = zarr.open_group(written, mode="r")
    assert group["u_m"].attrs["units"] == "m"
    assert group["vis"].metadata.dimension_names == ("row", "channel")


def test_equal_content_has_equal_hash_and_any_change_another(make, tmp_path):
    store = make.visibilities()
    first = write_store(tmp_path / "a", store).manifest.content_hash
    assert write_store(tmp_path / "b", make.visibilities()).manifest.content_hash == first
    moved = {**store.arrays, "u_m": store["u_m"] + 1e-9}
    renamed = store.manifest.model_copy(update={"source": "other.ms"})
    assert write_store(tmp_path / "c", Store(store.manifest, moved)).manifest.content_hash != first
    assert write_store(tmp_path / "d", Store(renamed, store.arrays)).manifest.content_hash != first


def test_byte_order_and_memory_layout_do_not_matter(make, tmp_path):
    store = make.visibilities()
    other = {name: np.asfortranarray(values) for name, values in store.arrays.items()}
    a, b = (write_store(tmp_path / n, Store(store.manifest, x)) for n, x in (("a", store.arrays), ("b", other)))
    assert a.manifest.content_hash == b.manifest.content_hash


def test_a_store_without_rows_round_trips(make, tmp_path):
    store = make.visibilities()
    by_row = {spec.name for spec in Visibilities.ARRAYS if spec.dims[0] == "row"}
    empty = {name: values[:0] if name in by_row else values for name, values in store.arrays.items()}
    write_store(tmp_path / "a", Store(store.manifest, empty))
    assert read_store(tmp_path / "a", Visibilities)["vis"].shape == (0, 3)


def test_large_arrays_are_chunked_by_rows(make, tmp_path, monkeypatch):
    monkeypatch.setattr("steelyard_schemas.layout.CHUNK_BYTES", 50)
    store = make.visibilities()
    write_store(tmp_path / "a", store)
    assert zarr.open_group(tmp_path / "a", mode="r")["vis"].chunks == (2, 3)
    np.testing.assert_array_equal(read_store(tmp_path / "a", Visibilities)["vis"], store["vis"])


def test_every_fault_of_the_arrays_is_told_at_once(make, tmp_path):
    store = make.visibilities()
    arrays = dict(store.arrays)
    del arrays["w_m"]
    arrays["u_m"] = arrays["u_m"].astype(np.float32)
    arrays["scan"] = arrays["scan"][:-1]
    arrays["vis"] = arrays["vis"][0]
    arrays["extra"] = np.zeros(3)
    with pytest.raises(ContractError) as caught:
        write_store(tmp_path / "a", Store(store.manifest, arrays))
    assert set(caught.value.problems) == {
        "array 'w_m' is missing",
        "array 'u_m' has dtype float32, expected float64",
        "array 'scan' has 5 along 'row', expected 6 as in 'u_m'",
        "array 'vis' has 1 dimensions, expected (row, channel)",
        "array 'extra' is not part of the contract",
    }
    assert str(caught.value).startswith(f"{tmp_path / 'a'}: array 'u_m'")
    assert list(tmp_path.iterdir()) == []


def test_another_kind_is_refused(written):
    with pytest.raises(ContractError, match="holds 'visibilities', expected 'gridded_visibilities'"):
        read_store(written, GriddedVisibilities)


def test_what_is_no_store_of_ours_is_refused(tmp_path):
    with pytest.raises(ContractError, match=r"is not a Zarr v3 store \(no zarr\.json in it\)"):
        read_store(tmp_path, Visibilities)
    zarr.open_group(tmp_path / "foreign", mode="w", zarr_format=3)
    with pytest.raises(ContractError, match="a Zarr store but not a Steelyard store"):
        read_store(tmp_path / "foreign", Visibilities)
    (tmp_path / "foreign" / "zarr.json").write_text("{")
    with pytest.raises(ContractError, match=r"zarr\.json: syntax error"):
        read_store(tmp_path / "foreign", Visibilities)
    with pytest.raises(ContractError, match="no such file or folder"):
        validate(tmp_path / "nowhere")


def test_a_lost_chunk_is_a_truncated_store(written):
    (written / "vis" / "c" / "0" / "0").unlink()
    (written / "u_m" / "c" / "0").unlink()
    with pytest.raises(ContractError) as caught:
        validate(written)
    assert caught.value.problems == (
        "array 'u_m' is truncated (0 of 1 chunks present)",
        "array 'vis' is truncated (0 of 1 chunks present)",
    )


def test_a_lost_array_is_missing(written):
    shutil.rmtree(written / "scan")
    with pytest.raises(ContractError, match="scan"):
        validate(written)


def test_a_shortened_chunk_cannot_be_read(written):
    chunk = written / "vis" / "c" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-20])
    with pytest.raises(ContractError, match="array 'vis' cannot be read"):
        validate(written)


def claim(path, name, **claims):
    """Edit what an array says of itself, there and in the consolidated metadata."""
    for file, place in (
        (path / name / "zarr.json", lambda data: data),
        (path / "zarr.json", lambda data: data["consolidated_metadata"]["metadata"][name]),
    ):
        data = json.loads(file.read_text())
        for field, value in claims.items():
            place(data)[field] = value
        file.write_text(json.dumps(data))


def rows(length, chunk):
    """The shape and grid of a column of so many rows."""
    return {
        "shape": [length],
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [chunk]}},
    }


@pytest.mark.parametrize(
    ("chunk", "words"),
    [
        (6, r"array 'u_m' is truncated \(1 of 166666666667 chunks present\)"),
        (10**12, r"array 'u_m' has chunks of 8,000,000,000,000 bytes, expected 2,147,483,647 at most"),
    ],
)
def test_a_store_cannot_claim_more_than_its_files_hold(written, chunk, words):
    for spec in Visibilities.ARRAYS:
        if spec.dims == ("row",):
            claim(written, spec.name, **rows(10**12, chunk))
        elif spec.dims[0] == "row":
            claim(written, spec.name, **rows(10**12, chunk) | {"shape": [10**12, 3]})
            claim(
                written,
                spec.name,
                chunk_grid={"name": "regular", "configuration": {"chunk_shape": [chunk, 3]}},
            )
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(ContractError, match=words):
        validate(written)
    assert time.perf_counter() - began < 2  # of a count through all chunks: hours
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_a_short_file_cannot_claim_a_large_chunk(written):
    # 800 MB in a file of some sixty bytes: below what a codec can hold, above what it can compress to.
    size = sum(f.stat().st_size for f in (written / "frequency_hz").rglob("*") if f.is_file())
    for name in ("frequency_hz", "channel_width_hz"):
        claim(written, name, **rows(10**8, 10**8))
    for name in ("vis", "weight", "flag"):
        claim(
            written,
            name,
            shape=[6, 10**8],
            chunk_grid={"name": "regular", "configuration": {"chunk_shape": [1, 10**8]}},
        )
    assert 1e5 * size < 8e8
    with pytest.raises(ContractError, match=r"'frequency_hz' claims 800,000,000 bytes, more than its \d+ in files"):
        validate(written)


def test_consolidated_metadata_cannot_describe_other_arrays(written):
    file = written / "zarr.json"
    data = json.loads(file.read_text())
    known = data["consolidated_metadata"]["metadata"]
    known["../../outside"] = known["scan"]
    known["u_m"]["shape"] = [3]
    file.write_text(json.dumps(data))
    assert read_store(written, Visibilities)["u_m"].shape == (6,)


def test_links_pipes_and_devices_in_a_store_are_refused(written, tmp_path):
    chunk = written / "scan" / "c" / "0"
    (tmp_path / "outside").write_bytes(chunk.read_bytes())
    chunk.unlink()
    chunk.symlink_to(tmp_path / "outside")
    with pytest.raises(ContractError, match="'scan/c/0' is a link or a device"):
        validate(written)
    chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(ContractError, match="'scan/c/0' is a link or a device"):
        validate(written)
    chunk.unlink()
    chunk.write_bytes((tmp_path / "outside").read_bytes())
    validate(written)
    (tmp_path / "link").symlink_to(written)  # the store itself may be reached by one
    validate(tmp_path / "link")
    (written / "zarr.json").rename(tmp_path / "zarr.json")
    (written / "zarr.json").symlink_to(tmp_path / "zarr.json")
    with pytest.raises(ContractError, match=r"'zarr\.json' is a link"):
        validate(written)


@pytest.mark.parametrize("name", ["zarr.json", "scan/zarr.json"])
def test_metadata_nested_too_deeply_is_refused(written, name):
    (written / name).write_text('{"a":' * 100_000)
    with pytest.raises(ContractError) as error:
        validate(written)
    assert "\n" not in str(error.value)


def test_a_group_in_the_place_of_an_array_is_refused(written):
    shutil.rmtree(written / "scan")
    zarr.open_group(written / "scan", mode="w", zarr_format=3)
    with pytest.raises(ContractError, match="'scan'"):
        validate(written)


def test_exchanged_bytes_break_the_hash(written):
    # Both are whole chunks of the right type and length.
    (written / "u_m" / "c" / "0").write_bytes((written / "v_m" / "c" / "0").read_bytes())
    with pytest.raises(ContractError, match=r"does not match its hash .* damaged or edited; write it again"):
        validate(written)


def test_an_edited_manifest_breaks_the_hash(written):
    file = written / "zarr.json"
    data = json.loads(file.read_text())
    data["attributes"]["steelyard"]["observation"]["target"] = "another"
    file.write_text(json.dumps(data))
    with pytest.raises(ContractError, match="does not match its hash"):
        validate(written)


def test_overwriting_needs_leave(make, written):
    with pytest.raises(ContractError, match="exists already; choose another name or allow overwriting"):
        write_store(written, make.visibilities())
    changed = Store(make.visibilities().manifest.model_copy(update={"source": "new.ms"}), make.visibilities().arrays)
    write_store(written, changed, overwrite=True)
    assert read_store(written, Visibilities).manifest.source == "new.ms"
    assert [p.name for p in written.parent.iterdir()] == [written.name]


def test_a_failed_write_leaves_nothing_and_keeps_the_old(make, tmp_path, monkeypatch):
    write_store(tmp_path / "old", make.visibilities())

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("zarr.consolidate_metadata", fail)
    for name in ("old", "new"):
        with pytest.raises(OSError, match="disk full"):
            write_store(tmp_path / name, make.visibilities(), overwrite=True)
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    validate(tmp_path / "old")


def test_a_folder_that_cannot_take_its_place_puts_the_old_one_back(tmp_path, monkeypatch):
    target = tmp_path / "a"
    target.mkdir()
    (target / "old").touch()
    rename = type(target).rename

    def refuse_new(self, to):
        if self.name.endswith(".new"):
            raise OSError("no")
        return rename(self, to)

    monkeypatch.setattr(type(target), "rename", refuse_new)
    with pytest.raises(OSError, match="no"), atomic_path(target, overwrite=True) as temporary:
        temporary.mkdir()
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (target / "old").exists()


def test_atomic_path_makes_parents_and_files(tmp_path):
    with atomic_path(tmp_path / "x" / "y.txt", overwrite=False) as temporary:
        temporary.write_text("1")
        assert not (tmp_path / "x" / "y.txt").exists()
    assert (tmp_path / "x" / "y.txt").read_text() == "1"


def test_any_store_can_be_read_as_a_store(written):
    assert isinstance(read_store(written, StoreContract).manifest, Visibilities)


@pytest.mark.parametrize("kept", [False, True])
def test_moments_are_there_exactly_when_the_model_says_so(make, tmp_path, kept):
    store = make.gridded()
    moments = {name for name in store.arrays if name.startswith(("offset_", "spread_"))}
    assert len(moments) == 5
    plain = {name: values for name, values in store.arrays.items() if name not in moments}
    manifest = store.manifest.model_copy(update={"cell_moments": kept})
    right, wrong = (store.arrays, plain) if kept else (plain, store.arrays)
    write_store(tmp_path / "a", Store(manifest, right))
    assert read_store(tmp_path / "a", GriddedVisibilities).arrays.keys() == right.keys()
    with pytest.raises(ContractError) as caught:
        write_store(tmp_path / "b", Store(manifest, wrong))
    fault = "is missing" if kept else "is not part of the contract"
    assert set(caught.value.problems) == {f"array '{name}' {fault}" for name in moments}


def test_posterior_opens_in_xarray(make, tmp_path):
    xarray = pytest.importorskip("xarray", reason="xarray is not a dependency of the contracts")
    store = make.posterior()
    write_store(tmp_path / "p.zarr", store)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tree = xarray.open_datatree(tmp_path / "p.zarr", engine="zarr")
        np.testing.assert_array_equal(tree["posterior"]["log10_mbh"], store["posterior/log10_mbh"])
        assert tree["posterior"]["log10_mbh"].dims == ("chain", "draw")
        assert tree["posterior"]["inclination_deg"].attrs["units"] == "deg"
        assert Posterior.model_validate(tree.attrs["steelyard"]).galaxy.name == "Example 1"


def test_posterior_opens_in_arviz(make, tmp_path):
    arviz = pytest.importorskip("arviz", reason="ArviZ is not a dependency of the contracts")
    write_store(tmp_path / "p.zarr", make.posterior())
    tree = arviz.from_zarr(tmp_path / "p.zarr")
    assert float(arviz.ess(tree)["log10_mbh"]) > 0

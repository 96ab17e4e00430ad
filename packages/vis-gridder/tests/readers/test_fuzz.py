"""Damaged files: whatever is in them, a reader yields usable blocks or raises a ContractError of one line.

Bytes changed at random in a Measurement Set are not among them: in 1 of 600 casacore ends the process.
"""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from steelyard_schemas import ContractError, write_store
from vis_gridder.readers.dispatch import open_visibilities

FREQUENCY_HZ = 230e9 + 1e7 * np.arange(3)
damage = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def outcome(path):
    """Read a file through; return the error's text, or what was read after a check that it can be used."""
    before = sorted(path.parent.iterdir())
    try:
        for stream in open_visibilities(path):
            assert np.all(np.diff(stream.frequency_hz) > 0)
            n_rows = 0
            for block in stream.blocks():
                n_rows += block.u_m.size
                assert np.all(np.isfinite([block.u_m, block.v_m, block.w_m]))
                used = ~block.flag
                assert np.all(np.isfinite(block.vis[used]))
                assert np.all(np.isfinite(block.weight[used]))
                assert np.all(block.weight[used] >= 0)
            assert n_rows == stream.n_rows
        told = "read"
    except ContractError as error:
        told = str(error)
    assert "\n" not in told
    assert sorted(path.parent.iterdir()) == before
    return told


@st.composite
def changes(draw):
    """Return a function that changes bytes: some overwritten, some cut off, or some inserted."""
    place = draw(st.floats(0, 1, exclude_max=True))
    how = draw(st.sampled_from(["overwrite", "cut", "insert"]))
    put = draw(st.binary(min_size=1, max_size=64))

    def change(content):
        start = int(place * len(content))
        if how == "cut":
            return content[:start]
        return content[:start] + put + content[start + len(put) if how == "overwrite" else start :]

    return change


def write_npz(path):
    shape = (3, 6)
    u = 10 * np.arange(6.0) * FREQUENCY_HZ[:, None] / 299_792_458.0
    np.savez(path, chan_freq_hz=FREQUENCY_HZ, u=u, v=u, vis=np.ones(shape, complex), weight=np.ones(shape))


def write_text(path):
    rows = [(u, 2 * u, 1.0, 0.5, 2.0, frequency) for frequency in FREQUENCY_HZ for u in range(6)]
    np.savetxt(path, rows, header="u_m v_m re im weight frequency_hz")


def whole(write, path):
    """Return the bytes that `write` writes; written once, though hypothesis asks again for each example."""
    if not path.exists():
        write(path)
    return path.read_bytes()


@damage
@given(change=changes())
def test_npz(tmp_path, change):
    content = whole(write_npz, tmp_path / "whole.npz")
    (tmp_path / "fuzz").write_bytes(change(content))
    outcome(tmp_path / "fuzz")


@damage
@given(change=changes())
def test_text(tmp_path, change):
    content = whole(write_text, tmp_path / "whole.txt")
    (tmp_path / "fuzz").write_bytes(change(content))
    outcome(tmp_path / "fuzz")


@damage
@given(change=changes(), n_changes=st.integers(1, 3))
def test_uvfits(tmp_path, write_uvfits, change, n_changes):
    data = np.ones((8, 1, 3, 2), complex)
    content = whole(lambda path: write_uvfits(data, np.ones(data.shape), file=path.name), tmp_path / "whole")
    for _ in range(n_changes):
        content = change(content)
    (tmp_path / "fuzz").write_bytes(content)
    outcome(tmp_path / "fuzz")


HEADER_VALUES = st.one_of(
    st.integers(-(2**40), 2**40), st.floats(allow_nan=False, allow_infinity=False), st.just("odd"), st.booleans()
)


@damage
@given(
    key=st.sampled_from(
        (
            *("NAXIS3", "NAXIS4", "GCOUNT", "PCOUNT", "BITPIX", "CRVAL3", "CRVAL4", "CDELT3", "CDELT4", "CRPIX4"),
            *("CTYPE4", "PTYPE1", "PTYPE6", "PSCAL1", "PZERO4", "BSCALE", "VELREF", "EPOCH", "RESTFREQ", "SPECSYS"),
        )
    ),
    value=HEADER_VALUES,
)
def test_values_in_the_header_of_uvfits(tmp_path, write_uvfits, key, value):
    data = np.ones((8, 1, 3, 2), complex)
    content = whole(lambda path: write_uvfits(data, np.ones(data.shape), file=path.name), tmp_path / "whole")
    text = (
        f"{value!r:8s}" if isinstance(value, str) else "FT"[value] if isinstance(value, bool) else str(value).upper()
    )
    card = f"{key:8s}= {text:>20}"
    cards = [content[i : i + 80] for i in range(0, 2880 * 2, 80)]
    at = next((i for i, old in enumerate(cards) if old.startswith(f"{key:8s}=".encode())), None)
    if at is None:
        at = next(i for i, old in enumerate(cards) if old.startswith(b"END"))
        cards[at + 1] = cards[at]
    cards[at] = card.encode().ljust(80)[:80]
    (tmp_path / "fuzz").write_bytes(b"".join(cards) + content[2880 * 2 :])
    outcome(tmp_path / "fuzz")


@damage
@given(change=changes(), which=st.integers(0, 100))
def test_store(tmp_path, make_vis, change, which):
    original = tmp_path / "whole.zarr"
    if not original.exists():
        write_store(original, make_vis(np.arange(6.0), np.arange(6.0), np.ones((6, 3), complex)))
    path = tmp_path / "fuzz"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(original, path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    victim = files[which % len(files)]
    victim.write_bytes(change(victim.read_bytes()))
    outcome(path)


@pytest.fixture(scope="module")
def ms_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ms")


@pytest.fixture
def fresh_ms(make_ms, ms_folder):
    """Return a function that gives a fresh copy of a Measurement Set, made once."""
    original = ms_folder / "whole.ms"
    if not original.exists():
        made, _ = make_ms()
        shutil.copytree(made, original)

    def fresh():
        path = ms_folder / "copy" / "fuzz.ms"
        shutil.rmtree(path.parent, ignore_errors=True)
        shutil.copytree(original, path)
        return path

    return fresh


def files_of(path):
    """Return the files of the tables that are read."""
    read = {"ANTENNA", "DATA_DESCRIPTION", "FIELD", "OBSERVATION", "POLARIZATION", "SPECTRAL_WINDOW", path.name}
    return sorted(f for f in path.rglob("*") if f.is_file() and f.parent.name in read and f.stat().st_size)


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, None])
def test_truncated_and_removed_files_of_a_measurement_set(fresh_ms, kept):
    told = {}
    names = [file.relative_to(path) for path in [fresh_ms()] for file in files_of(path)]
    for name in names:
        path = fresh_ms()
        victim = path / name
        content = victim.read_bytes()
        victim.unlink()
        if kept is not None:
            victim.write_bytes(content[: int(kept * len(content))])
        told[str(name)] = outcome(path)
    assert "read" not in {text for name, text in told.items() if name.endswith("table.dat")}


NUMBERS = st.one_of(st.floats(width=32), st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e38]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vis_gridder.stream.history.DataWarning")  # values that are zero
@settings(damage, max_examples=25)
@given(
    column=st.sampled_from(["UVW", "WEIGHT", "DATA", "TIME", "ANTENNA1", "FIELD_ID", "DATA_DESC_ID", "SCAN_NUMBER"]),
    row=st.integers(0, 19),
    value=NUMBERS,
)
def test_values_in_a_measurement_set(fresh_ms, column, row, value):
    from casacore import tables

    path = fresh_ms()
    with tables.table(str(path), ack=False, readonly=False) as table:
        cell = np.asarray(table.getcell(column, row))
        if cell.dtype.kind == "i":
            value = int(np.clip(np.nan_to_num(value), -(2**31), 2**31 - 1))
        table.putcell(
            column, row, np.full(cell.shape, value, cell.dtype) if cell.ndim else cell.dtype.type(value).item()
        )
    outcome(path)


@pytest.mark.parametrize(
    ("table", "column", "rows"),
    [("", "UVW", None), ("", "FLAG", None), ("", "TIME", None), ("", "FLAG_ROW", None), ("FIELD", "PHASE_DIR", None)]
    + [("FIELD", "NAME", None), ("SPECTRAL_WINDOW", "CHAN_FREQ", None), ("POLARIZATION", "CORR_TYPE", None)]
    + [(name, None, 0) for name in ("", "FIELD", "ANTENNA", "SPECTRAL_WINDOW", "DATA_DESCRIPTION", "POLARIZATION")],
)
def test_columns_and_rows_that_are_gone(fresh_ms, table, column, rows):
    from casacore import tables

    path = fresh_ms()
    with tables.table(str(path / table), ack=False, readonly=False) as opened:
        if column:
            opened.removecols([column])
        else:
            opened.removerows(list(range(opened.nrows())))
    assert outcome(path) != "read"


def test_zero_channels(make_ms):
    path, _ = make_ms(frequency=np.empty(0))
    assert "zero channels" in outcome(path)

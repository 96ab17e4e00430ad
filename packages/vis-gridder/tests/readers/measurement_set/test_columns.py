"""Columns of a Measurement Set that only part of the rows have, or that hold nothing."""

import numpy as np
import pytest
from steelyard_schemas import ContractError
from typer.testing import CliRunner
from vis_gridder import DataWarning, assumptions
from vis_gridder.cli import app
from vis_gridder.readers.dispatch import open_visibilities, read_visibilities

tables = pytest.importorskip("casacore.tables", reason="python-casacore reads Measurement Sets")

CROSS = 12
"""Cross-correlations among the 20 rows that `make_ms` writes for one field and spectral window."""


def add_column(path, name, values=None, rows=(), value_type="complex"):
    """Add a column of arrays that has values in some rows only."""
    with tables.table(str(path), ack=False, readonly=False) as table:
        if name in table.colnames():
            table.removecols([name])
        zero = 0j if value_type == "complex" else 0.0
        table.addcols(tables.maketabdesc([tables.makearrcoldesc(name, zero, valuetype=value_type, ndim=2)]))
        for row in rows:
            table.putcell(name, int(row), values[row])


def no_flags(value):
    value["FLAG"][:] = value["FLAG_ROW"][:] = False


def rows_of(value, scans):
    return np.flatnonzero(np.isin(value["SCAN_NUMBER"], scans))


def stokes_i(value, data):
    """Return the mean of RR and LL by WEIGHT in the cross-correlations."""
    weight = value["WEIGHT"][:, None, [0, 3]]
    mean = (weight * data[..., [0, 3]]).sum(axis=2) / weight.sum(axis=2)
    return mean[value["ANTENNA1"] != value["ANTENNA2"]]


def test_corrected_data_of_part_of_the_rows_are_not_mixed_with_data(make_ms):
    """As after concat of a calibrated and an uncalibrated set: scans 4 and 5 have it, or 5 and 6."""
    path, value = make_ms(edit=no_flags)
    corrected = 3.0 * value["DATA"]
    for scans in ([4, 5], [5, 6]):
        add_column(path, "CORRECTED_DATA", corrected, rows_of(value, scans))
        with pytest.raises(
            ContractError, match=rf"CORRECTED_DATA in 6 of the {CROSS} rows selected only: .*--scan.*--column data"
        ):
            open_visibilities(path)
    # Where the rows selected have it, it is read, though the first row of the table does not.
    vis = read_visibilities(path, scan="5,6")
    np.testing.assert_allclose(vis["vis"], stokes_i(value, corrected)[3:9], rtol=1e-5)
    assert assumptions(vis.manifest.history)[0] == (
        "assumed CORRECTED_DATA to be the data: read them for all 6 rows; --column data reads DATA"
    )
    # And where none of them has it, DATA are.
    vis = read_visibilities(path, scan="4")
    np.testing.assert_allclose(vis["vis"], stokes_i(value, value["DATA"])[:3], rtol=1e-5)
    assert any("assumed DATA to be calibrated" in line and "all 3 rows" in line for line in vis.manifest.history)
    # Or where they are asked for.
    vis = read_visibilities(path, column="data")
    np.testing.assert_allclose(vis["vis"], stokes_i(value, value["DATA"]), rtol=1e-5)
    assert vis.manifest.history[0] == "read DATA of a Measurement Set, as chosen, 12 rows"
    with pytest.raises(ContractError, match="CORRECTED_DATA in 6 of the 12 rows"):
        open_visibilities(path, column="corrected")


def test_a_column_that_is_asked_for_and_not_there(make_ms):
    path, _ = make_ms()
    with pytest.raises(ContractError, match="has no CORRECTED_DATA in the 12 rows selected; leave out --column"):
        open_visibilities(path, column="corrected")


def test_data_of_part_of_the_rows_are_no_damage(make_ms):
    path, value = make_ms()
    add_column(path, "DATA", value["DATA"], rows_of(value, [4, 6, 7]))
    with pytest.raises(ContractError, match="DATA in 9 of the 12 rows selected only") as error:
        open_visibilities(path)
    assert "damaged" not in str(error.value)


def test_corrected_data_that_are_a_copy_of_data(make_ms):
    """As CASA makes the column; calibrated before, or not at all."""
    path, value = make_ms(edit=no_flags)
    add_column(path, "CORRECTED_DATA", value["DATA"], range(20))
    (found,) = open_visibilities(path)
    assert found.history[0].startswith(
        "assumed CORRECTED_DATA to be the data: read them for all 12 rows, which equal DATA"
    )
    (found,) = open_visibilities(path, column="data")
    assert any(line.startswith("assumed WEIGHT to be that of DATA") for line in found.history)


def test_corrected_data_of_zeros(make_ms):
    """As CASA makes the column before anything is put into it."""
    path, value = make_ms(edit=no_flags)
    add_column(path, "CORRECTED_DATA", np.zeros_like(value["DATA"]), range(20))
    with pytest.raises(
        ContractError, match=r"CORRECTED_DATA that is 0 in all 12 rows .* read DATA \(--column data\)"
    ):
        open_visibilities(path)
    vis = read_visibilities(path, column="data")
    np.testing.assert_allclose(vis["vis"], stokes_i(value, value["DATA"]), rtol=1e-5)


def test_single_dishes_are_told(make_ms):
    path, value = make_ms()
    with tables.table(str(path), ack=False, readonly=False) as table:
        table.removecols(["DATA"])
    add_column(path, "FLOAT_DATA", value["DATA"].real.astype(np.float32), range(20), "float")
    with pytest.raises(ContractError, match="FLOAT_DATA, spectra of single dishes"):
        open_visibilities(path)


def zero_spectrum(value):
    no_flags(value)
    value["WEIGHT_SPECTRUM"][:] = 0


def test_weight_serves_where_weight_spectrum_is_zero(make_ms):
    path, value = make_ms(spectrum=True, edit=zero_spectrum)
    with pytest.warns(DataWarning, match="WEIGHT_SPECTRUM is 0 in all unflagged samples: weights are from WEIGHT"):
        vis = read_visibilities(path)
    cross = value["ANTENNA1"] != value["ANTENNA2"]
    expected = np.repeat(value["WEIGHT"][cross][:, [0, 3]].sum(axis=1)[:, None], 5, axis=1)
    np.testing.assert_allclose(vis["weight"], expected, rtol=1e-6)
    assert any(line.startswith("assumed weights from WEIGHT") for line in vis.manifest.history)


def test_sigma_serves_where_weight_is_zero(make_ms):
    """Weights of 1 / sigma^2 of both hands: sigma 2 and 4 make 1/4 + 1/16."""

    def edit(value):
        no_flags(value)
        value["WEIGHT"][:] = 0
        value["SIGMA"][:] = [2.0, 9.0, 9.0, 4.0]

    path, value = make_ms(edit=edit)
    with pytest.warns(DataWarning, match="WEIGHT is 0 in all unflagged samples: weights are from SIGMA instead"):
        vis = read_visibilities(path)
    np.testing.assert_allclose(vis["weight"], 0.3125, rtol=1e-6)
    data = value["DATA"][value["ANTENNA1"] != value["ANTENNA2"]]
    np.testing.assert_allclose(vis["vis"], 0.8 * data[..., 0] + 0.2 * data[..., 3], rtol=1e-5)
    assert "weights from SIGMA as 1 / sigma^2" in vis.manifest.history


def test_sigma_serves_where_there_is_no_weight(make_ms):
    path, _ = make_ms(edit=no_flags)
    with tables.table(str(path), ack=False, readonly=False) as table:
        table.removecols(["WEIGHT"])
    vis = read_visibilities(path)
    np.testing.assert_allclose(vis["weight"], 2.0)
    assert any(line.startswith("assumed weights from SIGMA") for line in vis.manifest.history)
    with tables.table(str(path), ack=False, readonly=False) as table:
        table.removecols(["SIGMA"])
    with pytest.raises(ContractError, match=r"has no weights in all rows .*initweights"):
        open_visibilities(path)


def test_zero_weights_of_a_few_rows_are_flags_still(make_ms):
    """The first hundreds of rows may be without weight; one that has some decides, wherever it is."""

    def edit(value):
        no_flags(value)
        value["WEIGHT"][:18] = 0

    path, _ = make_ms(edit=edit)
    vis = read_visibilities(path)
    assert np.count_nonzero(vis["flag"].all(axis=1)) == CROSS - 1
    assert "weights from WEIGHT" in vis.manifest.history

    def flagged(value):
        value["FLAG"][:] = True
        value["FLAG"][18] = False
        value["FLAG_ROW"][:] = False
        value["WEIGHT"][18] = 0

    path, _ = make_ms(edit=flagged, name="other")
    with pytest.warns(DataWarning, match="weights are from SIGMA"):
        assert np.count_nonzero(~read_visibilities(path)["flag"]) == 5


def test_the_terminal_says_which_column_was_read(make_ms, tmp_path):
    def edit(value):
        zero_spectrum(value)
        value["SCAN_NUMBER"][:] = 1  # so that baselines repeat within a scan

    path, value = make_ms(edit=edit, spectrum=True)
    add_column(path, "CORRECTED_DATA", 3.0 * value["DATA"], range(20))
    run = CliRunner().invoke
    for command in (["info", path], ["grid", path, "--cell-arcsec", "30", "--npix", "64", "-o", tmp_path / "out"]):
        result = run(app, [str(part) for part in command])
        assert result.exit_code == 0, result.stderr
        assert "assumed CORRECTED_DATA to be the data" in result.stdout
        assert "warning: odd name: WEIGHT_SPECTRUM is 0" in result.stderr
    result = run(app, ["info", str(path), "--column", "data"])
    assert "read DATA of a Measurement Set, as chosen" in result.stdout
    result = run(app, ["convert", str(path), "--column", "data", "-o", str(tmp_path / "vis.zarr")])
    assert result.exit_code == 0
    assert "warning: odd name: WEIGHT_SPECTRUM is 0" in result.stderr
    result = run(app, ["info", str(path), "--column", "model"])
    assert result.exit_code == 1
    assert "--column: is model; choose data or corrected" in result.stderr

"""Text tables: each layout is written here as its author's package writes it, from numbers known beforehand."""

import gzip
import json

import numpy as np
import pytest
from steelyard_schemas import ContractError
from vis_gridder import assumptions
from vis_gridder.readers.dispatch import detect_format, open_visibilities, read_visibilities
from vis_gridder.stream.source import collect

C = 299_792_458.0
N_ROWS = 30
F = 230e9 + 1e7 * np.arange(4)


@pytest.fixture
def cube():
    """u, v [row] m, and vis, weight [channel, row]."""
    rng = np.random.default_rng(0)
    u, v = rng.uniform(-300, 300, (2, N_ROWS))
    vis = rng.standard_normal((F.size, N_ROWS)) + 1j * rng.standard_normal((F.size, N_ROWS))
    return u, v, vis, rng.uniform(1, 2, vis.shape)


def long_form(cube, wavelengths=False, channels=slice(None)):
    """Columns u v re im weight frequency, all rows of a channel before the next channel."""
    u, v, vis, weight = cube
    frequency = np.repeat(F[channels], N_ROWS)
    vis, weight = vis[channels].ravel(), weight[channels].ravel()
    per_metre = frequency / C if wavelengths else np.ones(frequency.size)
    n = F[channels].size
    return np.column_stack(
        [np.tile(u, n) * per_metre, np.tile(v, n) * per_metre, vis.real, vis.imag, weight, frequency]
    )


def check(vis, cube, rtol):
    u, v, data, weight = cube
    np.testing.assert_allclose(vis["u_m"], u, rtol=rtol)
    np.testing.assert_allclose(vis["v_m"], v, rtol=rtol)
    np.testing.assert_allclose(vis["vis"], data.T, rtol=max(rtol, 1e-6))
    np.testing.assert_allclose(vis["weight"], weight.T, rtol=max(rtol, 1e-6))
    assert not vis["flag"].any()
    assert np.all(vis["antenna1"] == -1)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("row_major", [False, True])
@pytest.mark.parametrize(
    ("names", "delimiter", "comments", "wavelengths"),
    [
        ("u_m,v_m,re,im,weight,frequency_hz", ",", "", False),
        ("u_lambda, v_lambda, Re, Im, w, freqs", ",", "", True),
        ("u[m] v[m] Re(V)[Jy] Im(V)[Jy] weight freq[Hz]", " ", "# ", False),
        ("UU [lambda]\tVV [lambda]\treal\timag\tweights\tfrequency", "\t", "# ", True),
    ],
)
def test_cubes_in_long_form(tmp_path, cube, names, delimiter, comments, wavelengths, row_major, compress):
    path = tmp_path / "no.suffix"
    table = long_form(cube, wavelengths)
    if row_major:
        table = table.reshape(F.size, N_ROWS, -1).swapaxes(0, 1).reshape(table.shape)
    np.savetxt(path, table, delimiter=delimiter, header=names, comments=comments)
    if compress:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert detect_format(path) == "text"
    vis = read_visibilities(path)
    # 18 digits in the file.
    check(vis, cube, 1e-12)
    np.testing.assert_allclose(vis["frequency_hz"], F, rtol=1e-15)
    np.testing.assert_allclose(vis["channel_width_hz"], 1e7, rtol=1e-9)


def test_descending_frequencies_and_columns_in_any_order(tmp_path, cube):
    path = tmp_path / "t.csv"
    table = long_form(cube)[::-1]
    # Each channel keeps the order of its rows.
    table = table.reshape(F.size, N_ROWS, -1)[:, ::-1].reshape(table.shape)[:, [5, 4, 3, 2, 1, 0]]
    extra = np.column_stack([np.full(len(table), 7.0), table, np.full(len(table), 2.5)])
    np.savetxt(path, extra, delimiter=",", header="scan,freq_ghz,w,im,re,v_m,u_m,w_m", comments="")
    path.write_text("\n".join(scale_column(line, 1) for line in path.read_text().splitlines()) + "\n")
    vis = read_visibilities(path)
    check(vis, cube, 1e-12)
    assert np.all(vis["w_m"] == 2.5)
    assert "left out the columns scan" in vis.manifest.history


def scale_column(line, at):
    """Turn one column from Hz to GHz."""
    parts = line.split(",")
    try:
        parts[at] = repr(float(parts[at]) / 1e9)
    except ValueError:
        return line
    return ",".join(parts)


def test_export_of_uvplot(tmp_path, cube):
    """As `uvplot.export_uvtable` 0.2.x writes it: metres, one wavelength; the width is for the user to add."""
    path = tmp_path / "uvtable.txt"
    said = f"Extracted from some.ms.\nwavelength[m] = {C / F[0]}\nColumns:\tu[m]\tv[m]\tRe(V)[Jy]\tIm(V)[Jy]\tweight"
    table = long_form(cube, channels=slice(0, 1))[:, :5]
    np.savetxt(path, table, fmt="%10.6e", delimiter="\t", header=said)
    with pytest.raises(ContractError, match=r"single channel .* add a line: # channel_width_hz = 2e9"):
        read_visibilities(path)
    np.savetxt(path, table, fmt="%10.6e", delimiter="\t", header=f"channel_width_hz = 2e9\n{said}")
    vis = read_visibilities(path)
    # Seven digits.
    check(vis, (*cube[:2], cube[2][:1], cube[3][:1]), 1e-6)
    np.testing.assert_allclose(vis["frequency_hz"], F[:1], rtol=1e-12)
    assert vis["channel_width_hz"] == 2e9


def test_uvtable_of_uvplot_with_frequencies_and_windows(tmp_path, cube):
    """As `UVTable.save` writes it: JSON header, wavelengths, seven digits, which make the spacing uneven."""
    path = tmp_path / "uvtable.txt"
    table = long_form(cube, wavelengths=True)
    # 1.9531 MHz apart: seven digits of 230 GHz are 0.1 MHz.
    frequency = 230.0000123e9 + 1.9531e6 * np.arange(F.size)
    table[:, :2] *= (np.repeat(frequency, N_ROWS) / table[:, 5])[:, None]
    table[:, 5] = np.repeat(frequency, N_ROWS)
    both = np.concatenate([np.column_stack([table, np.full(len(table), window)]) for window in (0.0, 3.0)])
    both[len(table) :, 5] += 1e9
    both[len(table) :, :2] *= (both[len(table) :, 5] / table[:, 5])[:, None]
    columns = ["u", "v", "Re", "Im", "weights", "freqs", "spws"]
    units = ["lambda", "lambda", "Jy", "Jy", "None", "Hz", "None"]
    header = json.dumps({"columns": columns, "units": units})
    np.savetxt(path, both, fmt="%10.6e", delimiter="\t", header=header)
    with pytest.raises(ContractError, match=r"choose one by spw=: 0 \(spw 0\), 3 \(spw 3\)"):
        read_visibilities(path)
    first, second = open_visibilities(path, spw="all")
    for stream, start in ((first, frequency[0]), (second, frequency[0] + 1e9)):
        check(collect(stream), cube, 3e-6)
        # Half of the last digit, 0.05 MHz, and less through the line.
        np.testing.assert_allclose(stream.frequency_hz, start + 1.9531e6 * np.arange(F.size), atol=1e5)
        assert np.ptp(np.diff(stream.frequency_hz)) < 1.0


def test_weights_of_zero_and_values_that_are_not_finite_are_flagged(tmp_path, cube):
    path = tmp_path / "t.csv"
    table = long_form(cube)
    table[3, 4], table[5, 2] = 0.0, np.nan
    np.savetxt(path, table, delimiter=",", header="u_m,v_m,re,im,weight,frequency_hz", comments="")
    vis = read_visibilities(path)
    assert np.argwhere(vis["flag"]).tolist() == [[3, 0], [5, 0]]


@pytest.mark.parametrize(
    ("names", "vis_jy", "weight", "said"),
    [
        (
            "u_m v_m re im w freq",
            1.0,
            1.0,
            ["in Jy: call the column re_mjy", "1/Jy^2, which the column w ", "freq in Hz"],
        ),
        ("u_m v_m re_jy im_jy weight[1/Jy^2] frequency_hz", 1.0, 1.0, []),
        ("u_m v_m re_mjy im_mjy weight frequency_hz", 1e-3, 1e6, ["1/mJy^2, which the column weight "]),
        ("u_m v_m re[mJy] im[mJy] weight[1/mJy^2] frequency_hz", 1e-3, 1e6, []),
    ],
)
def test_units_that_a_table_does_not_state_are_said(tmp_path, cube, names, vis_jy, weight, said):
    path = tmp_path / "t.txt"
    np.savetxt(path, long_form(cube), header=names)
    vis = read_visibilities(path)
    check(vis, (*cube[:2], cube[2] * vis_jy, cube[3] * weight), 1e-6)
    lines = assumptions(vis.manifest.history)
    of_units = [line for line in lines if " Hz" in line or "Jy" in line]
    assert len(of_units) == len(said)
    for words, line in zip(said, of_units, strict=True):
        assert words in line
    for words in ("frame", "sign", "phase centre", "primary beam"):
        assert any(words in line for line in lines), words


def test_units_that_a_table_states_wrongly(tmp_path, cube):
    path = tmp_path / "t.txt"
    table = long_form(cube, wavelengths=True)
    table[:, :2] /= 1e3
    np.savetxt(path, table, header="u_lambda v_lambda re im weight frequency_hz")
    with pytest.raises(ContractError, match=r"longest baseline 0.\d+ m as lambda, shorter than a dish: .*kilolambda"):
        read_visibilities(path)
    np.savetxt(path, table, header="u_klambda v_klambda re im weight frequency_hz")
    check(read_visibilities(path), cube, 1e-6)
    # 10 MHz, written without a unit.
    np.savetxt(
        path,
        np.column_stack([long_form(cube), np.full(len(table), 10.0)]),
        header="u_m v_m re im weight frequency_hz channel_width",
    )
    with pytest.raises(
        ContractError, match=r"channels 10 Hz wide but 1e\+07 Hz apart; give the unit of channel_width"
    ):
        read_visibilities(path)
    np.savetxt(path, long_form(cube), header="u_m v_m re im weight[kg] frequency_hz")
    with pytest.raises(ContractError, match=r"weight.* in a unit that is not known"):
        read_visibilities(path)


def test_a_wavelength_in_millimetres(tmp_path, cube):
    path = tmp_path / "t.txt"
    head = f"channel_width_hz = 2e9\nwavelength[mm] = {1e3 * C / F[0]}\nu[m] v[m] Re Im weight"
    np.savetxt(path, long_form(cube, channels=slice(0, 1))[:, :5], header=head)
    assert read_visibilities(path)["frequency_hz"] == pytest.approx(F[:1])


def numbers(n_columns=6, n_rows=4):
    return "\n".join(" ".join(f"{i + 10 * j + 1}" for i in range(n_columns)) for j in range(n_rows)) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (numbers(5), r"does not name its columns; begin it with a line such as: # u_m v_m re im weight frequency_hz"),
        ("# u v re im weight frequency_hz\n" + numbers(), "does not give the unit of u; call it u_m or u_lambda"),
        ("# u[ft] v[m] re im weight freq\n" + numbers(), "unit that is not known"),
        ("# u_m v_m re im frequency_hz\n" + numbers(5), "lacks the column weight"),
        ("# u_m v_m re im weight\n" + numbers(5), "gives no frequency; add a column"),
        ("# u_m v_m re im weight w frequency_hz\n" + numbers(7), "names two columns for weight"),
        ("# u_m v_m re im weight frequency_hz\n" + numbers(5), "names 6 columns but has 5"),
        ("# u_m v_m re im weight frequency_hz\n" + numbers() + "1 2 3\n", r"damaged table \("),
        ("# u_m v_m re im weight frequency_hz\n1 2 3 4 5 230e9\n3 4 3 4 5 230e9\n1 2 3 4 5 231e9\n", "same rows, of"),
        ("# u_m v_m re im weight frequency_hz\n1 2 3 4 5 230e9\n9 2 3 4 5 231e9\n", "channels of different u"),
        ("# u_m v_m re im weight frequency_hz\n1 2 3 4 5 230\n1 2 3 4 5 231\n", "GHz, it seems; Hz is due"),
        ("# u_m v_m re im weight frequency_hz\n1 2 3 4 5 230e9\n1 2 3 4 5 nan\n", "frequencies that are NaN"),
        ("# u_m v_m re im weight freq\n1 2 3 4 -5 230e9\n1 2 3 4 5 231e9\n", "weights that are NaN, inf"),
        ("# u_m v_m re im weight freq\nnan 2 3 4 5 230e9\nnan 2 3 4 5 231e9\n", "u_m that is NaN or infinite in 1"),
        ("# u_m v_m re im weight freq\n1 2 3 4 0 230e9\n1 2 3 4 0 231e9\n", "without weight"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "t.txt"
    path.write_text(text)
    with pytest.raises(ContractError, match=message) as error:
        read_visibilities(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["u v re im\n", "a b c d\ne f g h\n1 2 3 4\n", "1 2 3\n4 5 6\n", "# 1 2 3 4\n"])
def test_text_that_is_no_table(tmp_path, text):
    path = tmp_path / "t.txt"
    path.write_text(text)
    with pytest.raises(ContractError, match="is not a Measurement Set"):
        read_visibilities(path)

"""Gridded files of viscube: written here cell by cell from the definition, read, and compared with a known sky."""

import numpy as np
import pytest
from scipy.special import i0
from steelyard_schemas import ContractError
from vis_gridder import dirty_cube, open_visibilities
from vis_gridder.readers.viscube.errors import KNOWN_DOF, error_dof, pool_channels
from vis_gridder.readers.viscube.grid import is_viscube_grid, read_viscube_grid

NPIX, FIELD_ARCSEC, CENTRE = 17, 6.8, 8
ARCSEC = np.pi / 648000
DELTA_U = 1 / (FIELD_ARCSEC * ARCSEC)
F = 230e9 + 1e7 * np.arange(3)
ZERO_NOISE = 0.003j
SOURCES = ((1.0, 1.2, 0.8), (0.4, -0.7, 1.9))  # Jy, arcsec east, arcsec north


def sky_visibility(u, v):
    """V(u, v) = sum I exp(+2 pi i (u l + v m)), the sign of a Measurement Set."""
    return sum(flux * np.exp(2j * np.pi * ARCSEC * (u * east + v * north)) for flux, east, north in SOURCES)


def file_arrays(half, *, beta=2.0):
    """Return the arrays of a file: rows of -v, columns of u, channel c being (c + 1) times the sky."""
    shape = (F.size, NPIX, NPIX)
    vis, std_re, mask = np.zeros(shape, complex), np.zeros(shape), np.zeros(shape, bool)
    for row in range(NPIX):
        for column in range(NPIX):
            u, v = (column - CENTRE) * DELTA_U, -(row - CENTRE) * DELTA_U
            vis[:, row, column] = (1 + np.arange(F.size)) * sky_visibility(u, v)
            std_re[:, row, column] = 0.01 * (1 + (np.hypot(u, v) / DELTA_U))
            # Some cells are empty, the same on both sides of the origin.
            mask[:, row, column] = (abs(row - CENTRE) + 2 * abs(column - CENTRE)) % 5 != 4
    # Noise: an imaginary part of exactly 0 is what conjugates leave that were averaged with the originals.
    vis[:, CENTRE, CENTRE] += ZERO_NOISE
    x = (np.arange(NPIX) - CENTRE) / NPIX
    # The taper as its definition, the Fourier integral of the kernel over its cell.
    offset = np.linspace(-0.5, 0.5, 20001)
    kernel = i0(beta * np.sqrt(1 - (2 * offset) ** 2))
    profile = np.trapezoid(kernel * np.cos(2 * np.pi * np.multiply.outer(x, offset)), offset) / np.trapezoid(
        kernel, offset
    )
    arrays = {
        "vis_bin_re": vis.real,
        "vis_bin_imag": vis.imag,
        "std_bin_re": std_re,
        "std_bin_imag": 1.5 * std_re,
        "mask": mask,
    }
    if half:
        # What viscube's half_plane_slab and half_plane_mask_fix leave.
        arrays = {name: array[:, CENTRE:].copy() for name, array in arrays.items()}
        arrays["mask"][:, 0, :CENTRE] = False
        for name in ("vis_bin_re", "vis_bin_imag"):
            arrays[name][~arrays["mask"]] = 0.0
    return arrays | {
        "npix": NPIX,
        "fov_arcsec": FIELD_ARCSEC,
        "delta_u": DELTA_U,
        "chan_freq_hz": F,
        "half_plane": half,
        "window": "kaiser_bessel",
        "window_m": 1,
        "window_beta": beta,
        "taper_map": np.outer(profile, profile),
        "notes": np.array([None]),
    }


@pytest.fixture
def write(tmp_path):
    def write(arrays):
        path = tmp_path / "cube.npz"
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
        return path

    return write


@pytest.mark.parametrize("half", [True, False])
def test_every_cell_lies_where_the_sky_says_and_counts_once(write, half):
    path = write(file_arrays(half))
    assert is_viscube_grid(path)
    gridded = read_viscube_grid(path)
    manifest, mask = gridded.manifest, gridded["mask"]
    assert (manifest.npix, manifest.kernel.beta, manifest.cell_moments) == (NPIX, 2.0, False)
    assert manifest.cell_arcsec == pytest.approx(FIELD_ARCSEC / NPIX, rel=1e-11)
    u, v = np.meshgrid(gridded["u_wavelengths"], gridded["v_wavelengths"])
    k, j = np.rint(u / DELTA_U), np.rint(v / DELTA_U)
    filled = ((abs(j) + 2 * abs(k)) % 5 != 4) & ~((k == 0) & (j < 0))
    for channel in range(F.size):
        np.testing.assert_array_equal(mask[channel], filled)
        truth = np.where(filled, (1 + channel) * sky_visibility(u, v), 0)
        truth[0, 0] += ZERO_NOISE
        # complex64: 1e-7 of the largest, 4.2 Jy.
        np.testing.assert_allclose(gridded["mean"][channel], truth, atol=1e-6)
        variance = np.where(filled, (1 + 1.5**2) / 2 * (0.01 * (1 + np.hypot(k, j))) ** 2, 0)
        np.testing.assert_allclose(gridded["variance"][channel], variance, rtol=1e-6)
    np.testing.assert_array_equal(gridded["count"], mask)
    assert manifest.noise.n_used == mask.sum()
    np.testing.assert_array_equal(gridded["frequency_hz"], F)
    assert manifest.channel_width_hz == pytest.approx(1e7)


def test_the_dirty_image_of_an_odd_grid_shows_the_sources_where_they_are(write):
    arrays = file_arrays(True)
    arrays["mask"][:] = True
    arrays["mask"][:, 0, :CENTRE] = False
    full = file_arrays(False)
    for name in ("vis_bin_re", "vis_bin_imag"):
        arrays[name] = full[name][:, CENTRE:]
    for name in ("std_bin_re", "std_bin_imag"):
        arrays[name] = np.ones_like(arrays[name])
    image = dirty_cube(read_viscube_grid(write(arrays)), correct_taper=False)[0]
    # With every cell filled alike, the sum over the whole plane is a Dirichlet kernel of each source; the half plane
    # holds one of each pair and the zero baseline, which stands for the flux.
    flux = sum(source[0] for source in SOURCES)
    for x, y in [(3, 2), (-2, 5), (-3, -2), (2, -5), (0, 0)]:
        whole = sum(f * dirichlet(x - east / 0.4) * dirichlet(y - north / 0.4) for f, east, north in SOURCES)
        expected = (NPIX**2 * whole + flux) / (NPIX**2 + 1)
        # float32 of a sum of 145 cells.
        assert image[CENTRE + y, CENTRE + x] == pytest.approx(expected, abs=1e-6)
    assert np.unravel_index(np.argmax(image), image.shape) == (CENTRE + 2, CENTRE + 3), "y north, x east"


def dirichlet(x):
    """Mean of exp(2 pi i k x / n) over k = -(n - 1) / 2 ... (n - 1) / 2."""
    return np.mean(np.cos(2 * np.pi * np.arange(-CENTRE, CENTRE + 1) * x / NPIX))


def test_a_grid_is_not_taken_for_visibilities(write):
    path = write(file_arrays(half=True))
    with pytest.raises(ContractError, match="holds gridded visibilities"):
        open_visibilities(path)


def test_channels_come_out_ascending(write):
    arrays = file_arrays(True)
    expected = read_viscube_grid(write(arrays))
    for name in ("chan_freq_hz", "vis_bin_re", "vis_bin_imag", "std_bin_re", "std_bin_imag", "mask"):
        arrays[name] = arrays[name][::-1]
    turned = read_viscube_grid(write(arrays))
    for name in expected.arrays:
        np.testing.assert_array_equal(turned[name], expected[name])


def test_cells_without_a_usable_error_hold_no_data(write):
    arrays = file_arrays(True)
    before = read_viscube_grid(write(arrays))["mask"]
    assert before[0, -1, 1]
    assert before[1, 1, 0]
    arrays["std_bin_re"][0, 1, CENTRE + 1] = np.nan  # v = -1, u = 1
    arrays["std_bin_imag"][1, 1, CENTRE] = 0.0  # v = -1, u = 0: our v = 1
    gridded = read_viscube_grid(write(arrays))
    assert np.argwhere(before & ~gridded["mask"]).tolist() == [[0, NPIX - 1, 1], [1, 1, 0]]
    assert gridded["variance"][0, -1, 1] == 0
    assert any("left out 2 cells" in line for line in gridded.manifest.history)


def test_a_zero_baseline_averaged_with_its_conjugates_is_left_out(write):
    arrays = file_arrays(False)
    assert read_viscube_grid(write(arrays))["mask"][:, 0, 0].all()
    arrays["vis_bin_imag"][:, CENTRE, CENTRE] = 1e-17
    gridded = read_viscube_grid(write(arrays))
    assert not gridded["mask"][:, 0, 0].any()
    assert any("zero baseline" in line for line in gridded.manifest.history)


@pytest.mark.parametrize("window", ["pillbox", "Kaiser-Bessel"])
def test_a_top_hat_may_be_called_either_way(write, window):
    gridded = read_viscube_grid(write(file_arrays(True, beta=0.0) | {"window": window}))
    assert gridded.manifest.kernel.beta == 0.0
    assert gridded.manifest.kernel.width_cells == 1.0


def test_degrees_of_freedom_come_from_how_the_errors_differ():
    rng = np.random.default_rng(0)
    shape, few, many = (400, 6, 10), 5.0, 40.0
    nu = np.broadcast_to(np.where(np.arange(10) < 5, few, many), shape)
    mask = rng.random(shape) < 0.8
    # True variances differ from cell to cell and channel to channel, as a bandpass makes them.
    variance = np.exp(rng.normal(size=shape))
    re, im = (variance * rng.chisquare(nu) / nu for _ in range(2))
    found = error_dof(np.where(mask, re, 0), np.where(mask, im, 0), mask)
    assert np.all(found[~mask] == 0)
    for each in (few, many):
        of_these = found[mask & (nu == each)]
        # The mean square of 320 logarithms is known to 8-9 %, and nu is about 2 to 1 in it; 30 cells.
        assert np.median(of_these) == pytest.approx(2 * each, rel=0.08)
        assert of_these.std() < 0.15 * 2 * each
    same = error_dof(re, re, mask)
    np.testing.assert_allclose(same[mask], KNOWN_DOF, rtol=1e-6)


def even():
    return {
        "npix": 16,
        "half_plane": False,
        **{
            name: np.ones((3, 16, 16))
            for name in ("vis_bin_re", "vis_bin_imag", "std_bin_re", "std_bin_imag", "mask")
        },
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"std_bin_re": None}, "lacks the array std_bin_re"),
        ({"chan_freq_hz": None, "npix": None}, "lacks the array npix, chan_freq_hz"),
        ({"npix": np.array([17, 17])}, r"npix = \[17, 17\], expected one positive number"),
        ({"npix": 17.5}, "expected a whole number"),
        (even(), "npix = 16: viscube's cells of an even grid"),
        ({"delta_u": np.nan}, "expected one positive number"),
        ({"fov_arcsec": 6.9}, "makes a field of 6.8 arcsec, but fov_arcsec = 6.9"),
        ({"window": None}, "does not give its gridding kernel"),
        ({"window": "pswf"}, "window 'pswf', which is not known here"),
        ({"window_m": 6}, "window_m = 6: cells that share visibilities"),
        ({"window_beta": None}, "lacks window_beta"),
        ({"window_beta": -1.0}, "expected one number of 0 or more"),
        ({"window_beta": 3.0}, "taper_map that is not that of its window"),
        ({"taper_map": np.ones((3, 3))}, r"taper_map of shape \(3, 3\)"),
        ({"mask": np.ones((3, 17, 17), bool)}, r"mask of shape \(3, 17, 17\), expected \(3, 9, 17\) of a half-plane"),
        ({"half_plane": False}, r"expected \(3, 17, 17\) of a full-plane"),
        ({"vis_bin_re": np.array(["a"])}, "vis_bin_re of type <U1, expected numbers"),
        ({"vis_bin_re": np.array([None])}, "Object arrays cannot be loaded"),
        ({"chan_freq_hz": F / 1e9}, "GHz, it seems"),
        ({"chan_freq_hz": F[:2]}, r"expected \(2, 9, 17\)"),
        ({"mask": np.zeros((3, 9, 17), bool)}, "no cell with data"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(write, change, message):
    path = write(file_arrays(True) | change)
    with pytest.raises(ContractError, match=message) as caught:
        read_viscube_grid(path)
    assert "\n" not in str(caught.value)


def test_a_whole_plane_without_its_conjugates_is_refused(write):
    arrays = file_arrays(False)
    arrays["vis_bin_imag"] = abs(arrays["vis_bin_imag"]) + 0.1
    with pytest.raises(ContractError, match="not the conjugates of their mirror images"):
        read_viscube_grid(write(arrays))
    arrays = file_arrays(False)
    arrays["mask"][:, :CENTRE] = False
    with pytest.raises(ContractError, match="not the conjugates of their mirror images"):
        read_viscube_grid(write(arrays))


def outcome(path):
    try:
        read_viscube_grid(path)
    except ContractError as error:
        return str(error)
    return "read"


def test_damage_never_escapes_as_another_error(write, tmp_path):
    whole = write(file_arrays(True)).read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(40):
        raw = bytearray(whole)
        start = rng.integers(len(raw) - 30)
        raw[start : start + 30] = rng.bytes(30)
        path = tmp_path / "damaged.npz"
        path.write_bytes(raw[: rng.integers(len(raw) // 2, len(raw) + 1)])
        is_viscube_grid(path)
        assert "\n" not in outcome(path)


def test_other_files_are_told_apart(tmp_path):
    np.savez(tmp_path / "vis.npz", vis=np.ones(3), u=np.ones(3))
    (tmp_path / "text").write_text("u v\n")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "vis.npz").read_bytes()[:-30])
    for path in (tmp_path / "vis.npz", tmp_path / "text", tmp_path / "cut.npz", tmp_path, tmp_path / "absent"):
        assert not is_viscube_grid(path)


def test_errors_that_differ_by_chance_are_pooled_over_channels_and_others_are_not():
    rng = np.random.default_rng(3)
    n_channels, nu = 40, 12
    cell = np.exp(rng.normal(size=(20, 15)))
    channel = np.where(np.arange(n_channels) < 4, 2.5, 1.0)
    truth = channel[:, None, None] * cell
    mask = rng.random(truth.shape) < 0.9
    found = np.where(mask, truth * rng.chisquare(nu, truth.shape) / nu, 0)
    dof = np.where(mask, float(nu), 0)
    variance, pooled_dof, pooled = pool_channels(found, dof, mask)
    assert pooled
    # A cell's mean over 36 channels of 12 degrees of freedom: 7 % by chance, five of them; one channel has 41 %.
    np.testing.assert_allclose(variance[mask], truth[mask], rtol=0.35)
    assert np.std(variance[mask] / truth[mask]) < 0.08
    np.testing.assert_array_equal(pooled_dof[mask], (nu * mask * mask.sum(axis=0))[mask])
    assert not variance[~mask].any()
    # Half of the samples flagged in some channels of some cells: no product, nothing is touched.
    uneven = np.where(mask, found * np.where(rng.random(truth.shape) < 0.3, 2.0, 1.0), 0)
    same, same_dof, pooled = pool_channels(uneven, dof, mask)
    assert not pooled
    assert same is uneven
    assert same_dof is dof
    assert not pool_channels(found[:1], dof[:1], mask[:1])[2], "a single channel has nothing to pool"

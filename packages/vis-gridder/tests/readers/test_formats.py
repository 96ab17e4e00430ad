import tarfile
import zipfile

import numpy as np
import pytest
from steelyard_schemas import ContractError, write_store
from vis_gridder import assumptions, grid
from vis_gridder.gridding.spec import GridSpec
from vis_gridder.readers.dispatch import detect_format, read_visibilities

C = 299_792_458.0
F = 230e9 + 1e7 * np.arange(4)


@pytest.fixture
def viscube_arrays():
    """What viscube's extraction notebooks save: [channel, row], u and v in wavelengths of each channel."""
    rng = np.random.default_rng(0)
    metres = rng.uniform(-300, 300, (2, 50))
    u, v = metres[:, None, :] * F[None, :, None] / C
    return {
        "chan_freq_hz": F,
        "u": u,
        "v": v,
        "vis": rng.standard_normal((4, 50)) + 1j * rng.standard_normal((4, 50)),
        "weight": rng.uniform(1, 2, (4, 50)),
        "mask": rng.random((4, 50)) < 0.9,
        "sigma_re_cube": np.ones((4, 50)),
    }, metres


def test_viscube_npz(tmp_path, viscube_arrays):
    arrays, metres = viscube_arrays
    path = tmp_path / "no.suffix"
    with path.open("wb") as file:
        np.savez(file, **arrays)
    vis = read_visibilities(path)
    np.testing.assert_allclose(vis["u_m"], metres[0], rtol=1e-12)
    np.testing.assert_allclose(vis["v_m"], metres[1], rtol=1e-12)
    good = arrays["mask"].T
    np.testing.assert_array_equal(vis["flag"], ~good)
    # float32 of our contract: 1e-7.
    np.testing.assert_allclose(vis["vis"][good], arrays["vis"].T[good], rtol=1e-6)
    np.testing.assert_allclose(vis["weight"][good], arrays["weight"].T[good], rtol=1e-6)
    assert grid(vis, GridSpec(0.4, 32)).manifest.noise.n_used == good.sum()


@pytest.mark.parametrize("gigahertz", [False, True])
def test_npz_as_load_and_mask_of_viscube_takes_it(tmp_path, viscube_arrays, gigahertz):
    """`load_and_mask(frequencies, uu, vv, vis, weight, sigma_re, sigma_im, mask)`; notebooks save `data`, and GHz."""
    arrays, metres = viscube_arrays
    path = tmp_path / "some.npz"
    np.savez(
        path,
        frequencies=F / 1e9 if gigahertz else F,
        uu=arrays["u"],
        vv=arrays["v"],
        weight=arrays["weight"],
        mask=arrays["mask"],
        sigma_re=np.ones((4, 50)),
        sigma_im=np.ones((4, 50)),
        **{"data" if gigahertz else "vis": arrays["vis"]},
    )
    vis = read_visibilities(path)
    np.testing.assert_allclose(vis["u_m"], metres[0], rtol=1e-12)
    np.testing.assert_allclose(vis["frequency_hz"], F, rtol=1e-15)
    np.testing.assert_array_equal(vis["flag"], ~arrays["mask"].T)
    assert any("GHz" in line for line in vis.manifest.history) == gigahertz


def test_conjugates_appended_by_viscube_count_once(tmp_path, viscube_arrays):
    arrays, metres = viscube_arrays
    both = {name: np.concatenate([arrays[name]] * 2, axis=1) for name in ("u", "v", "vis", "weight", "mask")}
    for name in ("u", "v"):
        both[name][:, 50:] *= -1
    both["vis"][:, 50:] = both["vis"][:, 50:].conj()
    path = tmp_path / "some.npz"
    np.savez(path, chan_freq_hz=F, **both)
    vis = read_visibilities(path)
    np.testing.assert_allclose(vis["u_m"], metres[0], rtol=1e-12)
    assert "dropped 50 rows that are the conjugates of the others" in vis.manifest.history
    # Doubled by conjugation, the data hold the same Fisher information, not twice it.
    np.savez(path, **arrays)
    spec = GridSpec(0.05, 64)
    doubled, once = (grid(v, spec) for v in (vis, read_visibilities(path)))
    np.testing.assert_array_equal(doubled["count"], once["count"])
    np.testing.assert_allclose(doubled["variance"], once["variance"], rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"u": None}, "lacks the array u or uu"),
        ({"weight": np.ones((4, 49))}, "weight of shape"),
        ({"vis": np.ones(4)}, "vis of shape"),
        ({"u": np.ones((4, 50))}, "does not scale with frequency"),
        ({"weight": np.full((4, 50), np.nan)}, "weights that are NaN"),
        ({"mask": np.zeros((4, 50), bool)}, "all data flagged"),
        ({"chan_freq_hz": F / 1e9}, "GHz, it seems"),
        ({"chan_freq_hz": F * 1e9}, "above all radio telescopes"),
        ({"chan_freq_hz": np.full(4, 230e9)}, "zero"),
        ({"chan_freq_hz": F[:0], "vis": np.ones((0, 50)), "u": np.ones((0, 50))}, "zero channels"),
        ({"u": np.array([None])}, "Object arrays cannot be loaded"),
    ],
)
def test_viscube_npz_that_cannot_be_used(tmp_path, viscube_arrays, change, message):
    arrays = {name: value for name, value in (viscube_arrays[0] | change).items() if value is not None}
    path = tmp_path / "some.npz"
    np.savez(path, **arrays)
    with pytest.raises(ContractError, match=message):
        read_visibilities(path)


def save(path, arrays, **change):
    np.savez(path, **{name: value for name, value in (arrays | change).items() if value is not None})
    return path


def test_units_that_an_npz_does_not_state_are_tested_and_said(tmp_path, viscube_arrays):
    arrays, metres = viscube_arrays
    longest = np.hypot(*metres).max()
    lines = assumptions(read_visibilities(save(tmp_path / "a.npz", arrays)).manifest.history)
    good = f"{100 * arrays['mask'].mean():.3g} % are"
    for said in (
        f"longest baseline is {longest:.6g} m",
        "in Jy",
        "1 / sigma^2",
        good,
        "frame",
        "sign",
        "phase centre",
        "beam",
    ):
        assert any(said in line for line in lines), said
    lines = assumptions(read_visibilities(save(tmp_path / "b.npz", arrays, mask=None)).manifest.history)
    assert any("no mask" in line for line in lines)
    short = f"longest baseline {longest / 1000:.3g} m as wavelengths, shorter than a dish: .* kilolambda"
    with pytest.raises(ContractError, match=short):
        read_visibilities(save(tmp_path / "c.npz", arrays, u=arrays["u"] / 1e3, v=arrays["v"] / 1e3))
    u_m, v_m = (np.tile(m, (4, 1)) for m in metres)
    with pytest.raises(ContractError, match=r"u that does not scale with frequency.*metres, it seems"):
        read_visibilities(save(tmp_path / "d.npz", arrays, u=u_m, v=v_m))
    # A single channel cannot scale with frequency; it has no width either.
    one = {name: value[:1] for name, value in arrays.items()}
    with pytest.raises(ContractError, match="single channel"):
        read_visibilities(save(tmp_path / "e.npz", one))


@pytest.mark.parametrize(("power", "refused"), [(-2, False), (1, True), (2, True), (0, False)])
def test_weights_that_are_standard_deviations_or_variances(tmp_path, power, refused):
    """Noise of sigma from 1 to 4 Jy on a line of 30 Jy; weights are sigma to a power."""
    rng = np.random.default_rng(3)
    sigma = np.tile(rng.uniform(1.0, 4.0, 2000), (6, 1))
    metres = rng.uniform(-300, 300, (2, 2000))
    frequency = 230e9 + 1e7 * np.arange(6)
    u, v = metres[:, None, :] * frequency[:, None] / C
    noise = sigma * (rng.standard_normal(sigma.shape) + 1j * rng.standard_normal(sigma.shape))
    line = 30.0 * np.array([0, 0, 1, 1, 0, 0])[:, None]
    path = tmp_path / "some.npz"
    np.savez(path, chan_freq_hz=frequency, u=u, v=v, vis=noise + line * 0.02, weight=sigma**power)
    if not refused:
        assert not read_visibilities(path)["flag"].any()
        return
    with pytest.raises(ContractError, match=r"weights that grow with the noise .* write 1 / sigma\^2"):
        read_visibilities(path)


def test_our_own_store_comes_back_unchanged(tmp_path, make_vis):
    vis = make_vis([1.0, 2.0], [3.0, 4.0], np.ones((2, 3)))
    write_store(tmp_path / "a.zarr", vis)
    back = read_visibilities(tmp_path / "a.zarr")
    for name, array in vis.arrays.items():
        np.testing.assert_array_equal(back[name], array)
    with pytest.raises(ContractError, match="nothing to choose by field; leave field out"):
        read_visibilities(tmp_path / "a.zarr", field=0)


def test_what_is_not_visibilities_is_told_apart(tmp_path):
    with pytest.raises(ContractError, match="does not exist"):
        detect_format(tmp_path / "absent")
    (tmp_path / "text").write_text("u v re im\n")
    (tmp_path / "empty").write_bytes(b"")
    for name in ("text", "empty"):
        with pytest.raises(ContractError, match="is not a Measurement Set, UVFITS"):
            detect_format(tmp_path / name)
    with pytest.raises(ContractError, match="neither a Measurement Set"):
        detect_format(tmp_path)
    archive = tmp_path / "some.ms"
    with tarfile.open(archive, "w:gz") as file:
        file.add(tmp_path / "text", "text")
    with pytest.raises(ContractError, match="unpack it first"):
        detect_format(archive)
    with zipfile.ZipFile(tmp_path / "zip", "w") as file:
        file.write(tmp_path / "text")
    with pytest.raises(ContractError, match="zip archive without"):
        detect_format(tmp_path / "zip")

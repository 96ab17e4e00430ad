import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from steelyard_schemas import ContractError, Kernel, Store
from vis_gridder import GridSpec, GridWarning, grid, taper
from vis_gridder.constants import ARCSEC, SPEED_OF_LIGHT_M_S
from vis_gridder.gridding.kernel import kaiser_bessel
from vis_gridder.stream.source import ROW_ARRAYS, Block, as_source

CELL, NPIX, F = 0.5, 32, 230e9
UV_CELL_M = SPEED_OF_LIGHT_M_S / F / (NPIX * CELL * ARCSEC)


def noise(rng, shape, sigma=1.0):
    return sigma * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


def scattered(rng, n_rows, reach=15.4):
    """Return u, v in metres, uniform over the grid's square, both half planes."""
    return rng.uniform(-reach, reach, (2, n_rows)) * UV_CELL_M


@pytest.fixture(scope="module")
def spec():
    return GridSpec(CELL, NPIX)


@pytest.mark.parametrize("npix", [32, 33])
def test_every_visibility_lands_in_the_one_cell_it_belongs_to(make_vis, npix):
    # Oracle: the cell centres written in the store, searched by distance, conjugates included.
    rng = np.random.default_rng(0)
    u, v = scattered(rng, 400)
    pixel = npix * CELL * ARCSEC
    value = np.exp(1j * np.arange(400))
    gridded = grid(make_vis(u, v, value[:, None] + noise(rng, (400, 1), 1e-5)), GridSpec(CELL, npix, beta=0))
    uu, vv = np.meshgrid(gridded["u_wavelengths"], gridded["v_wavelengths"])
    total = np.zeros(uu.shape, complex)
    count = np.zeros(uu.shape, int)
    for k in range(400):
        x, y = np.array([u[k], v[k]]) * F / SPEED_OF_LIGHT_M_S
        d = value[k]
        if x < 0:
            x, y, d = -x, -y, d.conjugate()
        if round(x * pixel) == 0 and round(y * pixel) < 0:
            x, y, d = -x, -y, d.conjugate()
        cell = np.unravel_index(np.argmin((uu - x) ** 2 + (vv - y) ** 2), uu.shape)
        total[cell] += d
        count[cell] += 1
    np.testing.assert_array_equal(gridded["count"][0], count)
    # The noise added is 1e-5; complex64 is good to 1e-7.
    np.testing.assert_allclose(gridded["mean"][0][count > 0], (total[count > 0] / count[count > 0]), atol=1e-4)
    gridded.check()


def test_conjugate_cells_are_never_both_filled(make_vis, spec):
    rng = np.random.default_rng(1)
    u, v = scattered(rng, 20000)
    mask = grid(make_vis(u, v, noise(rng, (20000, 1))), spec)["mask"][0]
    assert not mask[NPIX // 2].any(), "the Nyquist row stays empty"
    assert not mask[:, NPIX // 2].any(), "the Nyquist column stays empty"
    assert mask[1 : NPIX // 2, 0].all()
    assert not mask[NPIX // 2 :, 0].any(), "v < 0 at u = 0 mirrors v > 0"
    assert mask.sum() == (NPIX**2 - 2 * NPIX + 2) // 2, "each pair of conjugate cells within the edge once"


def test_conjugated_copies_change_nothing_but_the_count(make_vis, spec):
    rng = np.random.default_rng(2)
    u, v = scattered(rng, 8000)
    data = noise(rng, (8000, 2))
    once = make_vis(u, v, data)
    mirrored = make_vis(-u, -v, data.conj())
    for name in ("mean", "count", "mask"):
        np.testing.assert_array_equal(grid(once, spec)[name], grid(mirrored, spec)[name])
    # Twice the data as conjugated rows of the same noise level: twice the Fisher information, no more cells.
    twice = make_vis(np.r_[u, -u], np.r_[v, -v], np.r_[data, noise(rng, (8000, 2))])
    one, two = grid(once, spec), grid(twice, spec)
    np.testing.assert_array_equal(one["mask"], two["mask"])
    np.testing.assert_array_equal(2 * one["count"], two["count"])

    def information(gridded):
        # E 1/s^2 is nu / (nu - 2) / sigma^2.
        mask = gridded["mask"]
        return ((1 - 2 / gridded["dof"][mask].astype(float)) / gridded["variance"][mask]).sum()

    assert information(grid(mirrored, spec)) == pytest.approx(information(one), rel=1e-6)
    # 960 cells, 1/s^2 known to sqrt(2 / 32) each: 0.8 %; counting both half planes would double it.
    assert information(two) == pytest.approx(2 * information(one), rel=0.04)
    assert information(one) == pytest.approx(2 * 8000 * efficiency(2.0), rel=0.04)


def efficiency(beta):
    """Information kept by a kernel of one cell, (int K)^2 / int K^2 in both directions."""
    kernel = kaiser_bessel(np.linspace(-0.5, 0.5, 10001), Kernel(width_cells=1, beta=beta))
    return (kernel.mean() ** 2 / (kernel**2).mean()) ** 2


def test_pure_noise_has_chi_square_one_and_an_unbiased_variance(make_vis, spec):
    rng = np.random.default_rng(3)
    n_rows, n_channels = 30000, 24
    u, v = scattered(rng, n_rows)
    weight = np.exp(rng.uniform(-1.5, 1.5, (n_rows, n_channels)))
    scale = 3.0
    sigma = 1 / np.sqrt(scale * weight)
    gridded = grid(make_vis(u, v, noise(rng, weight.shape) * sigma, weight), GridSpec(CELL, NPIX, beta=2.0))
    mask, dof = gridded["mask"], gridded["dof"].astype(float)
    truth = grid(make_vis(u, v, noise(rng, weight.shape) * sigma, weight), GridSpec(CELL, NPIX, min_count=10**6))
    # `truth` propagates s pooled over 1.4e6 degrees of freedom (0.1 %), so it is the true variance here.
    assert truth.manifest.noise.weight_scale == pytest.approx(scale, rel=0.01)
    assert gridded.manifest.noise.n_cells_propagated == 0
    ratio = gridded["variance"][mask] / truth["variance"][mask]
    # 11 500 cells of 120 degrees of freedom: 0.12 %.
    assert ratio.mean() == pytest.approx(1.0, abs=0.01)
    # E 1/s^2 of an estimate with nu degrees of freedom is nu / (nu - 2) / sigma^2.
    chi_square = np.abs(gridded["mean"][mask]) ** 2 / (2 * gridded["variance"][mask]) * (1 - 2 / dof[mask])
    # 23 000 numbers: a standard error of sqrt(2 / 23000) = 0.93 %, hence known noise below; here three of them.
    assert chi_square.mean() == pytest.approx(1.0, abs=0.03)
    exact = np.abs(gridded["mean"][mask]) ** 2 / (2 * truth["variance"][mask])
    assert exact.mean() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(("how", "min_count"), [("scatter", 6), ("time differences", 10**6)])
def test_variance_is_the_true_one_and_pure_noise_has_chi_square_one(make_vis, how, min_count):
    # The truth is the sum over the samples of each cell, with the sigma that made them.
    rng = np.random.default_rng(4)
    n_times, n_baselines, n_channels, scale = 24, 330, 140, 0.02
    u, v = (np.repeat(x, n_times) + rng.normal(0, 0.3, x.size * n_times) * UV_CELL_M for x in
            scattered(rng, n_baselines, reach=14.0))  # fmt: skip
    weight = np.exp(rng.uniform(-0.7, 0.7, (u.size, n_channels)))
    sigma = 1 / np.sqrt(scale * weight)
    gridded = grid(
        make_vis(
            u,
            v,
            noise(rng, weight.shape) * sigma,
            weight,
            times=np.tile(np.arange(n_times), n_baselines),
            baseline=np.repeat(np.arange(n_baselines), n_times),
            # Channels of a kilohertz: a sample is in the same cell in all of them.
            frequency_hz=F + 1e3 * np.arange(n_channels),
        ),
        GridSpec(CELL, NPIX, min_count=min_count),
    )
    x, y = np.where(u < 0, -1, 1) * np.array([u, v]) / UV_CELL_M
    flip = (np.rint(x) == 0) & (np.rint(y) < 0)
    x, y = np.where(flip, -x, x), np.where(flip, -y, y)
    kernel = Kernel(width_cells=1, beta=2.0)
    k = kaiser_bessel(x - np.rint(x), kernel) * kaiser_bessel(y - np.rint(y), kernel)
    inside = (np.rint(x) <= 15) & (np.abs(np.rint(y)) <= 15)
    cell = (np.rint(y).astype(int) % NPIX, np.rint(x).astype(int))
    norm, square = np.zeros((2, NPIX, NPIX // 2 + 1, n_channels))
    np.add.at(norm, tuple(c[inside] for c in cell), (weight * k[:, None])[inside])
    np.add.at(square, tuple(c[inside] for c in cell), ((weight * k[:, None] * sigma) ** 2)[inside])
    truth = np.moveaxis(np.divide(square, norm**2, out=np.zeros_like(norm), where=norm > 0), -1, 0)
    several = gridded["count"] > 5
    assert several.sum() > 40_000
    ratio = gridded["variance"][several] / truth[several]
    # The 2 %; chance is 0.05 % (20 degrees of freedom in each of 40 000 cells).
    assert ratio.mean() == pytest.approx(1.0, abs=0.01)
    # E 1/s^2 of an estimate with nu degrees of freedom is nu / (nu - 2) / sigma^2.
    dof = gridded["dof"][several].astype(float)
    chi_square = np.abs(gridded["mean"][several]) ** 2 / (2 * gridded["variance"][several]) * (1 - 2 / dof)
    # More than 80 000 numbers: 0.5 % by chance at most; 1 % is what astronomers were promised.
    assert chi_square.mean() == pytest.approx(1.0, abs=0.01)
    assert gridded.manifest.noise.weight_scale == pytest.approx(scale, rel=0.01)
    assert any("corrected by a factor of 0.0" in line for line in gridded.manifest.history)
    used = gridded.manifest.noise
    assert used.n_cells_propagated > 0 if how == "time differences" else used.n_cells_scatter > 40_000


def test_scatter_is_pooled_over_channels_with_noise_of_their_own(make_vis, spec):
    # Cells of few samples but many channels: s of the cell, times the channel's factor from differences in time.
    rng = np.random.default_rng(18)
    n_times, n_baselines, n_channels = 40, 60, 50
    u, v = (np.repeat(x, n_times) for x in scattered(rng, n_baselines, reach=14.0))
    sigma = (
        np.where(np.arange(n_channels) < 5, 3.0, 1.0)
        * np.repeat(rng.uniform(0.5, 2.0, n_baselines), n_times)[:, None]
    )
    gridded = grid(
        make_vis(
            u,
            v,
            noise(rng, sigma.shape) * sigma,
            times=np.tile(np.arange(n_times), n_baselines),
            baseline=np.repeat(np.arange(n_baselines), n_times),
            frequency_hz=F + 1e3 * np.arange(n_channels),
        ),
        spec,
    )
    alone = gridded["mask"] & (gridded["count"] == n_times)
    assert alone.sum() > 40 * n_channels
    # All samples of such a cell lie in one place, so the mean's variance is sigma^2 / n, whatever the kernel.
    x, y = np.where(u < 0, -1, 1) * np.array([u, v]) / UV_CELL_M
    truth = np.zeros(gridded["mask"].shape)
    for row in range(0, u.size, n_times):
        truth[:, int(np.rint(y[row])) % NPIX, int(np.rint(x[row]))] = sigma[row] ** 2 / n_times
    # 50 channels of 78 degrees of freedom in a cell, 2.3 %; factors of loud channels are known to 3 %: five sigma.
    np.testing.assert_allclose(gridded["variance"][alone], truth[alone], rtol=0.19)
    np.testing.assert_array_equal(gridded["dof"][alone], 2.0 * (n_times - 1) * n_channels)


def test_neighbouring_cells_are_uncorrelated(make_vis, spec):
    rng = np.random.default_rng(5)
    u, v = scattered(rng, 20000)
    gridded = grid(make_vis(u, v, noise(rng, (20000, 40))), spec)
    z = np.where(gridded["mask"], gridded["mean"] / np.sqrt(np.where(gridded["mask"], gridded["variance"], 1)), 0)
    z = z[:, 1:15, 1:15]
    for shift in ((1, 0), (0, 1), (1, 1)):
        pairs = (z * np.roll(z, shift, axis=(1, 2)).conj())[:, 1:, 1:].real / 2
        # 6760 pairs of unit complex numbers: 0.9 % standard error of the mean; four of them.
        assert abs(pairs.mean()) < 0.036


@pytest.mark.parametrize("beta", [0.0, 1.0, 2.0])
def test_dense_data_of_an_offset_source_match_the_tapered_model_and_only_it(make_vis, beta):
    # Cells full of visibilities hold the average of V over the cell with K K, i.e. taper times image, transformed.
    rng = np.random.default_rng(6)
    n_rows = 400_000
    u, v = scattered(rng, n_rows, reach=6.4)
    x, y, fwhm = 9, -7, 1.2
    x_rad, y_rad, sigma = x * CELL * ARCSEC, y * CELL * ARCSEC, fwhm / 2.3548200450309493 * ARCSEC

    def visibility(u_wavelengths, v_wavelengths, gaussian):
        point = np.exp(2j * np.pi * (u_wavelengths * x_rad + v_wavelengths * y_rad))
        r_squared = u_wavelengths**2 + v_wavelengths**2
        return point * (np.exp(-2 * np.pi**2 * sigma**2 * r_squared) if gaussian else 1.0)

    lam = F / SPEED_OF_LIGHT_M_S
    data = np.stack([visibility(u * lam, v * lam, gaussian) for gaussian in (False, True)], axis=1)
    gridded = grid(make_vis(u, v, data, frequency_hz=[F, F + 1e-3]), GridSpec(CELL, NPIX, beta=beta))
    uu, vv = np.meshgrid(gridded["u_wavelengths"], gridded["v_wavelengths"])
    # All of the 13 x 13 square that cells fill whole; the column u = 0 has whole cells too, but for (0, 0).
    inner = gridded["mask"][0] & (np.abs(vv) * NPIX * CELL * ARCSEC < 5.5) & (uu * NPIX * CELL * ARCSEC < 5.5)
    inner[0, 0] = False
    factor = taper(NPIX, CELL, gridded.manifest.kernel)
    point = visibility(uu, vv, False)[inner]
    at_source = factor[y + NPIX // 2, x + NPIX // 2]
    # 2400 samples a cell, each off the cell's mean by up to 1 in phase: 0.02 by chance; five sigma at most.
    assert np.abs(gridded["mean"][0][inner] - point * at_source).max() < 0.08
    assert np.abs((gridded["mean"][0][inner] / point).mean() - at_source) < 0.005
    assert np.abs(gridded["mean"][0][inner] - point).min() > 0.15, "the taper is no small matter here"
    # The Gaussian: its tapered transform by direct summation over fine pixels.
    fine = np.linspace(-3, 3, 61) * 2 * fwhm / 2
    gx, gy = np.meshgrid(x * CELL + fine, y * CELL + fine)
    brightness = np.exp(-((gx - x * CELL) ** 2 + (gy - y * CELL) ** 2) / 2 * (ARCSEC / sigma) ** 2)
    brightness /= brightness.sum()
    fine_npix = 4096
    scale = fine_npix / (NPIX * CELL)
    profile = taper(fine_npix, NPIX * CELL / fine_npix, gridded.manifest.kernel)[fine_npix // 2]
    profile /= profile[fine_npix // 2]

    def along(offset_arcsec):
        return np.interp(offset_arcsec * scale + fine_npix // 2, np.arange(fine_npix), profile)

    tapered = brightness * along(gx) * along(gy)
    phases = np.exp(2j * np.pi * ARCSEC * (uu[inner][:, None] * gx.ravel() + vv[inner][:, None] * gy.ravel()))
    model = phases @ tapered.ravel()
    bare = phases @ brightness.ravel()
    found = gridded["mean"][1][inner]
    assert np.abs(found - model).max() < 0.08
    # Projection on the model: chance falls with the number of cells.
    assert np.vdot(model, found).real / np.vdot(model, model).real == pytest.approx(1.0, abs=0.01)
    assert np.vdot(bare, found).real / np.vdot(bare, bare).real < 0.85


def test_wavelengths_are_those_of_each_channel(make_vis, spec):
    rng = np.random.default_rng(7)
    n = 50
    u = np.full(n, 10.4) * UV_CELL_M
    vis = make_vis(
        u, 0 * u, noise(rng, (n, 2)), frequency_hz=[F, 1.05 * F], times=np.arange(n), baseline=np.zeros(n, int)
    )
    gridded = grid(vis, spec)
    assert gridded["count"][0, 0, 10] == n
    assert gridded["count"][1, 0, 11] == n


def test_velocity_range_and_rest_frequency(make_vis, spec):
    rng = np.random.default_rng(8)
    u, v = scattered(rng, 300)
    vis = make_vis(u, v, noise(rng, (300, 10)), frequency_hz=230e9 + 1e7 * np.arange(10))
    low, high = 650.0, 680.0
    gridded = grid(vis, GridSpec(CELL, NPIX, velocity_min_kms=low, velocity_max_kms=high))
    velocity = 299792.458 * (1 - vis["frequency_hz"] / 230.538e9)
    np.testing.assert_array_equal(
        gridded["frequency_hz"], vis["frequency_hz"][(velocity >= low) & (velocity <= high)]
    )
    whole = grid(vis, spec)
    first = int(np.flatnonzero(whole["frequency_hz"] == gridded["frequency_hz"][0])[0])
    np.testing.assert_array_equal(whole["mean"][first], gridded["mean"][0])
    with pytest.raises(ContractError, match="no channel within the velocity range"):
        grid(vis, GridSpec(CELL, NPIX, velocity_max_kms=-500))
    other = grid(vis, GridSpec(CELL, NPIX, rest_frequency_hz=230.0e9))
    assert other.manifest.observation.rest_frequency_hz == 230.0e9
    nameless = make_vis(u, v, noise(rng, (300, 1)), rest_frequency_hz=None)
    with pytest.raises(ContractError, match="rest frequency"):
        grid(nameless, GridSpec(CELL, NPIX, velocity_min_kms=0))


@pytest.mark.parametrize("npix", [16, 24, 64])
def test_the_grid_that_a_warning_names_keeps_all(make_vis, npix):
    # Most samples within 5 m of the centre, one at 100 m east: pixels of 2.2 arcsec end at 60 m.
    rng = np.random.default_rng(2)
    u, v = scattered(rng, 500) / 100
    u[7], v[7] = 100.0, 1.0
    vis = make_vis(u, v, noise(rng, (500, 3)))
    with pytest.warns(GridWarning, match="beyond the edge") as told:
        grid(vis, GridSpec(cell_arcsec=2.2, npix=npix))
    cell, n = re.search(
        r"pixels of ([\d.]+) arcsec or finer keep all \(npix = (\d+) for", str(told[0].message)
    ).groups()
    gridded = grid(vis, GridSpec(cell_arcsec=float(cell), npix=int(n)))  # a warning would be an error
    assert gridded.manifest.noise.n_outside == 0
    # The same field; the last half cell before the edge belongs to the Nyquist row, which stays empty.
    assert int(n) * float(cell) >= npix * 2.2
    limit = np.degrees(299792458.0 / 230.002e9 / 200.0) * 3600 * (1 - 1 / npix)
    assert 0.99 * limit < float(cell) <= limit


def test_nothing_is_lost_in_silence(make_vis, spec):
    rng = np.random.default_rng(9)
    u, v = scattered(rng, 2000)
    u[:100] *= 40
    flag = rng.random((2000, 3)) < 0.2
    vis = make_vis(u, v, noise(rng, (2000, 3)), flag=flag)
    with pytest.warns(GridWarning, match="beyond the edge"):
        gridded = grid(vis, spec)
    report = gridded.manifest.noise
    assert report.n_flagged == flag.sum()
    assert report.n_outside > 0
    assert report.n_used + report.n_flagged + report.n_outside == 6000
    assert gridded["count"].sum() == report.n_used
    with pytest.raises(ContractError, match="finer keep all"):
        grid(vis, GridSpec(50 * CELL, NPIX))


def test_without_time_differences_the_noise_is_the_pooled_scatter(make_vis, spec):
    rng = np.random.default_rng(10)
    u, v = scattered(rng, 5000)
    vis = make_vis(u, v, noise(rng, (5000, 4), 2.0), weight=np.full((5000, 4), 0.5))
    gridded = grid(vis, spec)
    # sigma 2, weight 0.5: the inverse variance is 0.25. 37 000 degrees of freedom: 0.7 %.
    assert gridded.manifest.noise.weight_scale == pytest.approx(0.5, rel=0.03)
    assert gridded.manifest.noise.visibility_noise_jy == pytest.approx(2.0, rel=0.015)
    few = gridded["mask"] & (gridded["count"] == 1)
    np.testing.assert_allclose(gridded["variance"][few], 4.0, rtol=0.03)
    with pytest.raises(ContractError, match="gives no noise"):
        grid(make_vis([10.0], [5.0], np.ones((1, 1))), spec)


def test_propagated_variance_follows_each_baseline(make_vis):
    # Two baselines of unlike noise but like weights: only the differences in time can tell.
    rng = np.random.default_rng(11)
    n, n_channels = 4, 400
    sigma = np.repeat([1.0, 5.0], n)[:, None]
    u = np.repeat([5.0, 8.0], n) * UV_CELL_M
    data = noise(rng, (2 * n, n_channels)) * sigma
    vis = make_vis(
        u, 0 * u, data, times=np.arange(2 * n), baseline=np.repeat([0, 1], n), frequency_hz=F + np.arange(n_channels)
    )
    gridded = grid(vis, GridSpec(CELL, NPIX, min_count=10**6))
    # 400 chains of four samples: 1800 degrees of freedom, 3.3 % in the variance.
    assert gridded["variance"][:, 0, 5] == pytest.approx(1.0 / n, rel=0.14)
    assert gridded["variance"][:, 0, 8] == pytest.approx(25.0 / n, rel=0.14)
    # Chains of four: 4 x 9 / 8 = 4.5 degrees of freedom in each of 400 channels.
    np.testing.assert_allclose(gridded["dof"][:, 0, 5], 400 * 4.5, rtol=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cell_arcsec": 0.0}, "cell_arcsec"),
        ({"npix": 4}, "npix"),
        ({"beta": -1.0}, "beta"),
        ({"min_count": 1}, "min_count"),
        ({"velocity_min_kms": 5.0, "velocity_max_kms": 4.0}, "velocity_min_kms"),
        ({"rest_frequency_hz": 230.538}, "Hz"),
    ],
)
def test_senseless_grids_are_refused(values, message):
    with pytest.raises(ContractError, match=message):
        GridSpec(**({"cell_arcsec": CELL, "npix": NPIX} | values))


def test_result_does_not_depend_on_which_channels_are_gridded_together(make_vis, spec):
    rng = np.random.default_rng(12)
    u, v = scattered(rng, 500)
    data = noise(rng, (500, 19))
    frequency = F + 1e6 * np.arange(19)
    whole = grid(make_vis(u, v, data, frequency_hz=frequency), spec)
    for channel in (0, 7, 8, 18):
        cut = slice(channel, channel + 1)
        alone = grid(make_vis(u, v, data[:, cut], frequency_hz=frequency[cut]), spec)
        np.testing.assert_allclose(alone["mean"][0], whole["mean"][channel], rtol=1e-6)


def in_blocks(vis, edges):
    def blocks():
        for a, b in itertools.pairwise(edges):
            yield Block(*(vis[name][a:b] for name in ROW_ARRAYS))

    return replace(as_source(vis), blocks=blocks)


def test_result_does_not_depend_on_blocks_of_rows(make_vis, spec):
    rng = np.random.default_rng(14)
    n = 3000
    u, v = scattered(rng, n)
    vis = make_vis(u, v, noise(rng, (n, 3)), times=np.arange(n), baseline=np.arange(n) % 7)
    whole, cut = grid(vis, spec), grid(in_blocks(vis, [0, 1, 10, 1500, 2999, 3000]), spec)
    for name, array in whole.arrays.items():
        # Sums are taken in another order; float32 results then differ by a unit in the last place.
        np.testing.assert_allclose(cut[name], array, rtol=1e-6, atol=1e-12)


def test_cell_moments_are_those_of_the_samples(make_vis, spec):
    rng = np.random.default_rng(15)
    n = 4000
    u, v = scattered(rng, n)
    weight = rng.uniform(0.5, 2.0, (n, 1))
    flag = rng.random((n, 1)) < 0.1
    gridded = grid(make_vis(u, v, noise(rng, (n, 1)), weight, flag), spec)
    x, y = np.where(u < 0, -1, 1) * np.array([u, v]) / UV_CELL_M
    flip = (np.rint(x) == 0) & (np.rint(y) < 0)
    x, y = np.where(flip, -x, x), np.where(flip, -y, y)
    iu, iv = np.rint(x).astype(int), np.rint(y).astype(int)
    dx, dy = x - iu, y - iv
    kernel = Kernel(width_cells=1, beta=2.0)
    a = np.where(flag, 0, weight)[:, 0] * kaiser_bessel(dx, kernel) * kaiser_bessel(dy, kernel)
    ok = (iu <= 15) & (abs(iv) <= 15)
    for name, value in {
        "offset_u": dx, "offset_v": dy, "spread_uu": dx * dx, "spread_uv": dx * dy, "spread_vv": dy * dy,
    }.items():  # fmt: skip
        total, norm = np.zeros((2, NPIX, NPIX // 2 + 1))
        np.add.at(total, (iv[ok] % NPIX, iu[ok]), (a * value)[ok])
        np.add.at(norm, (iv[ok] % NPIX, iu[ok]), a[ok])
        expected = np.divide(total, norm, out=np.zeros_like(total), where=norm > 0)
        # float16 keeps three digits of numbers below a half.
        np.testing.assert_allclose(gridded[name][0].astype(float), expected, atol=3e-4)


def test_several_data_sets_meet_with_their_true_weights(make_vis, spec):
    # The second configuration has a tenth of the noise and weights wrong by 50: as inverse variances they are 100
    # times the first's. The oracle is one data set with the true weights.
    rng = np.random.default_rng(16)
    n, n_channels = 3000, 4
    frequency = F + 1e6 * np.arange(n_channels)
    sets, truth = [], []
    for sigma, scale in ((1.0, 1.0), (0.1, 50.0)):
        u, v = scattered(rng, n)
        data = noise(rng, (n, n_channels), sigma)
        weight = np.full((n, n_channels), 1 / sigma**2)
        about = {"times": np.arange(n), "baseline": np.arange(n) % 10, "frequency_hz": frequency}
        sets.append(make_vis(u, v, data, weight / scale, **about))
        truth.append((u, v, data, weight))
    both = grid(sets, spec)
    u, v, data, weight = (np.concatenate(parts) for parts in zip(*truth, strict=True))
    one = grid(make_vis(u, v, data, weight, times=np.arange(2 * n), baseline=np.arange(2 * n) % 10,
                        frequency_hz=frequency), spec)  # fmt: skip
    np.testing.assert_array_equal(both["count"], one["count"])
    # Weights are known to 1 % (24 000 differences): means agree to a hundredth of the error where both sets matter.
    sigma = np.sqrt(one["variance"], where=one["mask"], out=np.ones_like(one["variance"]))
    assert np.abs((both["mean"] - one["mean"]) / sigma).max() < 0.1
    few = both["mask"] & (both["count"] < 10)
    np.testing.assert_allclose(both["variance"][few], one["variance"][few], rtol=0.15)
    assert both.manifest.sources == ("synthetic", "synthetic")
    assert any("corrected by a factor of" in line for line in both.manifest.history)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phase_centre_dec_deg": 2.001}, "3.6 arcsec apart"),
        ({"dish_diameter_m": 7.0}, "12 and 7 m"),
        ({"frequency_frame": "BARY"}, "LSRK and BARY"),
        ({"frequency_hz": F + 3e5 + 1e6 * np.arange(2)}, "channels"),
    ],
)
def test_data_sets_that_do_not_belong_together_are_refused(make_vis, spec, change, message):
    rng = np.random.default_rng(17)
    u, v = scattered(rng, 50)
    first, second = (
        make_vis(u, v, noise(rng, (50, 2)), **({"frequency_hz": F + 1e6 * np.arange(2)} | about))
        for about in ({}, change)
    )
    with pytest.raises(ContractError, match=message):
        grid([first, second], spec)


def test_input_is_left_alone(make_vis, spec):
    rng = np.random.default_rng(13)
    u, v = scattered(rng, 100)
    vis = make_vis(u, v, noise(rng, (100, 2)))
    before = Store(vis.manifest, {name: array.copy() for name, array in vis.arrays.items()})
    grid(vis, spec)
    for name, array in before.arrays.items():
        np.testing.assert_array_equal(array, vis[name])

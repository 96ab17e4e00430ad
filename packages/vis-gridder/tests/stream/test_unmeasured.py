"""Samples that no receiver measures: left out of data, kept in models; and scatter that is no noise."""

import itertools

import numpy as np
import pytest
from steelyard_schemas import ContractError, write_store
from vis_gridder import DataWarning, GridSpec, assumptions, estimate_noise, grid, read_visibilities
from vis_gridder.constants import ARCSEC, SPEED_OF_LIGHT_M_S
from vis_gridder.stream.data_summary import data_summary

F, N_CHANNELS = 230e9, 16
FREQUENCY = F + 1e6 * np.arange(N_CHANNELS)
CELL, NPIX = 0.5, 32
FLUX, X, Y = 0.8, 3, -2
"""A point source off centre, in pixels."""
SPECTRUM = FLUX * np.where(np.arange(N_CHANNELS) < 10, 1.0, 0.5)
N_ANTENNAS, N_TIMES, STEP_S = 8, 40, 30.0
SPEC = GridSpec(CELL, 4 * NPIX)
"""A field wide enough that the source does not vary across a cell by more than the noise."""


def noise(rng, shape, sigma=1.0):
    return sigma * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


def track(n_times=N_TIMES, n_antennas=N_ANTENNAS, reach=14.0):
    """Return u, v [m], times and antennas of an array that the Earth turns, time by time."""
    rng = np.random.default_rng(0)
    station = rng.uniform(-0.5, 0.5, (n_antennas, 2)) * reach * SPEED_OF_LIGHT_M_S / F / (NPIX * CELL * ARCSEC)
    first, second = np.array(list(itertools.combinations(range(n_antennas), 2))).T
    time = 5e9 + STEP_S * np.repeat(np.arange(n_times), first.size)
    angle = 2 * np.pi * (time - 5e9) / 86164.0
    east, north = np.tile(station[first] - station[second], (n_times, 1)).T
    u, v = east * np.cos(angle) - north * np.sin(angle), east * np.sin(angle) + north * np.cos(angle)
    return u, v, time, np.tile(first, n_times), np.tile(second, n_times)


def point(u_m, v_m, spectrum=SPECTRUM):
    per_metre = FREQUENCY / SPEED_OF_LIGHT_M_S
    turns = np.outer(u_m * X + v_m * Y, per_metre) * CELL * ARCSEC
    return spectrum * np.exp(2j * np.pi * turns)


@pytest.fixture
def observed(make_vis):
    """Return a function that makes a store of the point source with noise, or of other samples."""

    def make(sigma=0.05, data=None, scans=1, **options):
        u, v, time, first, second = track(**options)
        if data is None:
            data = point(u, v) + noise(np.random.default_rng(1), (u.size, N_CHANNELS), sigma)
        vis = make_vis(u, v, data, frequency_hz=FREQUENCY, times=time)
        vis["antenna1"][:], vis["antenna2"][:] = first, second
        vis["scan"][:] = 1 + (time - 5e9) // (STEP_S * (time.size // first[time == 5e9].size / scans))
        return vis

    return make


@pytest.fixture
def stored(tmp_path):
    def store(vis, name="own.zarr"):
        write_store(tmp_path / name, vis)
        return tmp_path / name

    return store


def dead_host(vis):
    """Zeros on a quarter of the samples: some channels of some baselines, as a host writes them that is down."""
    dead = np.zeros(vis["vis"].shape, bool)
    dead[(vis["antenna1"] < 3)] = True
    dead[:, 8:] = False
    vis["vis"][dead] = 0
    return dead


def test_zeros_of_a_dead_host_are_no_measurements(observed, stored):
    vis = observed()
    dead = dead_host(vis)
    assert 0.2 < dead.mean() < 0.4
    path = stored(vis)
    with pytest.warns(DataWarning, match=rf"{dead.sum()} of {dead.size} samples that are exactly zero.*32 %"):
        read = read_visibilities(path)
    np.testing.assert_array_equal(read["flag"], dead)
    assert not read["weight"][dead].any()
    assert any(f"flagged {dead.sum()} of" in line for line in read.manifest.history)
    np.testing.assert_array_equal(grid(read, SPEC)["count"].sum(axis=(1, 2)), (~dead).sum(axis=0))
    with pytest.warns(DataWarning, match="exactly zero"):
        in_memory = grid(vis, SPEC)
    np.testing.assert_array_equal(in_memory["mean"], grid(read, SPEC)["mean"])
    # The noise is that of the live samples, 0.05 Jy, known to a percent; zeros made it smaller.
    assert estimate_noise(read).weight_scale == pytest.approx(1 / 0.05**2, rel=0.05)


def test_the_flux_of_a_point_source_comes_back(observed, stored):
    """0.80 Jy, by the mean of visibilities turned to the source's place, weighted."""
    vis = observed()
    dead_host(vis)
    with pytest.warns(DataWarning):
        read = read_visibilities(stored(vis))
    turned = read["vis"] * point(read["u_m"], read["v_m"], np.ones(N_CHANNELS)).conj()
    mean = (read["weight"] * turned).sum(axis=0).real / read["weight"].sum(axis=0)
    # 0.05 / sqrt(670): 0.002 Jy; four of them.
    np.testing.assert_allclose(mean[:8], 0.80, atol=0.008)


def test_channels_of_zeros_in_noisy_data_are_dead(observed, stored):
    vis = observed()
    vis["vis"][:, [0, 15]] = 0
    with pytest.warns(DataWarning, match="exactly zero"):
        read = read_visibilities(stored(vis))
    assert read["flag"].all(axis=0).nonzero()[0].tolist() == [0, 15]
    # A bright source hides the noise in first differences, not in fourth ones: 500 sigma here.
    bright = observed(sigma=0.0016)
    bright["vis"][:, [0, 15]] = 0
    with pytest.warns(DataWarning, match="exactly zero"):
        assert read_visibilities(stored(bright, "bright.zarr"))["flag"].any(axis=0).sum() == 2


def test_a_few_zeros_stand_in_the_history_alone(observed, stored):
    vis = observed()
    vis["vis"][::50, 3] = 0
    read = read_visibilities(stored(vis))
    assert read["flag"].sum() == vis["vis"][::50].shape[0]
    assert any("exactly zero" in line for line in read.manifest.history)


@pytest.mark.parametrize("wings", [False, True])
def test_a_model_without_noise_keeps_its_zeros(make_vis, observed, stored, wings):
    u, v, *_ = track()
    channel = np.arange(N_CHANNELS)
    line = np.where((channel > 3) & (channel < 9), 1.0, 0.0)
    if wings:
        # Of a narrow Gaussian line, sampled in steps too coarse for differences in time to show anything.
        line = np.exp(-0.5 * ((channel - 6) / 0.6) ** 2)
        line[line < 1e-30] = 0.0
    data = point(u, v, line)
    vis = observed(data=data)
    n_zero = int(np.count_nonzero(data.astype(np.complex64) == 0))
    assert n_zero > 0.1 * data.size
    if wings:
        vis["antenna1"][:] = vis["antenna2"][:] = -1
    read = read_visibilities(stored(vis))
    assert not read["flag"].any()
    np.testing.assert_array_equal(read["vis"], vis["vis"])
    (told,) = assumptions(read.manifest.history)
    assert "model without noise" in told
    assert f"kept {n_zero} of {data.size} samples that are exactly zero" in told
    gridded = grid(read, SPEC)
    assert gridded["mask"].any(axis=(1, 2)).all()
    assert gridded.manifest.noise.n_flagged == 0
    assert assumptions(gridded.manifest.history)[0] == told
    assert sum("exactly zero" in line for line in gridded.manifest.history) == 1, "told once"
    assert np.all(gridded["variance"][gridded["mask"]] > 0), "channels that never change have no weight beyond others"


def test_a_steady_model_is_no_hung_correlator(observed, stored):
    u, *_ = track()
    data = np.ones((u.size, N_CHANNELS), complex)
    assert not read_visibilities(stored(observed(data=data)))["flag"].any()
    ramp = read_visibilities(stored(observed(data=data * (1 + np.arange(N_CHANNELS))), "ramp.zarr"))
    assert not ramp["flag"].any()


def test_repeats_and_constant_spectra_are_no_measurements(observed, stored):
    vis = observed()
    hung = (vis["antenna1"] == 0) & (vis["antenna2"] == 1)
    rows = np.flatnonzero(hung)
    vis["vis"][rows[5:20]] = vis["vis"][rows[4]]
    constant = np.flatnonzero((vis["antenna1"] == 2) & (vis["antenna2"] == 4))[7:12]
    vis["vis"][constant] = 0.7 - 0.1j
    vis["flag"][constant[0], 2:5] = True
    with pytest.warns(DataWarning, match="15 rows that repeat the integration.*5 rows of one value"):
        read = read_visibilities(stored(vis))
    bad = np.zeros(vis["vis"].shape[0], bool)
    bad[rows[5:20]] = bad[constant] = True
    np.testing.assert_array_equal(read["flag"].all(axis=1), bad)


def test_fill_values_are_left_out(observed, stored):
    vis = observed()
    vis["vis"][3, 4] = 1e20
    vis["vis"][7, 1] = complex(0.1, -3e38)
    read = read_visibilities(stored(vis))
    assert np.argwhere(read["flag"]).tolist() == [[3, 4], [7, 1]]
    assert any("2 samples beyond 1e+15 Jy" in line for line in read.manifest.history)


def test_nothing_but_zeros_is_refused(observed, stored):
    with pytest.raises(ContractError, match="exact zeros"):
        read_visibilities(stored(observed(data=np.zeros((track()[0].size, N_CHANNELS)))))


def test_all_readers_leave_zeros_out(tmp_path, write_uvfits, make_ms):
    rng = np.random.default_rng(3)
    # UVFITS: one hand dead in a channel, both dead in another.
    data = noise(rng, (40, 1, 6, 2))
    data[:10, 0, 1, 0] = 0
    data[:10, 0, 3] = 0
    path = write_uvfits(data, np.ones(data.shape), antennas=(1 + np.arange(40) % 2, 3))
    with pytest.warns(DataWarning, match="10 of 240 samples"):
        vis = read_visibilities(path)
    assert vis["flag"][:, 3].sum() == vis["flag"].sum() == 10
    np.testing.assert_allclose(vis["vis"][:10, 1], data[:10, 0, 1, 1], rtol=1e-6)
    np.testing.assert_array_equal(vis["weight"][:10, 1], 1.0)
    assert any("10 correlations that are exactly zero beside a hand" in line for line in vis.manifest.history)
    # A Measurement Set: autocorrelations do not count, here dead ones.
    _check_measurement_set(make_ms)
    # Text and npz: Stokes I as it is, no times, no antennas.
    u, v = rng.uniform(-300, 300, (2, 50))
    samples = noise(rng, (4, 50))
    samples[1, :9] = 0
    frequency = 230e9 + 1e7 * np.arange(4)
    lam = frequency[:, None] / SPEED_OF_LIGHT_M_S
    np.savez(
        tmp_path / "a.npz", chan_freq_hz=frequency, u=u * lam, v=v * lam, vis=samples, weight=np.ones(samples.shape)
    )
    columns = [np.tile(u, 4), np.tile(v, 4), samples.real.ravel(), samples.imag.ravel(), np.ones(200)]
    table = np.column_stack([*columns, np.repeat(frequency, 50)])
    np.savetxt(tmp_path / "a.csv", table, delimiter=",", header="u_m,v_m,re,im,weight,frequency_hz", comments="")
    for name in ("a.npz", "a.csv"):
        with pytest.warns(DataWarning, match="9 of 200 samples that are exactly zero"):
            vis = read_visibilities(tmp_path / name)
        assert np.argwhere(vis["flag"]).tolist() == [[row, 1] for row in range(9)]


def _check_measurement_set(make_ms):
    def edit(value):
        auto = value["ANTENNA1"] == value["ANTENNA2"]
        value["DATA"][auto] = 0
        value["FLAG"][:] = value["FLAG_ROW"][:] = False
        value["DATA"][~auto, 2] *= np.array([0, 1, 1, 1])

    path, value = make_ms(edit=edit)
    vis = read_visibilities(path)
    cross = value["ANTENNA1"] != value["ANTENNA2"]
    assert not vis["flag"].any()
    np.testing.assert_allclose(vis["vis"][:, 2], value["DATA"][cross, 2, 3], rtol=1e-6)
    np.testing.assert_allclose(vis["weight"][:, 2], value["WEIGHT"][cross, 3], rtol=1e-6)
    n_dead = np.count_nonzero(cross)
    assert any(f"flagged {n_dead} correlations that are exactly zero beside" in line for line in vis.manifest.history)


def test_summary_counts_what_was_left_out(observed, stored):
    from vis_gridder import open_visibilities

    vis = observed()
    dead = dead_host(vis)
    with pytest.warns(DataWarning):
        assert data_summary(open_visibilities(stored(vis))).n_flagged == dead.sum()


# Scatter within cells beyond what differences in time say.

WIDE = GridSpec(CELL / 4, NPIX, beta=0)
"""Cells so large that each baseline shares them with others, around a source at the centre."""


def centred(flux_jy, u):
    return np.full((u.size, N_CHANNELS), flux_jy, complex)


def test_scatter_beyond_the_noise_names_the_antenna(observed):
    u, _, _, first, second = track()
    data = centred(1.0, u) + noise(np.random.default_rng(4), (u.size, N_CHANNELS), 0.1)
    good = grid(observed(data=data), WIDE)
    assert any("the scatter within cells is 1.0" in line or "is 0.99" in line for line in good.manifest.history)
    data[(first == 5) | (second == 5)] += 0.5  # of an amplitude calibration
    with pytest.warns(
        DataWarning, match=r"scatter by .*; [01]\.\d\d without antenna 5 \(counted from 0\): look"
    ) as told:
        gridded = grid(observed(data=data, scans=4), WIDE)
    assert " scan" not in str(told[0].message), "all scans are alike"
    assert any("without antenna 5 (" in line for line in gridded.manifest.history)


def test_scatter_beyond_the_noise_names_the_scan(observed):
    u, *_ = track()
    data = centred(1.0, u) + noise(np.random.default_rng(5), (u.size, N_CHANNELS), 0.1)
    vis = observed(data=data, scans=4)
    vis["vis"][vis["scan"] == 3] *= np.exp(1j)
    with pytest.warns(DataWarning, match=r"; 1\.\d\d without scan 3: look"):
        grid(vis, WIDE)


def test_a_sky_that_varies_across_cells_is_not_put_on_an_antenna(observed):
    rng = np.random.default_rng(6)
    u, v, *_ = track()
    # Sources all over the field, many times farther out than the grid's.
    sky = sum(point(u * x, v * y, np.ones(N_CHANNELS)) for x, y in rng.uniform(-20, 20, (40, 2)))
    with pytest.warns(DataWarning, match="no antenna or scan accounts for it"):
        grid(observed(data=sky + noise(rng, sky.shape, 1.0)), WIDE)


def test_baselines_that_never_change_do_not_lower_the_noise(make_vis):
    # Of one channel: too few to tell a repeat from chance, so the rows stay.
    rng = np.random.default_rng(7)
    n_baselines, n_times = 40, 100
    baseline, times = np.repeat(np.arange(n_baselines), n_times), np.tile(np.arange(n_times), n_baselines)
    data = noise(rng, (baseline.size, 1), 2.0)
    data[baseline < 10] = 1 + 1j
    found = estimate_noise(make_vis(times, times, data, times=times, baseline=baseline))
    # 30 chains of 100 samples: 3960 degrees of freedom, 2.2 %; the ten still ones made it a quarter less.
    assert found.weight_scale == pytest.approx(0.25, rel=0.1)
    assert found.n_still == 10
    np.testing.assert_allclose(found.variance_per_weight[:10], 1 / found.weight_scale)
    np.testing.assert_array_equal(found.channel_factor, 1.0)


@pytest.mark.parametrize("nameless", [slice(0, 1), slice(50, None), slice(None, None, 3)])
def test_rows_without_antennas_are_told_row_by_row(make_vis, nameless):
    rng = np.random.default_rng(8)
    n_baselines, n_times = 10, 60
    baseline, times = np.tile(np.arange(n_baselines), n_times), np.repeat(np.arange(n_times), n_baselines)
    u, v = rng.uniform(-100, 100, (2, times.size))
    vis = make_vis(u, v, noise(rng, (times.size, 4)), times=5e9 + times, baseline=baseline)
    vis["antenna1"][nameless] = vis["antenna2"][nameless] = -1
    named = vis["antenna1"] >= 0
    found = estimate_noise(vis)
    assert found.weight_scale == pytest.approx(1.0, rel=0.25)
    without = make_vis(u[named], v[named], vis["vis"][named], times=5e9 + times[named], baseline=baseline[named])
    assert found.n_differences == estimate_noise(without).n_differences
    assert sorted(found.antenna2[found.antenna1 >= 0]) == sorted({1 + b for b in baseline[named]})
    history = grid(vis, SPEC).manifest.history
    assert any("differences in time per baseline" in line for line in history)


def test_the_history_says_why_there_are_no_differences(make_vis):
    rng = np.random.default_rng(9)
    u, v = rng.uniform(-100, 100, (2, 400))
    vis = make_vis(u, v, noise(rng, (400, 4)))
    assert any("no baseline was observed twice within a scan: noise" in line for line in grid(
        vis, SPEC).manifest.history)  # fmt: skip
    vis["antenna1"][:] = vis["antenna2"][:] = -1
    assert any("the rows name no antennas: noise" in line for line in grid(
        vis, SPEC).manifest.history)  # fmt: skip

import numpy as np
import pytest
from scipy.stats import gamma, kstest, ncx2
from steelyard_schemas import ContractError, Kernel, Store
from vis_gridder import GridSpec, grid, read_visibilities
from vis_gridder.imaging.line_finder import MARGIN, find_line, line_channels, line_velocities, short_baseline_power

REST_HZ, STEP_HZ, N_CHANNELS, NPIX = 230e9, 8e6, 60, 32
STEP_KMS = 299792.458 * STEP_HZ / REST_HZ


@pytest.fixture
def noise_store(make_gridded):
    """Return a function: cells of a real and an imaginary part of variance 4, with 6 to 200 degrees of freedom."""

    def make(rng, signal=0.0, rest_frequency_hz=REST_HZ):
        shape = (N_CHANNELS, NPIX, NPIX // 2 + 1)
        mask = np.broadcast_to(rng.random(shape[1:]) < 0.5, shape).copy()
        mask &= rng.random(shape) < 0.95
        dof = rng.choice([6.0, 18.0, 200.0], shape)
        mean = 2.0 * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) + signal
        return make_gridded(
            mean,
            4.0 * rng.chisquare(dof) / dof,
            dof,
            mask,
            cell_arcsec=0.1,
            kernel=Kernel(width_cells=1.0, beta=2.0),
            rest_frequency_hz=rest_frequency_hz,
            frequency_hz=REST_HZ + STEP_HZ * (np.arange(N_CHANNELS) - 30.0),
        )

    return make


def test_power_of_noise_follows_the_gamma_distribution_whatever_the_degrees_of_freedom(noise_store):
    power, n = short_baseline_power(noise_store(np.random.default_rng(1)))
    # Of 272 cells half the plane a half is filled, a third of those is short, and 5 % of them is missing.
    assert 60 < n.min() < n.max() < 110
    # A Gaussian in place of Student's t would have a mean 1.5 times too large where nu = 6, and p = 1e-20 here.
    assert kstest(gamma.cdf(power, n), "uniform").pvalue > 0.01


def test_only_the_shortest_third_counts(noise_store):
    rng = np.random.default_rng(2)
    made = noise_store(rng)
    length = np.hypot(made["u_wavelengths"][None, :], made["v_wavelengths"][:, None])
    far = length > np.quantile(length[made["mask"].any(axis=0)], 1 / 3)
    loud = made["mean"] + np.where(far & made["mask"], 100.0, 0.0).astype(np.complex64)
    assert line_channels(Store(made.manifest, dict(made.arrays) | {"mean": loud})) is None


@pytest.mark.parametrize("cells", [20, 500])
def test_noise_gives_a_line_no_more_often_than_allowed(cells):
    rng, n, trials = np.random.default_rng(3), np.full(N_CHANNELS, cells), 1200
    alarms = sum(find_line(rng.gamma(n), n, false_alarm=0.1) is not None for _ in range(trials))
    # At most 10 %, and at least 3 %, for a third of the windows share no channel; three standard errors of the count.
    error = 3 * np.sqrt(0.1 * 0.9 / trials)
    assert 0.03 < alarms / trials < 0.1 + error


@pytest.mark.parametrize("chance", [0.5, 0.999])
def test_a_line_is_found_as_often_as_its_flux_makes_it(chance):
    # Truth: 2 x power of a window of three channels is noncentral chi-square, 2 degrees of freedom for a cell.
    rng, cells, line = np.random.default_rng(4), 100, slice(30, 33)
    n = np.full(N_CHANNELS, cells)
    limit = 2 * gamma.isf(1e-3 / N_CHANNELS, 3 * cells)
    squares = np.linspace(0.0, 600.0, 6001)
    noncentrality = float(np.interp(chance, ncx2.sf(limit, 6 * cells, squares + 1e-9), squares))
    found = []
    for _ in range(400):
        power = rng.gamma(n)
        power[line] = ncx2.rvs(2 * cells, noncentrality / 3, size=3, random_state=rng) / 2
        found.append(find_line(power, n))
    rate = np.mean([f is not None for f in found])
    # The two windows beside the line's own hold two thirds of it and add a few percent of chance; the level of the
    # quietest windows, itself uncertain by 0.4 standard deviations of a window, takes a few.
    error = 3 * np.sqrt(chance * (1 - chance) / len(found))
    assert chance - error - 0.1 < rate < chance + error + 0.06
    assert all(31 in channels for channels in found if channels is not None)


def power_of(excess, cells=100):
    """Return noise, the same each time, and an excess given in its standard deviations."""
    n = np.full(len(excess), cells)
    return np.random.default_rng(8).gamma(n) + np.asarray(excess) * np.sqrt(cells), n


def test_range_is_the_line_and_a_margin():
    excess = np.zeros(60)
    excess[20:40] = 10.0
    # A window beside the line shares a channel with it: 21 to 41 less one at each end is 22 found, margin 4.
    assert find_line(*power_of(excess)) == range(19 - 4, 41 + 4)
    assert np.ceil(MARGIN * 22) == 4
    excess[:] = 10.0
    assert find_line(*power_of(excess)) == range(60), "a line may fill the band"
    assert find_line(*power_of([30.0])) == range(1)


def test_horns_are_one_line_and_bad_channels_are_not_part_of_it():
    excess = np.zeros(80)
    excess[30:33] = excess[50:53] = 8.0
    excess[33:50] = 1.2  # a window has 2 sigma of it, the whole gap 5
    channels = find_line(*power_of(excess))
    assert channels is not None
    assert {30, 52} <= set(channels)
    excess[0] = excess[78:] = 12.0  # brighter than either horn
    assert find_line(*power_of(excess)) == channels
    excess[33:50] = 0.0
    excess[0] = excess[78:] = 0.0
    excess[50:53] = 14.0
    assert set(find_line(*power_of(excess))).isdisjoint(range(40)), "two lines: the brighter one"


def test_understated_noise_is_not_a_line():
    rng, n = np.random.default_rng(5), np.full(N_CHANNELS, 1000)
    # 20 % in variance are 6 sigma of a channel, 11 of a window.
    assert all(find_line(1.2 * rng.gamma(n), n) is None for _ in range(50))
    power = 1.2 * rng.gamma(n)
    power[25:30] += 600.0
    assert {25, 29} <= set(find_line(power, n))


def test_velocities_are_the_edges_of_the_channels(noise_store):
    rng = np.random.default_rng(6)
    signal = np.zeros((N_CHANNELS, 1, 1))
    signal[40:46] = 3.0
    made = noise_store(rng, signal)
    channels = line_channels(made)
    assert {40, 45} <= set(channels)
    found = line_velocities(made)
    # Frequencies ascend: channel k is at (30 - k) steps of velocity.
    assert found.velocity_min_kms == pytest.approx((30 - channels[-1] - 0.5) * STEP_KMS)
    assert found.velocity_max_kms == pytest.approx((30 - channels[0] + 0.5) * STEP_KMS)
    assert line_velocities(noise_store(rng)) is None
    with pytest.raises(ContractError, match="rest frequency"):
        line_velocities(noise_store(rng, rest_frequency_hz=None))
    with pytest.raises(ContractError, match="no data"):
        line_channels(Store(made.manifest, dict(made.arrays) | {"mask": np.zeros_like(made["mask"])}))


def test_channels_without_data_are_no_line():
    n = np.full(N_CHANNELS, 100)
    n[10:20] = 0
    power = np.random.default_rng(7).gamma(np.maximum(n, 1)) * (n > 0)
    assert find_line(power, n) is None
    assert find_line(np.zeros(5), np.zeros(5, int)) is None


@pytest.mark.data
def test_hydrogen_of_ngc_5921_without_the_bad_channels_at_the_ends(unpacked):
    gridded = grid(read_visibilities(unpacked("ngc5921_hi.ms")), GridSpec(15.0, 96, rest_frequency_hz=1420.40575e6))
    found = line_velocities(gridded)
    # The double horn is at 1400 to 1580 km/s of a band from 1312 to 1636; the margin of 15 % is 30 km/s a side.
    assert 1330 < found.velocity_min_kms < 1400
    assert 1580 < found.velocity_max_kms < 1628

import itertools
from dataclasses import replace

import numpy as np
import pytest
from steelyard_schemas import ContractError
from vis_gridder import estimate_noise
from vis_gridder.stream.source import ROW_ARRAYS, Block, as_source


def noise(rng, shape, sigma):
    return sigma * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


def test_recovers_noise_under_changing_weights_gaps_and_a_steady_sky(make_vis):
    rng = np.random.default_rng(1)
    n_baselines, n_times, n_channels, scale = 30, 40, 16, 7.0
    baseline = np.repeat(np.arange(n_baselines), n_times)
    times = np.tile(np.arange(n_times) * 10.0, n_baselines)
    weight = rng.uniform(0.2, 5.0, (baseline.size, n_channels))
    sky = noise(rng, (n_baselines, n_channels), 100.0)[baseline]
    # Weights are inverse variances divided by `scale`; the noise must come from the data.
    data = sky + noise(rng, weight.shape, 1.0) / np.sqrt(scale * weight)
    flag = rng.random(weight.shape) < 0.3
    data[flag] = 1e6
    mixed = rng.permutation(baseline.size)
    vis = make_vis(
        times, times, data[mixed], weight[mixed], flag[mixed], times=times[mixed], baseline=baseline[mixed]
    )
    found = estimate_noise(vis)
    # 30 x 16 chains of about 28 samples: 18 000 degrees of freedom, 0.75 % in the variance; four sigma.
    assert found.weight_scale == pytest.approx(scale, rel=0.03)
    used = np.where(flag, np.nan, weight)
    mean_weight = np.array([np.nanmean(used[baseline == b]) for b in found.antenna2 - 1])
    ratio = found.sigma_jy * np.sqrt(scale * mean_weight)
    assert sorted(found.antenna2) == list(range(1, 31))
    assert np.median(ratio) == pytest.approx(1.0, abs=0.02)
    # One baseline: 16 chains of 28, 600 degrees of freedom, 3 % in sigma; all within five sigma.
    assert np.max(np.abs(ratio - 1)) < 0.15
    # Channels are alike, so their factors must hardly depart from 1: drawn in from a scatter of 4 %.
    assert np.max(np.abs(found.channel_factor - 1)) < 0.06


def test_channels_have_noise_of_their_own(make_vis):
    rng = np.random.default_rng(6)
    n_baselines, n_times, n_channels = 60, 60, 12
    sigma = np.ones(n_channels)
    sigma[[0, 7]] = 1.5, 2.0  # an edge channel, an atmospheric line
    baseline = np.repeat(np.arange(n_baselines), n_times)
    times = np.tile(np.arange(n_times), n_baselines)
    loud = np.where(baseline < 30, 1.0, 3.0)[:, None]
    data = loud * noise(rng, (baseline.size, n_channels), 1.0) * sigma
    found = estimate_noise(make_vis(times, times, data, times=times, baseline=baseline))
    truth = sigma**2 * (loud**2).mean() * found.weight_scale
    # 3540 differences of two parts a channel, the loud half alone counting: 3 % in the variance; four sigma.
    np.testing.assert_allclose(found.channel_factor, truth, rtol=0.13)
    # A baseline's noise is its mean over channels; 700 degrees of freedom, 5 % in the variance; four sigma.
    expected = (loud[::n_times, 0] ** 2) * (sigma**2).mean()
    np.testing.assert_allclose(found.variance_per_weight, expected, rtol=0.25)


def test_scans_and_blocks_of_rows(make_vis):
    # A sky that jumps between scans must not count as noise, wherever the blocks of the stream end.
    rng = np.random.default_rng(7)
    n_times, n_channels = 200, 8
    scan = np.repeat([1, 2, 3, 4], 50)
    times = np.arange(n_times)
    data = noise(rng, (n_times, n_channels), 1.0) + 100.0 * scan[:, None]
    vis = make_vis(times, times, data, times=times, baseline=np.zeros(n_times, int))
    vis["scan"][:] = scan
    whole = estimate_noise(vis)
    assert list(whole.scan) == [1, 2, 3, 4]
    # Four chains of 50 in eight channels: 2100 degrees of freedom, 3.1 % in the variance; four sigma.
    assert 1 / whole.weight_scale == pytest.approx(1.0, abs=0.13)
    source = as_source(vis)
    edges = [0, 1, 49, 50, 51, 120, 200]

    def blocks():
        for a, b in itertools.pairwise(edges):
            yield Block(*(vis[name][a:b] for name in ROW_ARRAYS))

    cut = estimate_noise(replace(source, blocks=blocks))
    np.testing.assert_allclose(cut.variance_per_weight, whole.variance_per_weight, rtol=1e-12)
    np.testing.assert_allclose(cut.dof, whole.dof, rtol=1e-12)


def test_degrees_of_freedom_match_the_scatter_of_the_estimate(make_vis):
    rng = np.random.default_rng(2)
    n_trials, n_times, n_channels = 4000, 6, 8
    baseline = np.repeat(np.arange(n_trials), n_times)
    times = np.tile(np.arange(n_times), n_trials)
    found = estimate_noise(
        make_vis(times, times, noise(rng, (baseline.size, n_channels), 1), times=times, baseline=baseline)
    )
    variance = found.variance_per_weight
    # 2 / Var of a variance of mean 1 is its degrees of freedom; 4000 trials know that to 2 / sqrt(8000) = 2.2 %.
    assert 2.0 / variance.var() == pytest.approx(found.dof[0], rel=0.09)
    assert variance.mean() == pytest.approx(1.0, abs=4 * np.sqrt(2 / found.dof[0] / n_trials))


def test_baselines_listed_the_other_way_round_are_conjugated(make_vis):
    rng = np.random.default_rng(3)
    sky, n_times, n_channels = 50j, 100, 32
    data = sky + noise(rng, (n_times, n_channels), 1.0)
    vis = make_vis(
        np.arange(n_times), np.zeros(n_times), data, times=np.arange(n_times), baseline=np.zeros(n_times, int)
    )
    odd = np.arange(n_times) % 2 == 1
    vis["antenna1"][odd], vis["antenna2"][odd] = 1, 0
    vis["vis"][odd] = vis["vis"][odd].conj()
    # 32 chains of 100: 4300 degrees of freedom, 1.1 % in sigma.
    assert estimate_noise(vis).sigma_jy[0] == pytest.approx(1.0, abs=0.045)


def test_few_differences_fall_back_on_the_pooled_noise(make_vis):
    rng = np.random.default_rng(4)
    baseline = np.concatenate([np.repeat(np.arange(50), 20), [50, 50, 51]])
    times = np.concatenate([np.tile(np.arange(20), 50), [0, 1, 0]])
    data = noise(rng, (baseline.size, 4), 1.0)
    weight = np.ones(data.shape)
    weight[-1] = 4.0
    found = estimate_noise(make_vis(times, times, data, weight, times=times, baseline=baseline))
    pooled = 1 / found.weight_scale
    assert found.variance_per_weight[-2:] == pytest.approx(pooled)
    assert found.variance_per_weight[0] != pooled
    assert found.sigma_jy[-1] == pytest.approx(np.sqrt(pooled) / 2)


def test_says_so_where_there_is_nothing_to_difference(make_vis):
    rng = np.random.default_rng(5)
    with pytest.raises(ContractError, match="no baseline was observed twice"):
        estimate_noise(make_vis(np.arange(9), np.arange(9), noise(rng, (9, 2), 1)))
    with pytest.raises(ContractError, match="repeats itself exactly"):
        estimate_noise(
            make_vis(np.arange(9), np.arange(9), np.ones((9, 2)), times=np.arange(9), baseline=np.zeros(9, int))
        )


def test_a_first_row_of_an_unknown_antenna_leaves_the_other_baselines_their_noise(make_vis):
    rng = np.random.default_rng(8)
    baseline = np.tile([0, 1], 200)
    data = noise(rng, (400, 8), 1.0) * np.where(baseline == 0, 1.0, 3.0)[:, None]
    vis = make_vis(baseline, baseline, data, times=5e9 + 10.0 * np.arange(400), baseline=baseline)
    vis["antenna1"][0] = -1
    found = estimate_noise(vis)
    # 199 differences in 8 channels: 2 % in sigma.
    assert found.sigma_jy[found.antenna1 == 0] == pytest.approx([3.0, 1.0], rel=0.1)
    assert as_source(vis).start_mjd_s == 5e9

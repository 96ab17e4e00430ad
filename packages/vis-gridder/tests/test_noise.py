import numpy as np
import pytest
from steelyard_schemas import ContractError
from vis_gridder import estimate_noise


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
    used = np.where(flag, np.nan, weight)[mixed]
    expected = 1 / np.sqrt(scale * np.nanmean(used, axis=1))
    ratio = found.sigma_jy / expected
    assert np.nanmedian(ratio) == pytest.approx(1.0, abs=0.02)
    # One baseline: 16 chains of 28, 600 degrees of freedom, 3 % in sigma; all within five sigma.
    assert np.nanmax(np.abs(ratio - 1)) < 0.15


def test_degrees_of_freedom_match_the_scatter_of_the_estimate(make_vis):
    rng = np.random.default_rng(2)
    n_trials, n_times, n_channels = 4000, 6, 8
    baseline = np.repeat(np.arange(n_trials), n_times)
    times = np.tile(np.arange(n_times), n_trials)
    found = estimate_noise(
        make_vis(times, times, noise(rng, (baseline.size, n_channels), 1), times=times, baseline=baseline)
    )
    variance = found.variance_per_weight[::n_times]
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
    assert found.variance_per_weight[-3:] == pytest.approx(pooled)
    assert found.variance_per_weight[0] != pooled
    assert found.sigma_jy[-1] == pytest.approx(np.sqrt(pooled) / 2)


def test_says_so_where_there_is_nothing_to_difference(make_vis):
    rng = np.random.default_rng(5)
    with pytest.raises(ContractError, match="no baseline twice"):
        estimate_noise(make_vis(np.arange(9), np.arange(9), noise(rng, (9, 2), 1)))
    with pytest.raises(ContractError, match="repeats itself exactly"):
        estimate_noise(
            make_vis(np.arange(9), np.arange(9), np.ones((9, 2)), times=np.arange(9), baseline=np.zeros(9, int))
        )

"""Jumps by way of an approximation: exact whatever the approximation, and worth their cost when it is good."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sampler import Approximation, MalaConfig, find_mode, load_checkpoint, sample
from scipy import integrate

BEND, WIDTH = 1.0, 0.3
CONFIG = MalaConfig(n_warmup=100, max_steps=200, target_ess=1e6, seed=3, block=10, checkpoint_seconds=0.0)


def banana(z):
    """Strongly bent: MALA alone gets 0.002 effective samples per gradient out of it (README)."""
    return -0.5 * z[0] ** 2 - 0.5 * ((z[1] - BEND * z[0] ** 2) / WIDTH) ** 2


def distorted(z, shift):
    """The banana, moved, widened in one direction, with other tails and another normalisation."""
    x, y = z[0] - shift, z[1] - 0.97 * BEND * z[0] ** 2
    return 7.0 - 0.5 * (x / 1.15) ** 2 - jnp.log1p(0.5 * (y / (1.2 * WIDTH)) ** 2 / 3.0) * 4.0


def two_peaks(z):
    """Weights 0.3 and 0.7, six sigma apart on either side: MALA never crosses."""
    log_weights = jnp.log(jnp.asarray([0.3, 0.7]))
    return jax.nn.logsumexp(log_weights - 0.5 * (z[0] - jnp.asarray([-6.0, 6.0])) ** 2) - 0.5 * z[1] ** 2


def wide(z):
    return -0.5 * jnp.sum((z / jnp.asarray([7.0, 1.0])) ** 2)


@pytest.fixture(scope="module")
def jumped():
    with jax.enable_x64(True):
        approximation = Approximation(distorted, (jnp.asarray(0.2),))
        return sample(banana, jnp.zeros(2), MalaConfig(seed=5, target_ess=2000), approximation=approximation)


def test_moments_are_those_of_the_density_not_of_its_approximation(jumped):
    """E y = b, var y = 2 b^2 + w^2, E x = 0, E x^2 y = 3 b; the approximation's mean of x alone is 0.2 off."""
    assert jumped.converged
    x, y = jumped.draws.reshape(-1, 2).T
    # ESS of squares is below that of the values: 4 standard errors of an ESS of 1000.
    for values, expected in ((x, 0.0), (x**2, 1.0), (y, BEND), ((y - BEND) ** 2, 2 * BEND**2 + WIDTH**2)):
        assert values.mean() == pytest.approx(expected, abs=4 * values.std() / np.sqrt(1000))


def test_a_good_approximation_pays(jumped):
    assert 0.5 < jumped.jump_acceptance.mean() < 0.95
    per_evaluation = jumped.summary.min_ess / (jumped.n_gradients + jumped.n_jumps)
    assert per_evaluation > 0.1  # 0.002 without


@pytest.mark.slow
def test_acceptance_is_the_mean_over_both_densities():
    """Mean acceptance of an independent jump from p~ is int int min(p(x) p~(y), p(y) p~(x)), by quadrature."""
    approximation = Approximation(lambda z: -0.5 * jnp.sum((z - 0.5) ** 2))
    # Nearly Gaussian, so that the pilot's autocorrelation time is short and a jump forgets where it came from.
    result = sample(
        lambda z: -0.5 * jnp.sum(z**2),
        jnp.zeros(1),
        MalaConfig(seed=2, max_steps=3000, target_ess=1e9),
        approximation=approximation,
    )

    def integrand(y, x):
        return min(np.exp(-0.5 * x**2 - 0.5 * (y - 0.5) ** 2), np.exp(-0.5 * y**2 - 0.5 * (x - 0.5) ** 2)) / (
            2 * np.pi
        )

    expected, _ = integrate.dblquad(integrand, -7, 7, -7, 7, epsabs=1e-6)
    # 12,000 jumps, hardly correlated; that a jump is not quite independent of its start raises it a little.
    assert result.jump_acceptance.mean() == pytest.approx(expected, abs=0.02)


@pytest.mark.slow
def test_an_equal_approximation_is_always_accepted():
    result = sample(banana, jnp.zeros(2), CONFIG, approximation=Approximation(lambda z: banana(z) + 1e4))
    np.testing.assert_allclose(result.jump_acceptance, 1.0, atol=1e-9)


@pytest.mark.slow
def test_jumps_cross_between_peaks():
    config = MalaConfig(seed=1, max_steps=3000, target_ess=400, target_rhat=1.02)
    result = sample(two_peaks, jnp.asarray([6.0, 0.0]), config, approximation=Approximation(wide))
    assert result.converged
    right = (result.draws[..., 0] > 0).mean()
    assert right == pytest.approx(0.7, abs=4 * np.sqrt(0.21 / result.summary.ess_bulk[0]))


@pytest.mark.slow
def test_an_approximation_that_vanishes_where_the_density_does_not_loses_no_mass():
    """Jumps neither reach nor leave z < -1, where p~ = 0; MALA steps do, so that the half-line keeps its mass."""

    def cut(z):
        return jnp.where(z[0] < -1, jnp.nan, -0.5 * jnp.sum(z**2))

    result = sample(
        lambda z: -0.5 * jnp.sum(z**2),
        jnp.zeros(1),
        MalaConfig(seed=9, target_ess=1000),
        approximation=Approximation(cut),
    )
    assert (result.draws < -1).mean() == pytest.approx(0.1587, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [1, 5, 11, 19])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path, stop_at):
    approximation = Approximation(distorted, (jnp.asarray(0.2),))
    whole = sample(banana, jnp.zeros(2), CONFIG, approximation=approximation)
    path, seen = tmp_path / "run.npz", []

    def interrupt(progress):
        if progress.phase in ("warmup", "sampling"):
            seen.append(progress)
        if len(seen) == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(banana, jnp.zeros(2), CONFIG, approximation=approximation, progress=interrupt, checkpoint=path)
    assert int(load_checkpoint(path).state.step) == 10 * stop_at
    resumed = sample(banana, jnp.zeros(2), CONFIG, approximation=approximation, checkpoint=path)
    for name in ("draws", "log_density", "acceptance", "jump_acceptance", "factor", "step_size", "n_gradients"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name), err_msg=name)


@pytest.mark.slow
def test_a_checkpoint_of_version_3_is_resumed_with_its_archive(tmp_path):
    """There `jump` was (step size, number of steps), and every array stood beside the others."""
    approximation = Approximation(distorted, (jnp.asarray(0.2),))
    path = tmp_path / "run.npz"
    whole = sample(banana, jnp.zeros(2), CONFIG, approximation=approximation, checkpoint=path)
    found = load_checkpoint(path)
    state, jumps = found.state, found.state.kernels["delayed_acceptance"]
    top = {name: getattr(state, name) for name in ("step", "factor", "seconds", "n_gradients", "draws")}
    archive = {name: jumps[name] for name in ("archive_centre", "archive_points", "archive_projector")}
    np.savez(
        path,
        format=np.array("sampler-checkpoint-3"),
        fingerprint=np.array(found.fingerprint),
        config=np.array(found.config),
        jump=np.array([jumps["step_size"], jumps["n_steps"]]),
        acceptance=state.acceptance["mala"],
        jump_acceptance=state.acceptance["delayed_acceptance"],
        n_jumps=state.n_values,
        draw_log_density=state.draw_log_density,
        **state.chains._asdict(),
        **state.kernels["mala"],
        **top,
        **archive,
    )
    longer = replace(CONFIG, max_steps=240)
    resumed = sample(banana, jnp.zeros(2), longer, approximation=approximation, checkpoint=path)
    np.testing.assert_array_equal(resumed.draws[:, :200], whole.draws)
    assert resumed.draws.shape == (4, 240, 2)
    assert resumed.n_jumps == 8 * 4 * (4 + 24)
    assert resumed.jump_acceptance.mean() == pytest.approx(whole.jump_acceptance.mean(), abs=0.1)


def moved(z, shift):
    """The banana, moved: equal to it for no shift."""
    return banana(z - jnp.stack([shift, 0.0]))


class Refinable:
    """An approximation with one shift after the other; the draws that each of them is asked with are noted."""

    def __init__(self, *shifts):
        self.shifts = [jnp.asarray(shift) for shift in shifts]
        self.given, self.seen = 0, []

    @property
    def approximation(self):
        return Approximation(moved, (self.shifts[self.given],), self.refine)

    def refine(self, draws):
        self.seen.append(draws)
        self.given += 1
        return (self.shifts[self.given],)


@pytest.mark.slow
def test_a_poor_approximation_is_refined_from_its_draws():
    poor = Refinable(1.5, 0.0)
    result = sample(banana, jnp.zeros(2), CONFIG, approximation=poor.approximation)
    never = sample(banana, jnp.zeros(2), CONFIG, approximation=Approximation(moved, (jnp.asarray(1.5),)))
    assert len(poor.seen) == 1
    assert poor.seen[0].shape == (16 * 400, 2)
    # Draws of the first approximation, whose x is 1.5 +- 1.
    assert poor.seen[0][:, 0].mean() == pytest.approx(1.5, abs=0.3)
    np.testing.assert_allclose(result.jump_acceptance, 1.0, atol=1e-9)
    assert never.jump_acceptance.mean() < 0.5
    # Sixteen more gradients than a run that asks once, for where the chains of the pilot then end.
    assert result.n_gradients == never.n_gradients + 16


@pytest.mark.slow
def test_a_good_approximation_is_left_alone_and_no_refinement_goes_on_for_ever():
    good, hopeless = Refinable(0.0, 9.0), Refinable(1.5, 1.5, 1.5, 1.5)
    sample(lambda z: moved(z, 0.0), jnp.zeros(2), CONFIG, approximation=good.approximation)
    sample(banana, jnp.zeros(2), CONFIG, approximation=hopeless.approximation)
    assert (good.given, hopeless.given) == (0, 2)


@pytest.mark.slow
def test_a_refined_run_resumes_bit_for_bit_with_the_last_arguments(tmp_path):
    whole = sample(banana, jnp.zeros(2), CONFIG, approximation=Refinable(1.5, 0.0).approximation)
    path, poor = tmp_path / "run.npz", Refinable(1.5, 0.0)

    def interrupt(progress):
        if progress.phase == "sampling":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(banana, jnp.zeros(2), CONFIG, approximation=poor.approximation, progress=interrupt, checkpoint=path)
    resumed = sample(banana, jnp.zeros(2), CONFIG, approximation=poor.approximation, checkpoint=path)
    assert poor.given == 1
    np.testing.assert_array_equal(resumed.draws, whole.draws)


@pytest.mark.slow
def test_progress_tells_the_pilot_apart_and_counts_gradients_of_the_density_alone():
    seen = []
    mode = find_mode(banana, np.random.default_rng(0).normal(size=(4, 2)), n_steps=40)
    result = sample(banana, mode, CONFIG, approximation=Approximation(banana), progress=seen.append)
    phases = [p.phase for p in seen]
    assert phases == sorted(phases, key=["pilot", "archive", "warmup", "sampling"].index)
    pilot = [p for p in seen if p.phase == "pilot"]
    assert [p.step for p in pilot] == [100 * (i + 1) for i in range(len(pilot))]
    assert seen[-1].jump_acceptance == pytest.approx(1.0)
    # Sixteen ends of the pilot; then eight jumps, one gradient after them and two steps in each block of ten.
    assert result.n_jumps == 8 * 4 * (4 + 20)
    assert result.n_gradients == 16 + (1 + 2) * 4 * (4 + 20)
    assert result.draws.shape == (4, 200, 2)


@pytest.mark.slow
def test_an_approximation_that_leads_nowhere_is_named():
    far = Approximation(lambda z: -0.5 * jnp.sum((z - 100.0) ** 2))

    def bounded(z):
        return jnp.where(jnp.abs(z[0]) < 10, -0.5 * jnp.sum(z**2), -jnp.inf)

    with pytest.raises(ValueError, match="the approximation is wrong"):
        sample(bounded, jnp.full(1, 100.0), CONFIG, approximation=far)


def test_a_block_without_room_for_jumps_is_refused():
    with pytest.raises(ValueError, match="block = 1"):
        sample(banana, jnp.zeros(2), MalaConfig(block=1), approximation=Approximation(banana))

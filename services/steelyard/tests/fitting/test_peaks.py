"""A posterior of several peaks: converged only if the chains have been to all that matter."""

import numpy as np
import pytest
from sampler import Mode, Peak
from steelyard.fitting.folder import RunFolder
from steelyard.fitting.peaks import Peaks, judge_peaks
from steelyard_schemas import ContractError, write_npz

RNG = np.random.default_rng(3)
WIDE, NARROW = np.diag([1.0, 2.0]), np.diag([0.5, 0.1])


def peaks(rival_log_density):
    """A mode at the origin, and a rival at (8, 0) with a fortieth of its volume."""
    rival = Peak(np.array([8.0, 0.0]), rival_log_density, NARROW, True, True)
    return Peaks.of(Mode(np.zeros(2), 0.0, WIDE, True, True, (), 10, (rival,)))


def gaussian(n, centre, factor):
    return np.asarray(centre) + RNG.standard_normal((n, 2)) @ factor.T


def describe(position):
    return f"log10_mbh = {position[0]:.1f}"


def test_the_share_of_a_peak_counts_height_and_width():
    # exp(3) / 40 beside 1
    np.testing.assert_allclose(peaks(3.0).expected_share[1], np.exp(3) / 40 / (1 + np.exp(3) / 40))


def test_draws_at_both_peaks_are_shared_out():
    draws = np.concatenate([gaussian(750, [0, 0], WIDE), gaussian(250, [8, 0], NARROW)])
    found = judge_peaks(peaks(2.0), draws, describe)
    assert found.all_visited
    assert found.warnings == (
        "the posterior has 2 peaks: log10_mbh = 0.0 with 75% of the draws and log10_mbh = 8.0 with 25% of the draws",
    )


def test_a_peak_without_draws_is_missed_unless_it_is_negligible():
    draws = gaussian(1000, [0, 0], WIDE)
    missed = judge_peaks(peaks(2.0), draws, describe)
    assert not missed.all_visited
    # exp(2) / 40 = 0.185 beside 1
    assert (
        "no chain visited the peak at log10_mbh = 8.0, which holds about 16% of the posterior" in missed.warnings[0]
    )
    assert judge_peaks(peaks(-2.0), draws, describe) == (True, ())  # a third of a per cent


def test_a_bent_posterior_has_visited_the_peak_that_it_surrounds():
    """Draws along a ridge, none of them within two widths of the mode; none is near the rival."""
    angle = RNG.uniform(0.5, 2.5, 500)
    ridge = 3.5 * np.stack([-np.sin(angle), 2 * np.cos(angle)], axis=1)
    found = peaks(2.0)
    assert (found.distances(ridge)[0] > 2).all()
    np.testing.assert_array_equal(found.visited(ridge), [True, False])


def test_a_resumed_fit_knows_its_peaks(tmp_path):
    folder = RunFolder(tmp_path)
    assert folder.load_peaks() is None
    folder.save_peaks(peaks(2.0))
    kept = folder.load_peaks()
    for name, array in peaks(2.0)._asdict().items():
        np.testing.assert_array_equal(getattr(kept, name), array)
    write_npz(folder.peaks, {"position": np.zeros(2)})
    with pytest.raises(ContractError, match="use --restart"):
        folder.load_peaks()
    folder.save_peaks(None)
    assert folder.load_peaks() is None

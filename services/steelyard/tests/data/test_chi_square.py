"""Chi-square of cells against simulated noise."""

import numpy as np
import pytest
from steelyard.data.chi_square import cell_misfit


@pytest.mark.parametrize("dof", [9.0, 14.0, 200.0])
def test_expectation_and_variance_of_one_cell(dof):
    rng = np.random.default_rng(int(dof))
    n = 400_000
    squared = 4.0 * (rng.standard_normal(n) ** 2 + rng.standard_normal(n) ** 2)
    estimate = 4.0 * rng.chisquare(dof, n) / dof
    found = cell_misfit(squared / estimate, np.full(n, dof), np.ones(n, bool))
    assert found.chi2.mean() == pytest.approx(2.0, abs=4 * found.chi2.std() / np.sqrt(n))
    assert found.variance[0] == pytest.approx(4 * dof / (dof - 4))
    # Of 4e5 draws; the fourth moment of an F distribution of 9 degrees hardly exists.
    assert found.chi2.var() == pytest.approx(found.variance[0], rel=0.1 if dof < 10 else 0.03)


def test_cells_without_a_variance_are_left_out():
    squared = np.array([[3.0, 5.0, 7.0]])
    found = cell_misfit(squared, np.array([[4.0, 1e9, 1e9]]), np.array([[True, True, False]]))
    np.testing.assert_array_equal(found.used, [[False, True, False]])
    np.testing.assert_allclose(found.chi2, [[0.0, 5.0, 0.0]], rtol=1e-8)
    reduced, sd = found.reduced(axis=0)
    np.testing.assert_allclose(reduced, [np.nan, 2.5, np.nan], rtol=1e-8)
    np.testing.assert_allclose(sd, [np.nan, 1.0, np.nan], rtol=1e-8)
    total, sd = found.reduced(axis=(0, 1))
    assert (total, sd) == (pytest.approx(2.5), pytest.approx(1.0))

"""Sums of rows against products with the matrix that they stand for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics.interferometer.sparse_rows import RowSums, padded_size


@pytest.mark.parametrize("widths", [(3,), (1, 2, 40), (4, 12, 24, 48)])
def test_sums_are_products_with_a_sparse_matrix(widths):
    rng = np.random.default_rng(1)
    matrix = rng.standard_normal((30, 50, 2)) * (rng.random((30, 50, 1)) < rng.random((30, 1, 1)))
    matrix[:, 0] = 1.0
    row, column = np.nonzero(matrix[:, :, 0])
    shuffled = rng.permutation(len(row))
    row, column = row[shuffled], column[shuffled]
    sums, place = RowSums.of_entries(row, column, matrix[row, column], widths, float)
    rows = rng.standard_normal((50, 2, 7))
    got = np.concatenate(jax.jit(sums.of)(jnp.asarray(rows)))
    assert len(got) == sums.n_rows
    np.testing.assert_allclose(got[place], np.einsum("rcp,cpk->rpk", matrix, rows), atol=1e-12)
    # What is left is padding.
    np.testing.assert_array_equal(np.delete(got, place, axis=0), 0)
    assert len(sums.which) == len(widths)


def test_padding_is_a_quarter_at_most():
    sizes = np.arange(1, 5000)
    padded = np.array([padded_size(int(n)) for n in sizes])
    assert np.all(padded >= sizes)
    assert np.all(padded <= 1.25 * sizes)
    assert len(set(padded[999:2000])) <= 5

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from nuker_surrogate.expansion.deconvolution import fit_deconvolution
from nuker_surrogate.expansion.heads import combine
from nuker_surrogate.expansion.mge import sigma_grid_pc
from nuker_surrogate.expansion.radial_features import radial_features
from nuker_surrogate.expansion.targets import loss_targets
from nuker_surrogate.law.domain import from_box, sample_box
from nuker_surrogate.training.dataset import build_problem


@pytest.mark.parametrize("head", ["corrected", "normalised", "symexp"])
def test_perfect_labels_give_back_the_least_squares_solution(head):
    # Undoing the output coordinates of the labels must give coefficients as good as the least-squares solution:
    # 1e-3 for float32 arrays, against the 1e-4 of the solution itself.
    sigma = sigma_grid_pc()
    targets, features = loss_targets(sigma), radial_features(sigma)
    matrix = np.zeros((features.n_features, sigma.size))
    if head == "corrected":
        laws = from_box(sample_box(300, np.random.default_rng(1)))
        matrix = fit_deconvolution(targets, features, laws, ridge=1e-3)
    problem = build_problem(head, targets, features, matrix, 100, 5, faces=0.1, label_ridge=1e-3)
    e = problem.examples
    raw = np.asarray(e.labels, np.float64) @ problem.unwhiten + problem.offset
    with jax.enable_x64(True):
        c = np.asarray(combine(head, jnp.asarray(raw), np.float64(e.scale), np.float64(e.linear)))
    mass = c @ problem.targets.mass_basis_pc2.T / np.asarray(e.mass_pc2, np.float64) - 1
    assert np.abs(mass[:, problem.targets.mass_weight == 1]).max() < 0.01

import numpy as np
import pytest
from nuker_surrogate.expansion.mge import sigma_grid_pc
from nuker_surrogate.expansion.targets import loss_targets
from nuker_surrogate.law.deprojection import density, enclosed_rule
from nuker_surrogate.law.domain import from_box, sample_box
from nuker_surrogate.law.nuker import NukerParams

from .support import SIGMA


def test_the_mass_matrix_agrees_with_the_nested_quadrature():
    # Two independent routes to M(R): one integral over Sigma' here, Abel and shell integrals there.
    # 1e-9 is what both promise; the corners have the sharpest and the widest breaks.
    targets = loss_targets(SIGMA)
    rule = enclosed_rule(targets.R_pc, 2.0)
    box = sample_box(25, np.random.default_rng(3), faces=0.5)
    masses = targets.mass_pc2(from_box(box))
    for law, mass in zip(zip(*from_box(box), strict=True), masses, strict=True):
        exact = rule.enclosed_mass(density(rule.m_pc, NukerParams(*law)))
        np.testing.assert_allclose(mass, exact, rtol=1e-9)


def test_the_targets_follow_the_grid():
    sigma = sigma_grid_pc(24, 0.1, 1e4)
    targets = loss_targets(sigma)
    assert targets.R_pc[0] == pytest.approx(0.1)
    assert targets.R_pc.size == 125
    assert (targets.profile_weight[targets.R_pc > 0.5] >= 0.1).all()

import numpy as np
import pytest
from nuker_surrogate.expansion.radial_features import radial_features
from nuker_surrogate.expansion.targets import columns
from nuker_surrogate.law.nuker import NukerParams, surface_density

from .support import SIGMA


def test_the_cusp_scale_is_the_mass_within_the_narrowest_gaussian():
    # A power law holds 2 pi R^2 Sigma / (2 - gamma); the six-point rule is but a scale: 3 % is ample.
    for gamma in (0.001, 0.6, 1.2):
        law = NukerParams(*np.array([[5.0], [gamma + 2], [gamma], [1000.0]]))
        scale = radial_features(SIGMA).scale(law, np)[0]
        expected = surface_density(SIGMA, law, xp=np)
        expected[0] /= 2 - gamma
        np.testing.assert_allclose(scale, expected, rtol=0.03)


def test_widths_must_be_log_uniform():
    with pytest.raises(ValueError, match="log-uniform"):
        radial_features(np.array([1.0, 2.0, 5.0]))


def test_the_features_are_profile_and_slope():
    # Against a central difference, whose own error is 1e-8 at this step.
    features = radial_features(SIGMA)
    law = NukerParams(*np.array([[0.7, 9.0], [2.0, 4.1], [0.3, 1.1], [3.0, 700.0]]))
    seen = features.evaluate(law, np)
    assert seen.shape == (2, features.n_features)
    n_c, n_R, step = features.cusp_radius_pc.size, features.R_pc.size, 1e-4
    ahead, behind = (surface_density(features.R_pc * np.exp(s), columns(law), xp=np) for s in (step, -step))
    np.testing.assert_allclose(seen[:, n_c : n_c + n_R], surface_density(features.R_pc, columns(law), xp=np))
    np.testing.assert_allclose(seen[:, n_c + n_R :], (behind - ahead) / (2 * step), rtol=1e-6)

import numpy as np
import pytest
from vis_gridder.noise.robust import robust_sigma, robust_sigma_of_channels


def test_sigma_from_the_median_absolute_deviation():
    # Median 3, deviations 2, 1, 0, 1, 997: their median is 1, whatever the outlier.
    assert robust_sigma(np.array([1.0, 2.0, 3.0, 4.0, 1000.0, np.nan, np.inf])) == pytest.approx(1.4826)
    assert robust_sigma(np.full(3, np.nan)) == 0.0
    cube = np.stack([np.arange(9.0).reshape(3, 3), np.zeros((3, 3)), np.full((3, 3), np.nan)])
    np.testing.assert_allclose(robust_sigma_of_channels(cube), [2 * 1.4826, 0.0, np.nan])

"""The exact rotation curve against vcdisk, which inverts tabulated profiles by its own quadrature."""

import numpy as np
import pytest
from nuker_surrogate import NukerParams, exact_circular_velocity, surface_density

# Not in the lock: it pins a jinja2 that Steelyard cannot use, though it does not need it for this.
vcdisk = pytest.importorskip("vcdisk", reason="vcdisk is not installed: uv pip install --no-deps vcdisk")

LAW = NukerParams(2.0, 3.2, 0.6, 150.0)
RADIUS_PC = np.geomspace(1.0, 1e5, 350)  # what vcdisk does not see beyond the table it takes as constant or nil
SEEN = (RADIUS_PC > 30) & (RADIUS_PC < 3000)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("q", [1.0, 0.7, 0.4])
def test_rotation_curves_agree(q):
    chosen = np.flatnonzero(SEEN)[::12]
    profile = np.asarray(surface_density(RADIUS_PC, LAW, 1e3, xp=np))
    exact = exact_circular_velocity(RADIUS_PC[chosen], LAW, q=q, inclination=np.pi / 2, sigma_b=1e3)
    # Edge-on, where the projection factor is one whatever the convention for the inclination.
    found = vcdisk.vcbulge(RADIUS_PC / 1e3, 1e6 * profile, q=q, inc=90.0)[chosen]
    # Its derivatives are differences in the table, which this spacing leaves good to some 1e-3.
    np.testing.assert_allclose(found, exact, rtol=1e-2)

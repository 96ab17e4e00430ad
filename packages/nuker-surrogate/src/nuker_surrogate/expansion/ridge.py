"""Ridge regression of the profile on the Gaussians: one linear map for all laws.

SuperMAGE uses this projector. It minimises absolute residuals; it is the baseline of every comparison.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from nuker_surrogate.expansion.mge import gaussian_profiles, sigma_grid_pc
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.nuker import Array, NukerParams, surface_density


class RidgeProjector(NamedTuple):
    """A linear map from a profile to the coefficients of the Gaussians.

    Attributes:
        R_pc: (n_R,) radii at which the profile is evaluated [pc].
        sigma_pc: (n,) widths of the Gaussians [pc].
        matrix: (n, n_R) coefficients per unit surface density at each radius.
    """

    R_pc: Float
    sigma_pc: Float
    matrix: Float

    def coefficients(self, params: NukerParams) -> Array:
        """Coefficients (..., n) for Sigma_b = 1 of laws with (...) leaves; jit, vmap and grad safe. Needs float64."""
        leaves = NukerParams(*(jnp.asarray(leaf)[..., None] for leaf in params))
        return surface_density(jnp.asarray(self.R_pc), leaves) @ jnp.asarray(self.matrix).T


def ridge_projector(sigma_pc: Float | None = None, n_R: int = 100, ridge: float = 1e-2) -> RidgeProjector:
    """Solve for the ridge projector onto Gaussians of fixed width.

    Args:
        sigma_pc: (n,) widths [pc]; the paper's 64 by default.
        n_R: number of log-uniform radii over the extent of the widths.
        ridge: standard deviation of the noise against which the coefficients are damped.
    """
    sigma = sigma_grid_pc() if sigma_pc is None else np.asarray(sigma_pc, dtype=np.float64)
    R = np.geomspace(sigma[0], sigma[-1], n_R)
    basis = gaussian_profiles(R, sigma)
    matrix = np.linalg.solve(basis.T @ basis + ridge**2 * np.eye(sigma.size), basis.T)
    return RidgeProjector(R, sigma, matrix)

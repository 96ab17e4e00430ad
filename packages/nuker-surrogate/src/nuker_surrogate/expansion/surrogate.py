"""Surrogate: Nuker parameters in, Gaussian coefficients out."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from steelyard_schemas.surrogate import Domain, SurrogateArtifact

from nuker_surrogate.expansion import heads
from nuker_surrogate.expansion.heads import Weights
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.domain import check_inside, inside
from nuker_surrogate.law.nuker import Array, NukerParams


class Surrogate:
    """A trained map from the shape of a Nuker law to the coefficients of its multi-Gaussian expansion.

    Attributes:
        manifest: version, domain, training settings and measured errors.
        sigma_pc: (n,) widths of the Gaussians [pc], float64.
    """

    def __init__(self, manifest: SurrogateArtifact, weights: Weights) -> None:
        self.manifest = manifest
        self.sigma_pc: Float = np.asarray(manifest.sigma_pc, dtype=np.float64)
        self._evaluate = jax.jit(partial(_coefficients, manifest.head, manifest.domain, weights))

    @property
    def version(self) -> str:
        """Semantic version of the artifact."""
        return self.manifest.version

    @property
    def domain(self) -> Domain:
        """Box of parameters to which the errors in the manifest apply."""
        return self.manifest.domain

    def coefficients(self, params: NukerParams) -> jax.Array:
        """Central surface densities of the Gaussians [Msun / pc^2] for ``Sigma_b = 1 Msun / pc^2``.

        They are proportional to Sigma_b: multiply them by it. Safe under jit, vmap and grad; computed in the
        precision of `params` (Python numbers take JAX's default).

        Args:
            params: shape of the law; leaves broadcast against each other to some shape (...).

        Returns:
            (..., n) array, in the order of `sigma_pc`. Coefficients can be negative. Under a transformation, laws
            outside the domain give NaN.

        Raises:
            ValueError: a law lies outside the domain (only outside a transformation).
        """
        params = NukerParams(*params)
        if not any(isinstance(leaf, jax.core.Tracer) for leaf in params):
            check_inside(params, self.domain)
        return self._evaluate(params)

    def __repr__(self) -> str:
        return f"Surrogate({self.version}, {self.manifest.head}, {self.sigma_pc.size} Gaussians)"


def _coefficients(head: heads.Head, domain: Domain, weights: Weights, params: NukerParams) -> Array:
    ok = inside(params, domain)
    # NaN parameters give NaN coefficients; `where` keeps them out of the gradients of other laws.
    return heads.coefficients(head, weights, NukerParams(*(jnp.where(ok, leaf, jnp.nan) for leaf in params)))

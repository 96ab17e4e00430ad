"""Our side of `sampling.py`: one posterior sampled as `steelyard fit` does, by MALA alone, and by BlackJAX's NUTS."""

import sys
import time
from pathlib import Path

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
from sampler import MalaConfig, Monitor, sample
from steelyard.fitting.run import STEPS_BETWEEN_NEWS
from steelyard.inference.coordinates import sampled_at, sampled_parameters
from steelyard.inference.density import log_density
from steelyard.inference.problem import prepare
from steelyard_schemas import Galaxy, GriddedVisibilities, read_store

from benchmarks.forward_problem import CASES, galaxy_of
from benchmarks.peer_process import serve
from validation.calibration.fits import Effort, fit_cells
from validation.reference_disc import TRUTH

STARS = ("alpha", "gamma", "beta_minus_gamma", "log10_r_b_pc")
EFFORT = Effort(target_ess=1000.0, max_rhat=1.01, max_steps=20_000)
MALA_ESS = 400.0
NUTS_DRAWS, NUTS_STEP_SIZE = 300, 0.6


def galaxy_with_known_stars(name):
    """The benchmark's galaxy, the shape of its stars known as SuperMAGE's model has it, and known noise."""
    plain = galaxy_of(CASES[name]).model_dump(mode="json", exclude_none=True)
    fixed = {parameter: {"kind": "fixed", "value": TRUTH[parameter]} for parameter in STARS}
    return Galaxy.model_validate(plain | {"likelihood": {"kind": "gaussian"}, "priors": fixed})


class Posterior:
    """One posterior; what samples it leaves draws of the parameters, by name, in a file."""

    def __init__(self, folder):
        data = read_store(folder / "gridded.zarr", GriddedVisibilities)
        self.problem = prepare(galaxy_with_known_stars(folder.name), data)
        self.coordinates = self.problem.coordinates
        self.cells = self.problem.cells

    def fit(self, out):
        """As `steelyard fit`, compilation and the search for the mode in its seconds."""
        problem = self.problem
        began = time.perf_counter()
        draws, result, _ = fit_cells(
            problem.parameters, self.coordinates, self.cells, problem.estimates, EFFORT, seed=1
        )
        took = time.perf_counter() - began
        self._keep(out, draws)
        self._points = result.draws
        return {
            "seconds": result.sampling_seconds,
            "all_s": took,
            "n_gradients": result.n_gradients,
            "n_jumps": result.n_jumps,
            "acceptance": float(result.acceptance.mean()),
            "jump_acceptance": float(result.jump_acceptance.mean()),
        }

    def mala(self, out):
        """MALA alone, from points of the fit; its own warm-up finds preconditioner and step size."""
        config = MalaConfig(
            target_ess=MALA_ESS,
            target_rhat=EFFORT.max_rhat,
            max_steps=EFFORT.max_steps,
            block=STEPS_BETWEEN_NEWS,
            seed=2,
        )
        monitor = Monitor(sampled_at, (self.coordinates,))
        result = sample(log_density, self._starts(), config, args=(self.coordinates, self.cells), monitor=monitor)
        self._keep(out, sampled_parameters(self.coordinates, result.draws))
        return {
            "seconds": result.sampling_seconds,
            "n_gradients": result.n_gradients,
            "acceptance": float(result.acceptance.mean()),
        }

    def nuts(self, out):
        """BlackJAX's, in coordinates whitened by the fit, where one step size and a unit metric serve: no warm-up."""
        flat = self._points.reshape(-1, self._points.shape[-1])
        centre, factor = flat.mean(0), np.linalg.cholesky(np.cov(flat.T))
        whitened = np.linalg.solve(factor, (self._starts() - centre).T).T

        @jax.jit
        def run(key, start, coordinates, cells):
            kernel = blackjax.nuts(
                lambda z: log_density(centre + factor @ z, coordinates, cells), NUTS_STEP_SIZE, jnp.ones(len(centre))
            )

            def step(state, key):
                state, info = kernel.step(key, state)
                return state, (state.position, info.num_integration_steps, info.is_divergent)

            return jax.lax.scan(step, kernel.init(start), jax.random.split(key, NUTS_DRAWS))[1]

        began = time.perf_counter()
        # Chain by chain: side by side each would wait for the longest tree.
        keys = jax.random.split(jax.random.key(3), len(whitened))
        chains = [run(key, start, self.coordinates, self.cells) for key, start in zip(keys, whitened, strict=True)]
        positions, steps, divergent = (np.array(part) for part in zip(*chains, strict=True))
        took = time.perf_counter() - began
        self._keep(out, sampled_parameters(self.coordinates, centre + positions @ factor.T))
        return {"all_s": took, "n_gradients": int(steps.sum()), "n_divergent": int(divergent.sum())}

    def _starts(self):
        """One point of each of the fit's chains, far from their ends."""
        return self._points[:, self._points.shape[1] // 2]

    def _keep(self, out, draws):
        names = self.problem.parameters.names
        np.savez(out, **{name: draws[..., i] for i, name in enumerate(names)})


def main():
    jax.config.update("jax_enable_x64", True)  # as `steelyard.fit` does
    jax.config.update("jax_compilation_cache_dir", None)
    posterior = Posterior(Path(sys.argv[1]))
    serve({name: getattr(posterior, name) for name in ("fit", "mala", "nuts")})


if __name__ == "__main__":
    main()

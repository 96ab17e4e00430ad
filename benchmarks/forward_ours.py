"""Our side of `forward.py`: the only place that names Steelyard's model, and a worker that evaluates it."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.adaptation.step_size import DualAveragingAdaptationState
from sampler import on_chain_devices
from sampler.chains.adaptation import step_size_start
from sampler.chains.mala_block import block_program
from sampler.chains.state import Chains
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.predict import predicted_visibilities
from steelyard.inference.density import log_density
from steelyard.inference.problem import prepare
from steelyard_schemas import GriddedVisibilities, read_store

from benchmarks.forward_problem import CASES, galaxy_of
from benchmarks.peer_process import memory_mib, serve, settle_memory, timed
from validation.reference_disc import TRUTH

STEPS = 10
"""Sampler steps per call, as many as between two progress reports of a fit."""


class Ours:
    """Everything that the benchmark asks of Steelyard's model: built from a galaxy and gridded data."""

    def __init__(self, galaxy, data):
        self._galaxy, self._data = galaxy, data
        self.problem = prepare(galaxy, data)
        self.arguments = (self.problem.coordinates, self.problem.cells)
        self.point = self._truth()

    def _truth(self):
        """The sampler's coordinates of the truth, but for the stellar mass, found by its own parameter."""
        coordinates = self.problem.coordinates
        point = coordinates.from_scores(coordinates.space.unconstrain(TRUTH))
        column = coordinates.space.names.index("log10_sigma_b")
        for _ in range(3):
            off = TRUTH["log10_sigma_b"] - coordinates.parameters(point)["log10_sigma_b"]
            point = jnp.asarray(point).at[column].add(off)
        return point

    def mge(self):
        """Surface densities and dispersions of the stars' Gaussians, in double precision."""
        mge = self.problem.model.mge(TRUTH)
        return np.asarray(mge.surface_density_msun_pc2, float), np.asarray(mge.sigma_pc, float)

    def visibilities(self):
        """V at the cells' centres, not the cells' expected means: what the reference and SuperMAGE compute.

        On the whole half plane, zero where the model has no cells.
        """
        grid, whole = self.problem.model.grid, self._data["mask"]
        model = np.asarray(predicted_visibilities(self.problem.model, TRUTH))
        rows = np.rint(np.fft.fftfreq(grid.npix, 1 / grid.npix)).astype(int)
        visibilities = np.zeros(whole.shape, model.dtype)
        visibilities[:, rows, : model.shape[-1]] = model
        return visibilities

    def compiled(self, subcells="standard"):
        """Value and gradient of the log-density at a point, as one compiled program."""
        point, arguments = self.point, (self.problem.with_subcells(subcells).coordinates, self.problem.cells)
        program = jax.jit(jax.value_and_grad(log_density)).lower(point, *arguments).compile()
        return lambda: jax.block_until_ready(program(point, *arguments))

    def chains(self, n):
        """STEPS steps of n chains about the truth, by the sampler's own program.

        They start from a value that none reaches: all proposals are rejected, which costs as much as accepting them.
        """
        points = jnp.asarray(self.point + 1e-3 * np.arange(n)[:, None])
        chains = Chains(points, jnp.full(n, 1e9), jnp.zeros_like(points))
        step_size = DualAveragingAdaptationState(*jnp.asarray(step_size_start(np.log(1e-4))))
        rest = jnp.eye(points.shape[1]), jax.random.key(0), jnp.asarray(False), on_chain_devices(self.arguments, n)
        program = block_program(log_density, STEPS)
        return lambda: jax.block_until_ready(program(chains, step_size, *rest))

    def cube(self):
        """The cube alone, on the data's pixels, as one compiled program."""
        manifest, channels = self._data.manifest, self.problem.model.grid.channels
        beam = jnp.ones((manifest.npix, manifest.npix), jnp.float32)
        model = GalaxyModel.of(self._galaxy, ModelGrid(manifest.npix, manifest.cell_arcsec, channels, beam))
        program = jax.jit(model.cube).lower(TRUTH).compile()
        return lambda: jax.block_until_ready(program(TRUTH))


def main():
    folder = Path(sys.argv[1])
    jax.config.update("jax_enable_x64", True)  # as `steelyard.fit` does
    # As the commands do, so that a second process finds the programs of the first.
    jax.config.update("jax_compilation_cache_dir", str(folder / "compiled"))
    ours = Ours(galaxy_of(CASES[folder.name]), read_store(folder / "gridded.zarr", GriddedVisibilities))
    jax.block_until_ready(ours.arguments)
    held = {"before": settle_memory()}
    make = {
        "evaluation": ours.compiled,
        "fine": lambda: ours.compiled("fine"),
        "one chain": lambda: ours.chains(1),
        "four chains": lambda: ours.chains(4),
        "cube": ours.cube,
    }
    programs = {}

    def build(program):
        programs[program], seconds = timed(make[program])
        programs[program]()
        return {"seconds": seconds}

    def settle():
        held["before"] = settle_memory()

    serve(
        {
            "build": build,
            "settle": settle,
            "evaluate": lambda program: {"seconds": timed(programs[program])[1]},
            "memory": lambda: {"peak_mib": (peak := memory_mib()[1]), "increase_mib": peak - held["before"]},
            "visibilities": lambda path: np.save(path, ours.visibilities()),
        }
    )


if __name__ == "__main__":
    main()

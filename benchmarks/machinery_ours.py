"""Worker of `machinery.py`: evaluates chains, or fits the demo, without one of the process settings."""

import os
import sys
from pathlib import Path


def leave_out(part):
    """Switch one setting off in this process; must come before JAX is imported."""
    if part == "vectors":
        os.environ["XLA_FLAGS"] = "--xla_cpu_prefer_vector_width=256"  # XLA's own choice; a width that is set is kept
    elif part == "cores":
        os.environ["JAX_NUM_CPU_DEVICES"] = "1"
    from steelyard import process

    if part == "malloc":
        process.keep_freed_memory = lambda: False
    process.settle_process()
    if part == "sequential":
        from sampler import density

        density._batched = lambda log_density, transform: transform(log_density)
    elif part == "blocks":
        from steelyard.galaxy.model import GalaxyModel

        GalaxyModel.in_blocks = lambda self: self


def main():
    part, what, place = sys.argv[1:]
    leave_out(part)
    if what == "demo":
        from steelyard.__main__ import main as steelyard

        sys.argv = ["steelyard", "demo", "--out", place, "--json"]
        steelyard()
        return

    import jax
    from steelyard_schemas import GriddedVisibilities, read_store

    from benchmarks.forward_ours import STEPS, Ours
    from benchmarks.forward_problem import CASES, galaxy_of
    from benchmarks.peer_process import serve, timed

    jax.config.update("jax_enable_x64", True)  # as `steelyard.fit` does
    folder = Path(place)
    ours = Ours(galaxy_of(CASES[folder.name]), read_store(folder / "gridded.zarr", GriddedVisibilities))
    four = ours.chains(4)
    four()
    serve({"evaluate": lambda: {"seconds": timed(four)[1] / (4 * STEPS)}})


if __name__ == "__main__":
    main()

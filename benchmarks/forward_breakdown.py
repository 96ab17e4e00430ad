"""Where the time of a log-density with gradient goes, stage by stage, and how far that is from a floor.

    uv run python -m benchmarks.forward_breakdown [--cases S M L] [--write]

The model is compiled up to each of its stages, whose result is then summed with weights; what a stage adds to the one
before is its time, with the memory that it has in the whole. The floor is what nothing can do without that goes by
way of a cube: its Fourier transform there and back (two channels as one complex image), and writing and reading the
cube once in either direction, at the rate at which this machine copies memory. Both are measured here, in the same
process, which computes as commands do. --write puts the table into docs/stages.md.
"""

import json
import os
import platform
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
from kinematics import BAND_LIMITED
from steelyard.inference.density import log_density

from benchmarks.forward import AS_COMMANDS
from benchmarks.forward_case import observed
from benchmarks.forward_ours import Ours
from benchmarks.forward_problem import CASES, galaxy_of
from benchmarks.peer_process import machine, run_module, timed
from validation.page import DOCS, ResultPage, table

PAGE = ResultPage(DOCS / "stages.md", "benchmarks.forward_breakdown")
REPEATS = 15
COPIED_MIB = 512
MS = 1e3


class Stages:
    """The model of one case as functions of the sampler's coordinates, each of which goes a stage further."""

    def __init__(self, problem):
        self.model = problem.model
        self.parameters = problem.coordinates.parameters

    def gas(self, point):
        """Rotation curve and all else that the disc is rendered from, by way of the surrogate."""
        return self.model.gas(self.parameters(point))

    def light(self, point):
        """Flux, velocity and width of all subcells."""
        return [means for _, means in self.model.light(self.parameters(point))]

    def cube(self, point):
        """Their spectra, put into pixels."""
        return self.model.cube(self.parameters(point), pixel=BAND_LIMITED)


def fastest(function, *arguments):
    """Shortest time of a compiled function, in seconds; a shared machine only ever adds to it."""
    program = jax.jit(function).lower(*arguments).compile()
    jax.block_until_ready(program(*arguments))
    return min(timed(lambda: jax.block_until_ready(program(*arguments)))[1] for _ in range(REPEATS))


def weighted(function, point):
    """Return a function of the point that sums what `function` makes with weights, as nothing else would be done."""
    random = np.random.default_rng(0)
    weights = jax.tree.map(
        lambda found: jnp.asarray(random.standard_normal(found.shape), found.dtype), jax.jit(function)(point)
    )

    def total(point, weights):
        return sum(jax.tree.leaves(jax.tree.map(jnp.vdot, weights, function(point)))).astype(float)

    return total, weights


def measure(name):
    """Return seconds up to every stage of a case, alone and with gradient, and what the floor rests on."""
    jax.config.update("jax_enable_x64", True)  # as `steelyard.fit` does
    case = CASES[name]
    ours = Ours(galaxy_of(case), observed(case))
    point, stages = jnp.asarray(ours.point), Stages(ours.problem)
    up_to = {}
    for stage, function in {
        "rotation curve": lambda point: stages.gas(point)[2].velocity_kms,
        "light, velocity, width of subcells": stages.light,
        "spectra, into pixels": stages.cube,
    }.items():
        total, weights = weighted(function, point)
        up_to[stage] = [fastest(total, point, weights), fastest(jax.value_and_grad(total), point, weights)]
    whole = [fastest(f, point, *ours.arguments) for f in (log_density, jax.value_and_grad(log_density))]
    cube = jax.jit(stages.cube)(point)
    pairs = jax.lax.complex(*jnp.split(cube[: len(cube) // 2 * 2], 2))
    copied = jnp.zeros((COPIED_MIB, 2**18), jnp.float32)
    return {
        "up_to": up_to | {"transform, cells' response, likelihood": whole},
        "transform": [fastest(jnp.fft.rfft2, cube), fastest(jnp.fft.fft2, pairs)],
        "copy_bytes_per_s": 2 * copied.nbytes / fastest(lambda x: x + 1, copied),
        "cube_bytes": cube.nbytes,
        "cube_shape": cube.shape,
    }


def page(found):
    """Write the numbers up."""
    rates = ", ".join(f"{f['copy_bytes_per_s'] / 1e9:.0f}" for f in found.values())
    lines = [
        f"{machine()}, {platform.system()}; jax {jax.__version__}. Cases of docs/kinematics.md, one evaluation of",
        f"the log-density, fastest of {REPEATS} calls in milliseconds, alone / with gradient. Of each stage: what it",
        "adds to the model up to the stage before.",
        "",
        "Floor of the spectra: the cube written once and read once, for the gradient in either direction, at the",
        f"rate at which JAX copies memory on these cores ({rates} GB/s, read and written). Floor of the transform:",
        "that of the cube by itself, and back two channels as one complex image. The other stages have none.",
        "",
    ]
    rows = []
    before = {name: [0.0, 0.0] for name in found}
    for stage in next(iter(found.values()))["up_to"]:
        rows.append([stage])
        for name, f in found.items():
            rows[-1].append(_pair([now - then for now, then in zip(f["up_to"][stage], before[name], strict=True)]))
            before[name] = f["up_to"][stage]
    floors = {name: floor(f) for name, f in found.items()}
    sums = {name: [sum(parts) for parts in zip(*each.values(), strict=True)] for name, each in floors.items()}
    rows.append(["the whole", *(_pair(whole) for whole in before.values())])
    rows += [[f"floor of the {part}", *(_pair(each[part]) for each in floors.values())] for part in floors[name]]
    over = ([whole / least for whole, least in zip(before[name], sums[name], strict=True)] for name in found)
    rows.append(["the whole over both floors", *(" / ".join(f"{ratio:.1f}" for ratio in each) for each in over)])
    heads = [f"{name}: {' x '.join(str(n) for n in f['cube_shape'])}" for name, f in found.items()]
    return "\n".join([*lines, *table(("stage", *heads), rows)])


def floor(found):
    """Seconds of passes over the cube and of transforms, alone and with gradient."""
    one_pass = 2 * found["cube_bytes"] / found["copy_bytes_per_s"]
    there, back = found["transform"]
    return {"spectra": [one_pass, 2 * one_pass], "transform": [there, there + back]}


def _pair(seconds):
    return " / ".join(f"{MS * each:.1f}" for each in seconds)


def main():
    parser = PAGE.parser(__doc__)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--one", choices=CASES, help="measure one case in this process and print JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one)))
        return
    found = {}
    for name in options.cases:
        own = {"env": os.environ | AS_COMMANDS, "stdout": subprocess.PIPE, "text": True}
        done = run_module("benchmarks.forward_breakdown", "--one", name, **own)
        found[name] = json.loads(done.stdout)
        print(name, done.stdout, file=sys.stderr, flush=True)
    text = page(found)
    print(text)
    if options.write:
        PAGE.write(text)


if __name__ == "__main__":
    main()

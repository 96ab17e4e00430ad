"""Coefficients with gradients: the shipped surrogate beside the ridge projector's route, in one run.

    uv run python -m benchmarks.surrogate [--write]

The ridge route is the law on 100 radii, then a 64 x 100 product, compiled as the surrogate is. Both give the
coefficients of 1000 laws and pull a cotangent of them back to the four parameters. Runs alternate; the median and the
fastest of 60 blocks of 5 count. --write puts the table into benchmarks/surrogate.md.
"""

import os
import platform
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from nuker_surrogate import NukerParams, load_surrogate, ridge_projector
from nuker_surrogate.law.domain import from_box, sample_box

from validation.page import ResultPage, table

PAGE = ResultPage(Path(__file__).with_suffix(".md"), "benchmarks.surrogate")
LAWS, BLOCKS, CALLS, LOADS = 1000, 60, 5, 20


def with_gradient(coefficients):
    def pull(params, cotangent):
        value, back = jax.vjp(coefficients, params)
        return value, back(cotangent)

    return jax.jit(pull)


def timed(routes, params, cotangent):
    programs = {name: with_gradient(route) for name, route in routes.items()}
    for program in programs.values():
        jax.block_until_ready(program(params, cotangent))
    times = {name: [] for name in routes}
    for _ in range(BLOCKS):
        for name, program in programs.items():
            began = time.perf_counter()
            for _ in range(CALLS):
                result = program(params, cotangent)
            jax.block_until_ready(result)
            times[name].append((time.perf_counter() - began) / CALLS)
    return {name: (np.median(values), min(values)) for name, values in times.items()}


def loading():
    times = []
    for _ in range(LOADS):
        began = time.perf_counter()
        load_surrogate()
        times.append(time.perf_counter() - began)
    return np.median(times), min(times)


def main():
    options = PAGE.parser(__doc__).parse_args()
    surrogate, projector = load_surrogate(), ridge_projector()
    routes = {"ridge projector": projector.coefficients, f"surrogate {surrogate.version}": surrogate.coefficients}
    rng = np.random.default_rng(0)
    box, cotangent = from_box(sample_box(LAWS, rng)), rng.normal(size=(LAWS, 64))
    lines = [
        f"{LAWS} laws with gradients, {platform.machine()}, {os.cpu_count()} cores, JAX {jax.__version__}",
        "",
    ]
    rows = []
    for dtype in ("float32", "float64"):
        with jax.enable_x64(dtype == "float64"):
            params = NukerParams(*(jnp.asarray(leaf, dtype) for leaf in box))
            for name, (median, fastest) in timed(routes, params, jnp.asarray(cotangent, dtype)).items():
                rows.append((name, dtype, f"{1e3 * median:.2f}", f"{1e3 * fastest:.2f}"))
    lines += table(("route", "precision", "median [ms]", "fastest [ms]"), rows)
    median, fastest = loading()
    lines += [f"Loading the surrogate, hashes checked: {1e3 * median:.0f} ms (fastest {1e3 * fastest:.0f} ms)."]
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if options.write:
        PAGE.write(text)


if __name__ == "__main__":
    main()

"""The page that `forward.py` writes of what it found."""

import platform
import statistics

import jax

from benchmarks.forward_problem import AZIMUTHS, CASES, KINMS_CLOUDS, RADII
from benchmarks.peer_process import machine
from validation.page import DOCS, ResultPage, table
from validation.reference_disc import TRUTH

PAGE = ResultPage(DOCS / "kinematics.md", "benchmarks.forward", "--supermage-python PATH --kinms-python PATH")


def median(measured, kind="increase_mib"):
    """Median of what several processes measured."""
    return statistics.median(each[kind] for each in measured)


def page(found):
    """Write the numbers up."""
    versions = next(iter(found.values()))["versions"] | {"jax": jax.__version__}
    problems = [
        (
            name,
            *(str(v) for v in (case.channels, f"{case.width_kms:g}", f"{case.npix}²", f"{case.image_npix}²")),
            f"{case.cell_arcsec:g}",
            str(f["cells"]),
            f"{f['reach']:.2f}",
            f"{f['converged']:.0e}",
        )
        for name, f in found.items()
        for case in [CASES[name]]
    ]
    speed = [
        (
            name,
            f"{f['ours']['median_s']:.3f} ({f['ours']['best_s']:.3f})",
            f"{f['supermage']['median_s']:.2f} ({f['supermage']['best_s']:.2f})",
            f"{f['supermage']['median_s'] / f['ours']['median_s']:.0f}",
            f"{f['supermage']['best_s'] / f['ours']['best_s']:.0f}",
            f"{f['compile_s']:.1f}",
            f"{f['first']['median_s']:.3f}",
            f"{f['fine']['median_s']:.3f}",
            f"{statistics.median(f['chains']):.2f} ({', '.join(f'{ratio:.2f}' for ratio in sorted(f['chains']))})",
        )
        for name, f in found.items()
    ]
    error = [
        (
            name,
            *(f"{f['errors'][code][kind]:.1e}" for code in ("ours", "supermage") for kind in ("worst", "rms")),
        )
        for name, f in found.items()
    ]
    memory = [
        (
            name,
            *(
                f"{median(f['memory'][code], kind):.0f}"
                for code, kind in (
                    ("compiling", "peak_mib"),
                    ("supermage", "peak_mib"),
                    ("compiling", "increase_mib"),
                    ("kept", "increase_mib"),
                    ("alone", "increase_mib"),
                    ("supermage", "increase_mib"),
                    ("supermage_alone", "increase_mib"),
                )
            ),
            *(
                f"{median(f['memory'][theirs]) / median(f['memory'][code]):.1f}"
                for theirs, code in (("supermage", "compiling"), ("supermage", "kept"), ("supermage_alone", "alone"))
            ),
            ", ".join(f"{each['increase_mib']:.0f}" for each in f["memory"]["alone"]),
        )
        for name, f in found.items()
    ]
    cube = [
        (
            name,
            f"{f['cube']['median_s']:.3f} ({f['cube']['best_s']:.3f})",
            f"{f['kinms']['median_s']:.2f} ({f['kinms']['best_s']:.2f})",
            f"{f['kinms']['median_s'] / f['cube']['median_s']:.1f}",
        )
        for name, f in found.items()
        if "kinms" in f
    ]
    lines = [
        f"{machine()}, {platform.system()}; {', '.join(f'{k} {v}' for k, v in sorted(versions.items()))}. Each code",
        "in a process of its own, by turns, with all cores; in seconds, median (fastest). The first evaluation of a",
        "turn is not counted: the other code has filled the caches before it, as happens to none in a chain.",
        "",
        "A disc in the gravity of a Nuker law and a black hole, inclination "
        f"{TRUTH['inclination_deg']:g} degrees, dispersion {TRUTH['sigma_gas_kms']:g} km/s,",
        "seen by 43 antennas for an hour. Longest baseline: of filled cells, in units of the longest that the pixels",
        f"hold. Reference: brute-force quadrature by {RADII * AZIMUTHS / 1e6:.1f} million points in double",
        "precision; told is by how much a quarter of them changes the worst cell, in units of the peak amplitude.",
        "",
        *table(
            (
                "case",
                "channels",
                "km/s",
                "uv cells",
                "SuperMAGE's image",
                "pixel [arcsec]",
                "cells with data",
                "longest baseline",
                "reference",
            ),
            problems,
        ),
        "## Log-density with gradient",
        "",
        "Ours is the function that `steelyard fit` samples: a Nuker law with its surrogate, Student t likelihood and",
        "the cells' response to where samples lie. SuperMAGE: its defaults (4 x 4 x 4 oversampling, half plane,",
        "single precision), the same 64 Gaussians, its Gaussian likelihood. Ours takes its program from the cache",
        "that commands keep, as every fit but a user's first of its shapes does; told are also the time to compile",
        "it, that of an evaluation in the process that has compiled, alone on the machine, and that of one with the",
        "fine subcells that edge-on discs need (docs/accuracy.md). Last column: ten MALA steps of four chains over",
        "those of one, by the sampler's own program, as `steelyard fit` runs them; median over three processes (and",
        "each). Ours was timed in these three, SuperMAGE in one beside them.",
        "",
        *table(
            (
                "case",
                "ours [s]",
                "SuperMAGE [s]",
                "ratio of medians",
                "of fastest",
                "ours: compile [s]",
                "in that process [s]",
                "fine subcells [s]",
                "four chains",
            ),
            speed,
        ),
        "Error of the visibilities over cells with data against the reference, in units of the peak amplitude:",
        "",
        *table(("case", "ours: worst", "rms", "SuperMAGE: worst", "rms"), error),
        "Peak memory [MiB] of the process from the first evaluation on, and how far that is above what it held just",
        "before: of ours in the process that compiles, in one that takes the program from the cache, and of",
        "evaluations alone, after a first one. Medians over processes of ours, and all for evaluations alone: the C",
        "library does not always find the same room again for intermediate arrays.",
        "",
        *table(
            (
                "case",
                "ours",
                "SuperMAGE",
                "increase: compiling",
                "program kept",
                "alone",
                "SuperMAGE",
                "alone",
                "ratio: compiling",
                "program kept",
                "alone",
                "each of ours alone",
            ),
            memory,
        ),
    ]
    if cube:
        lines += [
            "## A cube",
            "",
            f"Without gradient, on the data's pixels, without a beam; KinMS with {KINMS_CLOUDS:.0e} clouds.",
            "",
            *table(("case", "ours [s]", "KinMS [s]", "ratio"), cube),
        ]
    return "\n".join(lines)

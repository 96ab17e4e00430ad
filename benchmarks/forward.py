"""Log-density with gradient beside SuperMAGE's and a cube beside KinMS's, with time, error and memory, in one run.

    uv run python benchmarks/forward.py --supermage-python PATH [--kinms-python PATH] [--cases S M L] [--write]

The interpreters are those of environments with supermage==1.0.3 (and torch==2.13.0) or kinms==3.0.14. Mock
observations of a disc in the gravity of a Nuker law and a black hole are made here, by an array of 43 antennas that
the pixels resolve by a third of its beam, and gridded by vis_gridder. Each code gets the same cells, runs in a
process of its own and is asked by turns. SuperMAGE has its defaults (4 x 4 x 4 oversampling, half plane) and the
Gaussians that our surrogate makes of the Nuker law, so that both have the same gravity. Errors are against
brute-force quadrature (thin_disc.py); a quarter of its points shows that it has converged. --write puts the tables
into docs/kinematics.md.
"""

import argparse
import json
import math
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from thin_disc import C_M_S, circular_velocity, gaussian_beam, thin_disc
from turns import Worker, machine, memory_mib, serve, timed

HERE = Path(__file__).resolve().parent
REST_HZ = 230.538e9
TRUTH = {
    "log10_mbh": 8.45,
    "log10_sigma_b": math.log10(6500.0),
    "alpha": 1.8,
    "gamma": 0.55,
    "beta_minus_gamma": 1.0,
    "log10_r_b_pc": 2.18,
    "q": 0.75,
    "inclination_deg": 64.0,
    "pa_deg": 128.0,
    "vsys_kms": 1710.0,
    "x0_arcsec": -0.06,
    "y0_arcsec": 0.11,
    "sigma_gas_kms": 8.0,
    "disc_scale_arcsec": 0.45,
    "flux_jykms": 12.0,
    "distance_mpc": 16.5,
}
"""The disc ends, to 1e-4 of its flux, within the inner half of the field: SuperMAGE's image holds no more."""
DISH_M = 12.0
REACH = 0.62
"""Longest baseline in units of the longest that the pixels hold: pixels of a third of the beam."""
KINMS_CLOUDS = 5e5
RADII, AZIMUTHS = 1500, 1536


class Case(NamedTuple):
    channels: int
    width_kms: float
    npix: int
    cell_arcsec: float
    image_npix: int
    rounds: int
    """One call of SuperMAGE each."""
    calls: int
    """Of ours in a round."""


CASES = {
    "S": Case(40, 20.0, 129, 0.12, 65, 7, 5),
    "M": Case(80, 10.0, 255, 0.06, 129, 5, 4),
    "L": Case(120, 8.0, 513, 0.03, 257, 3, 3),
}


# -- Our side: the only place that names Steelyard's model


class Ours:
    """Everything that the benchmark asks of Steelyard's model: built from a galaxy and gridded data."""

    def __init__(self, galaxy, data):
        import jax
        import jax.numpy as jnp
        from steelyard.density import cell_data, log_density
        from steelyard.fitting import prepare

        self._jax, self._galaxy, self._data = jax, galaxy, data
        self.problem = prepare(galaxy, data)
        self.density = log_density(self.problem.model, self.problem.coordinates)
        self.cells = cell_data(self.problem.data)
        self.point = self._at(jnp)

    def _at(self, jnp):
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
        """V at the cells' centres, not the cells' expected means: what the reference and SuperMAGE compute."""
        from steelyard.model import GalaxyModel, ModelGrid
        from steelyard_schemas import Store

        plain = self._data.manifest.model_copy(update={"cell_moments": False})
        moments = ("offset_u", "offset_v", "spread_uu", "spread_uv", "spread_vv")
        arrays = {name: a for name, a in self._data.arrays.items() if name not in moments}
        model = GalaxyModel(self._galaxy, ModelGrid.of(Store(plain, arrays), REST_HZ))
        return np.asarray(self._jax.jit(model.visibilities)(TRUTH))

    def compiled(self, chains=None):
        """Value and gradient of the log-density as one compiled program, for one point or for chains of them."""
        jax = self._jax
        function = jax.value_and_grad(self.density)
        point = self.point
        if chains:
            function = jax.vmap(function, in_axes=(0, None))
            point = point + 1e-3 * np.arange(chains)[:, None]
        program = jax.jit(function).lower(point, self.cells).compile()
        return lambda: jax.block_until_ready(program(point, self.cells))

    def cube(self):
        """The cube alone, on the model's own, finer pixels, as one compiled program."""
        jax = self._jax
        program = jax.jit(self.problem.model.cube).lower(TRUTH).compile()
        return lambda: jax.block_until_ready(program(TRUTH))


def our_worker(folder):
    import jax

    jax.config.update("jax_enable_x64", True)  # as `steelyard.fit` does
    jax.config.update("jax_compilation_cache_dir", None)
    from steelyard_schemas import GriddedVisibilities, read_store

    ours = Ours(galaxy_of(CASES[folder.name]), read_store(folder / "gridded.zarr", GriddedVisibilities))
    jax.block_until_ready(ours.cells)
    before = memory_mib()[0]
    make = {"one": ours.compiled, "four": lambda: ours.compiled(chains=4), "cube": ours.cube}
    programs = {}

    def build(program):
        programs[program], seconds = timed(make[program])
        programs[program]()
        return {"seconds": seconds}

    serve(
        {
            "build": build,
            "evaluate": lambda program: {"seconds": timed(programs[program])[1]},
            "memory": lambda: {"peak_mib": (peak := memory_mib()[1]), "increase_mib": peak - before},
            "visibilities": lambda path: np.save(path, ours.visibilities()),
        }
    )


# -- Making a case


def galaxy_of(case):
    from steelyard_schemas import Galaxy

    return Galaxy.model_validate(
        {
            "name": "forward",
            "distance": {"mpc": TRUTH["distance_mpc"]},
            "line": {"name": "CO(2-1)", "rest_frequency_hz": REST_HZ},
            "data": {"path": "gridded.zarr", "grid": {"cell_arcsec": case.cell_arcsec, "npix": case.npix}},
            "truth": {name: value for name, value in TRUTH.items() if name != "distance_mpc"},
        }
    )


def antennas(case):
    """Positions east, north, up [m] of 43 antennas on three spiral arms."""
    step = np.arange(43)
    radius = 0.03 ** (1 - step / 42)
    angle = 2 * np.pi / 3 * step + 2.2 * np.log(radius)
    position = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    longest = np.hypot(*(position[:, None] - position[None]).reshape(-1, 2).T).max()
    wanted_m = REACH * C_M_S / REST_HZ / (2 * case.cell_arcsec * np.pi / 648000)
    return np.pad(position * (wanted_m / longest), ((0, 0), (0, 1)))


def make_case(folder):
    """Observe, grid and export a case, and compute its reference."""
    import jax
    from steelyard import simulate
    from steelyard.simulation import Antennas
    from steelyard_schemas import write_store
    from vis_gridder import GridSpec, grid

    case = CASES[folder.name]
    galaxy = galaxy_of(case)
    with jax.enable_x64(True):
        vis = simulate(
            galaxy,
            Antennas(antennas(case), DISH_M),
            declination_deg=-10.0,
            hours=1.0,
            integration_s=40.0,
            n_channels=case.channels,
            channel_width_kms=case.width_kms,
            noise_jy=0.03,
        )
        data = grid(vis, GridSpec(case.cell_arcsec, case.npix, rest_frequency_hz=REST_HZ))
        mge = Ours(galaxy, data).mge()
    write_store(folder / "gridded.zarr", data)
    frequency = data["frequency_hz"]
    grid_of_data = (frequency, REST_HZ, case.npix, case.cell_arcsec, data.manifest.kernel.beta)
    disc = (TRUTH, lambda radius_arcsec: speed(radius_arcsec, mge), *grid_of_data, gaussian_beam(DISH_M))
    reference = thin_disc(*disc, RADII, AZIMUTHS)
    halved = thin_disc(*disc, RADII // 2, AZIMUTHS // 2)
    export_supermage(folder / "cells.npz", case, data, mge, reference.flux_jykms)
    export_kinms(folder / "disc.npz", case, mge, frequency, reference.flux_jykms)
    mask = data["mask"]
    change = np.abs(reference.visibilities - halved.visibilities)[mask].max() / np.abs(reference.visibilities).max()
    filled = mask.any(axis=0)
    reach = max(
        np.abs(data[axis])[filled.any(axis=i)].max() for i, axis in enumerate(("u_wavelengths", "v_wavelengths"))
    )
    np.savez(
        folder / "reference.npz",
        reference=reference.visibilities,
        mask=mask,
        change=change,
        reach=reach / data["u_wavelengths"].max(),
    )


def speed(radius_arcsec, mge):
    """Circular velocity [km/s] of the truth, by quadrature."""
    radius_pc = radius_arcsec * TRUTH["distance_mpc"] * 1e6 * np.pi / 648000
    inclination = math.radians(TRUTH["inclination_deg"])
    return circular_velocity(radius_pc, *mge, TRUTH["q"], inclination, 10 ** TRUTH["log10_mbh"])


def export_supermage(path, case, data, mge, flux_jykms):
    """Write cells as viscube does and SuperMAGE reads them, and the model in SuperMAGE's units."""
    npix, half = case.npix, case.npix // 2
    # Its rows are v = 0, -1, ..., -half; its columns u = -half, ..., half. Negative u are conjugates of (-u, -v).
    down, up = (-np.arange(half + 1)) % npix, np.arange(half + 1)

    def slab(plane, conjugate=lambda a: a):
        return np.concatenate([conjugate(plane[:, up, :0:-1]), plane[:, down, :]], axis=2)

    mask = slab(data["mask"])
    mask[:, 0, :half] = False  # the row v = 0 holds each baseline twice
    mean = np.where(mask, slab(data["mean"], np.conj), 0)
    error = np.where(mask, np.sqrt(slab(data["variance"])), 1)
    grid = (data["frequency_hz"], npix, case.cell_arcsec, case.image_npix, data.manifest.kernel)
    np.savez(
        path,
        vis_bin_re=mean.real,
        vis_bin_imag=mean.imag,
        std_bin_re=error,
        std_bin_imag=error,
        mask=mask,
        delta_u=data["u_wavelengths"][1],
        half_plane=True,
        **supermage_model(TRUTH, mge, *grid, flux_jykms),
    )


def supermage_model(truth, mge, frequency_hz, npix, cell_arcsec, image_npix, kernel, flux_jykms):
    """Return what forward_supermage.py needs for a model; `flux_jykms` is that within its cube."""
    from vis_gridder import taper

    pc = truth["distance_mpc"] * 1e6 * np.pi / 648000
    return {
        "npix": npix,
        "fov_arcsec": npix * cell_arcsec,
        "chan_freq_hz": frequency_hz,
        "taper_map": taper(npix, cell_arcsec, kernel),
        "image_npix": image_npix,
        "rest_hz": REST_HZ,
        "dish_m": DISH_M,
        "distance_pc": truth["distance_mpc"] * 1e6,
        "mge_surface_density": mge[0],
        "mge_sigma_pc": mge[1],
        "at_inclination": math.radians(truth["inclination_deg"]),
        "at_sky_rot": math.radians(truth["pa_deg"]),
        "at_line_broadening": truth["sigma_gas_kms"],
        "at_velocity_shift": truth["vsys_kms"],
        "at_x0": -truth["x0_arcsec"],
        "at_y0": truth["y0_arcsec"],
        "at_scale": truth["disc_scale_arcsec"] * pc,
        "at_qintr": truth["q"],
        "at_M_to_L": 1.0,
        "at_m_bh": truth["log10_mbh"],
        "at_flux": flux_jykms,
    }


def export_kinms(path, case, mge, frequency_hz, flux_jykms):
    radius = np.r_[0, np.geomspace(1e-3, 25 * TRUTH["disc_scale_arcsec"], 3000)]
    curve = speed(radius[1:], mge)
    names = ("x0_arcsec", "y0_arcsec", "vsys_kms", "inclination_deg", "pa_deg", "sigma_gas_kms", "disc_scale_arcsec")
    np.savez(
        path,
        npix=case.npix,
        cell_arcsec=case.cell_arcsec,
        channels=case.channels,
        width_kms=case.width_kms,
        lowest_kms=C_M_S / 1e3 * (1 - frequency_hz[-1] / REST_HZ),
        radius_arcsec=radius,
        velocity_kms=np.r_[curve[0], curve],
        in_band_flux_jykms=flux_jykms,
        **{name: TRUTH[name] for name in names},
    )


# -- Measuring


def errors(path, reference, mask):
    """Largest and rms difference over cells with data, in units of the peak amplitude."""
    error = np.abs(np.load(path) - reference)[mask] / np.abs(reference).max()
    return {"worst": float(error.max()), "rms": float(np.sqrt(np.mean(error**2)))}


def summary(seconds):
    return {"median_s": statistics.median(seconds), "best_s": min(seconds)}


def one_case(name, folder, options):
    """Measure one case; return its numbers."""
    case = CASES[name]
    folder = folder / name
    folder.mkdir(exist_ok=True)
    # In a process of its own, so that this one stays small beside those that are timed.
    subprocess.run([sys.executable, __file__, "--make", folder], check=True)
    made = np.load(folder / "reference.npz")
    reference, mask = made["reference"], made["mask"]
    found = {"cells": int(mask.sum()), "reach": float(made["reach"]), "converged": float(made["change"])}
    rounds = options.rounds or case.rounds
    times = {"ours": [], "supermage": [], "one": [], "four": [], "cube": [], "kinms": []}
    with (
        our_process(folder) as ours,
        Worker([options.supermage_python, HERE / "forward_supermage.py", folder / "cells.npz"]) as theirs,
    ):
        found["compile_s"] = ours.ask("build", program="one")["seconds"]
        theirs.ask("evaluate")
        for _ in range(rounds):
            times["ours"] += [ours.ask("evaluate", program="one")["seconds"] for _ in range(case.calls)]
            times["supermage"].append(theirs.ask("evaluate")["seconds"])
        found["memory"] = {"ours": ours.ask("memory"), "supermage": theirs.ask("memory")}
        ours.ask("visibilities", path=str(folder / "ours.npy"))
        theirs.ask("visibilities", path=str(folder / "supermage.npy"))
        found["versions"] = theirs.ask("versions")
    found["errors"] = {code: errors(folder / f"{code}.npy", reference, mask) for code in ("ours", "supermage")}
    with our_process(folder) as ours:
        for program in ("one", "four"):
            ours.ask("build", program=program)
        for _ in range(rounds):
            times["one"] += [ours.ask("evaluate", program="one")["seconds"] for _ in range(2)]
            times["four"].append(ours.ask("evaluate", program="four")["seconds"])
    if options.kinms_python:
        clouds = f"{KINMS_CLOUDS:.0f}"
        with (
            our_process(folder) as ours,
            Worker([options.kinms_python, HERE / "forward_kinms.py", folder / "disc.npz", clouds]) as theirs,
        ):
            ours.ask("build", program="cube")
            theirs.ask("evaluate")
            for _ in range(rounds):
                times["cube"] += [ours.ask("evaluate", program="cube")["seconds"] for _ in range(2)]
                times["kinms"].append(theirs.ask("evaluate")["seconds"])
            found["versions"] |= theirs.ask("versions")
    return {**found, **{code: summary(seconds) for code, seconds in times.items() if seconds}}


def our_process(folder):
    return Worker([sys.executable, __file__, "--worker", folder])


def table(head, rows):
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(row)} |" for row in rows), ""]


def page(found):
    """Write the numbers up."""
    import jax

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
            f"{f['four']['median_s'] / f['one']['median_s']:.2f}",
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
                f"{f['memory'][code][kind]:.0f}"
                for code in ("ours", "supermage")
                for kind in ("peak_mib", "increase_mib")
            ),
            f"{f['memory']['supermage']['peak_mib'] / f['memory']['ours']['peak_mib']:.1f}",
            f"{f['memory']['supermage']['increase_mib'] / f['memory']['ours']['increase_mib']:.1f}",
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
        "# Time, error and memory of the forward model",
        "",
        "Written by `uv run python benchmarks/forward.py --supermage-python PATH --kinms-python PATH --write`.",
        "",
        f"{machine()}, {platform.system()}; {', '.join(f'{k} {v}' for k, v in sorted(versions.items()))}. Each code",
        "in a process of its own, by turns, with all cores; in seconds, median (fastest).",
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
        "single precision), the same 64 Gaussians, its Gaussian likelihood. Last column: four chains at once over",
        "one.",
        "",
        *table(
            (
                "case",
                "ours [s]",
                "SuperMAGE [s]",
                "ratio of medians",
                "of fastest",
                "ours: compile [s]",
                "four chains",
            ),
            speed,
        ),
        "Error of the visibilities over cells with data against the reference, in units of the peak amplitude:",
        "",
        *table(("case", "ours: worst", "rms", "SuperMAGE: worst", "rms"), error),
        "Peak memory [MiB] of the process, and how far above what it held just before the first evaluation (for",
        "ours, before compilation):",
        "",
        *table(("case", "ours", "increase", "SuperMAGE", "increase", "ratio", "of increases"), memory),
    ]
    if cube:
        lines += [
            "## A cube",
            "",
            f"Without gradient; ours on the model's own pixels, finer than the data's; KinMS with {KINMS_CLOUDS:.0e}",
            "clouds on the data's pixels, without a beam.",
            "",
            *table(("case", "ours [s]", "KinMS [s]", "ratio"), cube),
        ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--supermage-python", help="interpreter with supermage==1.0.3")
    parser.add_argument("--kinms-python", help="interpreter with kinms==3.0.14")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, help="calls of each peer; 7, 5 and 3 for S, M and L by default")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/kinematics.md")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        our_worker(options.worker)
        return
    if options.make:
        make_case(options.make)
        return
    if not options.supermage_python:
        parser.error("--supermage-python is needed: an interpreter with supermage==1.0.3 and torch==2.13.0")
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for name in options.cases:
            found[name] = one_case(name, Path(folder), options)
            print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    text = page(found)
    print(text)
    if options.write:
        (HERE.parent / "docs" / "kinematics.md").write_text(text)


if __name__ == "__main__":
    main()

"""Do the masses hold where the stars are no Nuker law? Mocks with stars of published expansions, weighed three ways.

    uv run python -m validation.coverage --folder FOLDER [--count 30] [--family NAME] [--write]

Each mock has the stars of one of the published expansions of validation/stars, with a mass-to-light ratio, and a
black hole whose gravity equals that of the stars at 0.3 to 3 beams. It is observed by 24 dishes at an inclination of
25 to 80 degrees, noisy or deep. Fits take a Nuker law with its break held beyond the gas: exactly ("held"), with the
default departure ("flexible"), and with the departure that the expansions have from such a law ("wide";
docs/stellar_laws.md). No fit knows the truth. The folder keeps data and fits: the same command resumes. --write puts
the table in docs/coverage.md.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from kinematics import G_PC_KMS2_MSUN, MGE, ProjectedMge
from steelyard import fit, simulate
from steelyard.compiled import keep_compiled
from steelyard.galaxy.simulation import Antennas
from steelyard.process import settle_process
from steelyard_schemas import ContractError, Galaxy, Posterior, read_store, vacant, write_store

from validation.page import DOCS, ResultPage, table
from validation.stars.departures import HELD, Expansion, published

PAGE = ResultPage(DOCS / "coverage.md", "validation.coverage", "--folder FOLDER")
FAMILIES: dict[str, dict[str, float] | None] = {
    "held": None,
    "flexible": {},
    "wide": {"amplitude": 0.9, "length_dex": 0.6},
}
"""Departure from the law that each family of fits allows."""
CELL_ARCSEC, NPIX, REACH_M = 0.25, 32, 150.0
BEAM_ARCSEC = 1.3e-3 / (2 * REACH_M) * 180 / math.pi * 3600
"""About the width of the synthesised beam."""
N_CHANNELS = 32
REST_HZ = 230.538e9


def antennas() -> Antennas:
    """Return 24 dishes, more of them near the middle."""
    rng = np.random.default_rng(4)
    radius, angle = REACH_M * rng.uniform(size=24), rng.uniform(0, 2 * np.pi, 24)
    return Antennas(np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1), 12.0)


def truth_of(expansion: Expansion, rng: np.random.Generator) -> tuple[dict[str, Any], float]:
    """Draw a galaxy with the stars of an expansion; return its file without data, and the channel width [km/s]."""
    inclination = math.acos(rng.uniform(math.cos(math.radians(80)), math.cos(math.radians(25))))
    q, mass_to_light = rng.uniform(0.6, 0.9), rng.uniform(1.5, 5.0)
    equal_pc = 10 ** rng.uniform(1.0, 1.8)
    beam_pc = equal_pc / 10 ** rng.uniform(math.log10(0.3), math.log10(3.0))
    pc_per_arcsec = beam_pc / BEAM_ARCSEC
    stars = ProjectedMge(MGE(mass_to_light * expansion.surface, expansion.sigma_pc, q), inclination)

    def speed_squared(radius_pc: float) -> float:
        return float(stars.velocity_squared(radius_pc))

    black_hole = speed_squared(equal_pc) * equal_pc / G_PC_KMS2_MSUN
    scale_arcsec = rng.uniform(0.5, 0.9)
    fastest = max(
        math.sqrt(speed_squared(r) + G_PC_KMS2_MSUN * black_hole / r)
        for r in np.geomspace(0.3 * beam_pc, 4 * scale_arcsec * pc_per_arcsec, 12)
    )
    sigma_gas = 10 ** rng.uniform(0.7, 1.3)
    width = 2 * (1.15 * fastest * math.sin(inclination) + 3 * sigma_gas) / N_CHANNELS
    truth = {
        "log10_mbh": math.log10(black_hole),
        "mass_to_light": mass_to_light,
        "inclination_deg": math.degrees(inclination),
        "pa_deg": rng.uniform(0, 360),
        "vsys_kms": rng.uniform(1480, 1520),
        "x0_arcsec": rng.uniform(-0.1, 0.1),
        "y0_arcsec": rng.uniform(-0.1, 0.1),
        "sigma_gas_kms": sigma_gas,
        "disc_scale_arcsec": scale_arcsec,
        "flux_jykms": 20.0,
    }
    galaxy = {
        "distance": {"mpc": pc_per_arcsec / (math.pi / 180 / 3600 * 1e6)},
        "line": {"name": "CO(2-1)", "rest_frequency_hz": REST_HZ},
        "data": {"path": "mock.zarr", "grid": {"cell_arcsec": CELL_ARCSEC, "npix": NPIX}},
        "stars": {
            "kind": "mge",
            "surface_brightness_lsun_pc2": tuple(map(float, expansion.surface)),
            "sigma_arcsec": tuple(float(sigma / pc_per_arcsec) for sigma in expansion.sigma_pc),
            "q_obs": (math.hypot(q * math.sin(inclination), math.cos(inclination)),) * len(expansion.surface),
        },
        # Not used: the simulation has the truth. A file with such Gaussians needs it.
        "priors": {"inclination_deg": {"kind": "sine", "low": math.degrees(inclination), "high": 90.0}},
        "truth": truth,
    }
    return galaxy | {"beam_ratio": beam_pc / equal_pc}, width


def make(folder: Path, number: int) -> dict[str, Any]:
    """Simulate a mock, unless it is there; return what is known of it."""
    known = folder / "known.json"
    if not known.exists():
        rng = np.random.default_rng([2511, number])
        expansions = published()
        expansion = expansions[number % len(expansions)]
        facts, width = truth_of(expansion, rng)
        ratio = facts.pop("beam_ratio")
        galaxy = Galaxy.model_validate({"name": f"mock {number:02d}", **facts})
        noise_jy = 0.05 * 4 ** rng.uniform()  # a channel's flux is 100 to 30 times the noise of all visibilities
        data = simulate(
            galaxy,
            antennas(),
            declination_deg=-25.0,
            hours=1.0,
            integration_s=120.0,
            n_channels=N_CHANNELS,
            channel_width_kms=width,
            noise_jy=noise_jy,
            seed=number,
        )
        folder.mkdir(parents=True, exist_ok=True)
        write_store(folder / "mock.zarr", data, overwrite=True)
        kept = {
            "stars": expansion.name,
            "beams": ratio,
            "noise_jy": noise_jy,
            "galaxy": galaxy.model_dump(mode="json"),
        }
        known.write_text(json.dumps(kept))
    return json.loads(known.read_text())


def weigh(folder: Path, known: dict[str, Any], family: str) -> Posterior:
    """Fit a mock with a family of stars, unless it is done."""
    out = folder / family
    if vacant(out / "posterior.zarr"):
        alpha, steepening, log10_r_b = HELD
        galaxy = {name: known["galaxy"][name] for name in ("name", "distance", "line", "data")} | {
            "stars": {"kind": "nuker", "flexibility": FAMILIES[family]},
            "priors": {
                name: {"kind": "fixed", "value": value}
                for name, value in (("alpha", alpha), ("beta_minus_gamma", steepening), ("log10_r_b_pc", log10_r_b))
            },
            "sampler": {"n_starts": 4, "max_steps": 3000},
        }
        fit(Galaxy.model_validate(galaxy), out, base=folder)
    return read_store(out / "posterior.zarr", Posterior).manifest


def verdict(number: int, known: dict[str, Any], family: str, found: Posterior) -> dict[str, Any]:
    """Return what a fit says of the black hole, beside the truth."""
    mass = next(p for p in found.parameters if p.name == "log10_mbh")
    truth = known["galaxy"]["truth"]["log10_mbh"]
    return {
        "number": number,
        "stars": known["stars"],
        "beams": known["beams"],
        "inclination": known["galaxy"]["truth"]["inclination_deg"],
        "family": family,
        "truth": truth,
        "median": mass.median,
        "minus": mass.median - mass.q16,
        "plus": mass.q84 - mass.median,
        "pull": (mass.mean - truth) / mass.sd,
        "inside": mass.q16 <= truth <= mass.q84,
        "verdict": found.black_hole.verdict,
        "converged": found.converged,
        "seconds": found.quality.wall_s,
    }


def page(rows: Sequence[dict[str, Any]]) -> str:
    """Return the result as text."""
    summary, names = [], [name for name in FAMILIES if any(row["family"] == name for row in rows)]
    for name in names:
        those = [row for row in rows if row["family"] == name and row["converged"]]
        every = sum(row["family"] == name for row in rows)
        if len(those) < 2:
            continue
        pulls = np.array([row["pull"] for row in those])
        summary.append(
            [
                name,
                f"{len(those)} of {every}",
                f"{pulls.mean():+.2f} +- {pulls.std(ddof=1) / math.sqrt(len(pulls)):.2f}",
                f"{pulls.std(ddof=1):.2f} +- {pulls.std(ddof=1) / math.sqrt(2 * len(pulls) - 2):.2f}",
                f"{100 * np.mean([row['inside'] for row in those]):.0f}",
                f"{np.median([row['plus'] + row['minus'] for row in those]) / 2:.3f}",
                f"{np.median([row['seconds'] for row in those]):.0f}",
            ]
        )
    head = ["stars", "converged", "mean pull", "scatter of pulls", "truth within 68 % [%]", "median error [dex]"]
    lines = table([*head, "median sampling [s]"], summary, "lrrrrrr")
    each = []
    for number in sorted({row["number"] for row in rows}):
        mine = {row["family"]: row for row in rows if row["number"] == number}
        one = next(iter(mine.values()))
        cells = [
            f"{row['median']:.3f} +{row['plus']:.3f} -{row['minus']:.3f} ({row['pull']:+.1f})"
            + ("" if row["converged"] else ", not converged")
            if (row := mine.get(name))
            else ""
            for name in names
        ]
        each.append(
            [
                f"{number}",
                one["stars"],
                f"{one['beams']:.2f}",
                f"{one['inclination']:.0f}",
                f"{one['truth']:.3f}",
                *cells,
            ]
        )
    head = ["mock", "stars of", "beam / radius of equal gravity", "inclination", "log10 M_BH", *names]
    return "\n".join(
        [*lines, "Each mock, with the pull in brackets:", "", *table(head, each, "rlrrr" + "l" * len(names))]
    )


def main() -> None:
    """Make and fit the mocks, print the table, and write the page if asked."""
    parser = PAGE.parser(__doc__)
    parser.add_argument("--folder", type=lambda text: Path(text).resolve(), required=True, help="kept; resumes")
    parser.add_argument("--count", type=int, default=30, help="number of mocks (default: 30)")
    parser.add_argument("--family", action="append", choices=list(FAMILIES), help="repeatable; all by default")
    options = parser.parse_args()
    settle_process()
    keep_compiled(options.folder / "compiled")
    rows = []
    for number in range(options.count):
        folder = options.folder / f"mock-{number:02d}"
        known = make(folder, number)
        for family in options.family or FAMILIES:
            try:
                rows.append(verdict(number, known, family, weigh(folder, known, family)))
            except ContractError as error:
                print(f"mock {number}, {family}: {error}", file=sys.stderr)
                continue
            print({name: rows[-1][name] for name in ("number", "family", "truth", "median", "pull")}, flush=True)
    text = page(rows)
    print(text)
    if options.write:
        PAGE.write(text)


if __name__ == "__main__":
    main()

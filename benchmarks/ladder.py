"""How exact are model visibilities at the default settings? A ladder of hard discs, against brute-force quadrature.

    uv run python benchmarks/ladder.py [--rungs NAME ...] [--write]

Every rung changes a few parameters of one disc: its orientation, the black hole's mass, the line's width beside the
channel's, where it lies in the field and how much of that it fills. The model is what `steelyard fit` evaluates, in
single precision, on a grid whose longest baseline its pixels just hold; the reference is `thin_disc.py`, of which a
quarter of the points tells how far it has converged. --write puts the table into docs/accuracy.md.
"""

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from forward_problem import DISH_M, REST_HZ, TRUTH
from kinematics import SkyGrid, VelocityGrid, pc_per_arcsec, primary_beam
from steelyard.model import GalaxyModel, ModelGrid, refined_npix
from steelyard_schemas import Galaxy
from thin_disc import C_M_S, circular_velocity, gaussian_beam, thin_disc

NPIX, CELL_ARCSEC, CHANNELS = 81, 0.191, 40
"""Of the data: the cells that hold data in case S of `forward.py`."""
SKY = SkyGrid(NPIX, CELL_ARCSEC).divided(refined_npix(NPIX))
"""Of the model."""
WANTED = 1e-3
RADII, AZIMUTHS = 2000, 2048
"""Of the reference's points."""
DOCS = Path(__file__).resolve().parents[1] / "docs" / "accuracy.md"


class Rung(NamedTuple):
    what: str
    changed: dict[str, float]
    width_kms: float = 20.0


RUNGS = {
    "base": Rung("64 deg, dispersion 8 km/s, channels of 20 km/s, M_BH 10^8.45", {}),
    "face-on": Rung("3 deg", {"inclination_deg": 3.0}),
    "steep": Rung(
        "76 deg, dispersion 2.5 km/s, channels of 12 km/s", {"inclination_deg": 76, "sigma_gas_kms": 2.5}, 12
    ),
    "edge-on": Rung("85 deg", {"inclination_deg": 85.0}),
    "edge-on, narrow": Rung(
        "85 deg, dispersion 2.5 km/s, channels of 12 km/s", {"inclination_deg": 85, "sigma_gas_kms": 2.5}, 12
    ),
    "light": Rung("M_BH 10^6, its sphere of influence a fiftieth of a pixel", {"log10_mbh": 6.0}),
    "heavy": Rung("M_BH 10^9.5, which rules all of the disc", {"log10_mbh": 9.5}),
    "heaviest": Rung("M_BH 10^10, half of the light outside of the channels", {"log10_mbh": 10.0}),
    "narrow": Rung("dispersion 1 km/s, channels of 10 km/s", {"sigma_gas_kms": 1.0}, 10),
    "narrow, steep": Rung(
        "76 deg, dispersion 1 km/s, channels of 10 km/s", {"inclination_deg": 76, "sigma_gas_kms": 1.0}, 10
    ),
    "large": Rung("scale 1.5 arcsec, a tenth of the field", {"disc_scale_arcsec": 1.5}),
    "large, narrow": Rung(
        "scale 1.5 arcsec, dispersion 1 km/s, channels of 10 km/s", {"disc_scale_arcsec": 1.5, "sigma_gas_kms": 1}, 10
    ),
    "off-centre": Rung("3.9 arcsec off the phase centre", {"x0_arcsec": 3.03, "y0_arcsec": -2.51}),
    "cut": Rung("scale 4 arcsec, cut off where the field ends", {"disc_scale_arcsec": 4.0}),
}


def compare(rung: Rung, radii: int = RADII, azimuths: int = AZIMUTHS) -> dict[str, Any]:
    """Return the largest and the rms error over cells and channels, and how far the reference has converged."""
    galaxy = Galaxy.model_validate(
        {
            "name": "ladder",
            "distance": {"mpc": TRUTH["distance_mpc"]},
            "line": {"name": "CO(2-1)", "rest_frequency_hz": REST_HZ},
            "data": {"path": "none.zarr", "grid": {"cell_arcsec": CELL_ARCSEC, "npix": NPIX}},
        }
    )
    truth = TRUTH | rung.changed
    # A third of a channel off, so that nothing is symmetric about the systemic velocity.
    velocity = truth["vsys_kms"] + rung.width_kms * (np.arange(CHANNELS)[::-1] - CHANNELS / 2 + 0.83)
    frequency = REST_HZ * (1 - velocity * 1e3 / C_M_S)
    beam = jnp.asarray(primary_beam(SKY, DISH_M, float(frequency.mean()), "gaussian"), jnp.float32)
    grid = ModelGrid(NPIX, CELL_ARCSEC, VelocityGrid(float(velocity[0]), rung.width_kms, CHANNELS), beam)
    model = GalaxyModel(galaxy, grid)
    found = np.asarray(jax.jit(model.visibilities)(truth))

    mge = model.mge(truth)
    gaussians = (np.asarray(mge.surface_density_msun_pc2, float), np.asarray(mge.sigma_pc, float))

    def speed(radius_arcsec):
        radius_pc = radius_arcsec * pc_per_arcsec(truth["distance_mpc"])
        return circular_velocity(
            radius_pc, *gaussians, truth["q"], np.radians(truth["inclination_deg"]), 10 ** truth["log10_mbh"]
        )

    first = SKY.centres_arcsec[0] - SKY.cell_arcsec / 2
    field = (first, first + SKY.npix * SKY.cell_arcsec)
    reference, quarter = (
        thin_disc(
            truth, speed, frequency, REST_HZ, NPIX, CELL_ARCSEC, None, gaussian_beam(DISH_M), *points, field
        ).visibilities
        for points in ((radii, azimuths), (radii // 2, azimuths // 2))
    )
    # Baselines up to the longest that the grid holds in every direction.
    reach = np.hypot(np.arange(NPIX // 2 + 1), np.fft.fftfreq(NPIX, 1 / NPIX)[:, None]) <= NPIX // 2
    peak = np.abs(reference).max()
    error, change = (np.abs(other - reference)[:, reach] / peak for other in (found, quarter))
    return {"worst": error.max(), "rms": np.sqrt(np.mean(error**2)), "converged": change.max()}


def page(rows):
    """The table as Markdown."""
    held = [name for name, found in rows.items() if found["worst"] <= WANTED]
    lines = [
        "# How exact model visibilities are",
        "",
        "Written by `uv run python benchmarks/ladder.py --write`.",
        "",
        f"One disc, harder from rung to rung, on {NPIX} cells of a field of {NPIX * CELL_ARCSEC:.1f} arcsec (pixels",
        f"of {SKY.cell_arcsec:.3f} arcsec) and {CHANNELS} channels, at the settings and in the single precision of",
        "`steelyard fit`. Reference: quadrature by four million points in double precision; converged tells by how",
        "much a quarter of them changes the worst cell. Errors over all cells up to the longest baseline that the",
        f"grid holds, in units of the peak amplitude. Wanted: {WANTED:.0e}, which {len(held)} of {len(rows)} rungs",
        "hold. Edge-on discs, whose minor axis is thinner than a subcell, and the heaviest black hole would need",
        "finer subcells; a disc that the field cuts off ends where pixels end.",
        "",
        "| rung | what differs | worst cell | rms | converged |",
        "|---|---|---:|---:|---:|",
    ]
    for name, found in rows.items():
        numbers = " | ".join(f"{found[column]:.1e}" for column in ("worst", "rms", "converged"))
        lines.append(f"| {name} | {RUNGS[name].what} | {numbers} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rungs", nargs="+", choices=RUNGS, default=list(RUNGS))
    parser.add_argument("--write", action="store_true", help="put the table into docs/accuracy.md")
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)  # as `steelyard.fit` does
    rows = {}
    for name in options.rungs:
        rows[name] = compare(RUNGS[name])
        print(name, {key: f"{value:.1e}" for key, value in rows[name].items()}, file=sys.stderr, flush=True)
    text = page(rows)
    print(text)
    if options.write:
        DOCS.write_text(text)


if __name__ == "__main__":
    main()

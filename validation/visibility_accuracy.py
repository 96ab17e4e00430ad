"""How exact are model visibilities at the default settings? A ladder of hard discs, against brute-force quadrature.

    uv run python -m validation.visibility_accuracy [--rungs NAME ...] [--write]

Every rung changes a few parameters of one disc: its orientation, the black hole's mass, the line's width beside the
channel's, where it lies in the field and how much of that it fills. The model is what `steelyard fit` evaluates, in
single precision, with the subcells that it chooses, on a grid whose longest baseline its pixels just hold; the
reference is `validation.thin_disc`, of which a quarter of the points shows how far it has converged. --write puts
the table into docs/accuracy.md.
"""

import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from kinematics import SkyGrid, VelocityGrid, pc_per_arcsec, primary_beam
from steelyard.galaxy.accuracy import LEVELS, WANTED, choose_subcells
from steelyard.galaxy.grid import ModelGrid, refined_npix
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.predict import predicted_visibilities
from steelyard_schemas import Galaxy

from validation.page import DOCS, ResultPage, table
from validation.reference_disc import DISH_M, REST_HZ, TRUTH
from validation.thin_disc import C_M_S, circular_velocity, gaussian_beam, thin_disc

NPIX, CELL_ARCSEC, CHANNELS = 81, 0.191, 40
"""Grid of the data, with the cells that hold data in case S of `forward.py`."""
RADII, AZIMUTHS = 2000, 2048
"""Numbers of radii and azimuths of the reference's points."""
PAGE = ResultPage(DOCS / "accuracy.md", "validation.visibility_accuracy")
ERRORS = ("worst", "rms", "told", "standard", "converged")


class Rung(NamedTuple):
    """A disc of the ladder: what differs from the reference disc."""

    what: str
    changed: dict[str, float]
    width_kms: float = 20.0
    refined: int = 1
    """Pixels of a pixel, along a side."""


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
    "many pixels": Rung("three times the pixels along a side", {}, refined=3),
    "many pixels, edge-on": Rung(
        "85 deg, three times the pixels along a side, dispersion 2.5 km/s, channels of 12 km/s",
        {"inclination_deg": 85, "sigma_gas_kms": 2.5},
        12,
        refined=3,
    ),
}


def model_sky(npix: int, cell_arcsec: float) -> SkyGrid:
    """Return the model's image grid for data on these."""
    return SkyGrid(npix, cell_arcsec).divided(refined_npix(npix))


def compare(rung: Rung, radii: int = RADII, azimuths: int = AZIMUTHS) -> dict[str, Any]:
    """Return errors over cells and channels, what the choice of subcells told, and the reference's convergence."""
    npix, cell_arcsec = rung.refined * NPIX, CELL_ARCSEC / rung.refined
    sky = model_sky(npix, cell_arcsec)
    galaxy = Galaxy.model_validate(
        {
            "name": "ladder",
            "distance": {"mpc": TRUTH["distance_mpc"]},
            "line": {"name": "CO(2-1)", "rest_frequency_hz": REST_HZ},
            "data": {"path": "none.zarr", "grid": {"cell_arcsec": cell_arcsec, "npix": npix}},
        }
    )
    truth = TRUTH | rung.changed
    # A third of a channel off, so that nothing is symmetric about the systemic velocity.
    velocity = truth["vsys_kms"] + rung.width_kms * (np.arange(CHANNELS)[::-1] - CHANNELS / 2 + 0.83)
    frequency = REST_HZ * (1 - velocity * 1e3 / C_M_S)
    beam = jnp.asarray(primary_beam(sky, DISH_M, float(frequency.mean()), "gaussian"), jnp.float32)
    grid = ModelGrid(npix, cell_arcsec, VelocityGrid(float(velocity[0]), rung.width_kms, CHANNELS), beam)
    model = GalaxyModel.of(galaxy, grid)
    chosen = choose_subcells(model, truth)
    found, standard = (
        np.asarray(predicted_visibilities(model.with_levels(LEVELS[subcells]), truth))
        for subcells in (chosen.subcells, "standard")
    )

    mge = model.mge(truth)
    gaussians = (np.asarray(mge.surface_density_msun_pc2, float), np.asarray(mge.sigma_pc, float))

    def speed(radius_arcsec):
        radius_pc = radius_arcsec * pc_per_arcsec(truth["distance_mpc"])
        return circular_velocity(
            radius_pc, *gaussians, truth["q"], np.radians(truth["inclination_deg"]), 10 ** truth["log10_mbh"]
        )

    first = sky.centres_arcsec[0] - sky.cell_arcsec / 2
    field = (first, first + sky.npix * sky.cell_arcsec)
    reference, quarter = (
        thin_disc(
            truth, speed, frequency, REST_HZ, npix, cell_arcsec, None, gaussian_beam(DISH_M), *points, field
        ).visibilities
        for points in ((radii, azimuths), (radii // 2, azimuths // 2))
    )
    # Baselines up to the longest that the grid holds in every direction.
    reach = np.hypot(np.arange(npix // 2 + 1), np.fft.fftfreq(npix, 1 / npix)[:, None]) <= npix // 2
    peak = np.abs(reference).max()
    error, coarse, change = (np.abs(other - reference)[:, reach] / peak for other in (found, standard, quarter))
    return {
        "subcells": chosen.subcells,
        "standard": coarse.max(),
        "worst": error.max(),
        "rms": np.sqrt(np.mean(error**2)),
        "told": chosen.visibility_error,
        "converged": change.max(),
    }


def page(rows):
    """The table as Markdown."""
    pixel = model_sky(NPIX, CELL_ARCSEC).cell_arcsec
    held = [name for name, found in rows.items() if found["worst"] <= WANTED]
    lines = [
        f"One disc, harder from rung to rung, on {NPIX} cells of a field of {NPIX * CELL_ARCSEC:.1f} arcsec",
        f"(pixels of {pixel:.3f} arcsec) and {CHANNELS} channels, as `steelyard fit` has it: in single precision,",
        "with the subcells that it takes. These are fine ones, of half the side, where they change visibilities by",
        f"more than {WANTED:.0e} of the peak amplitude. Told: by how much subcells of half the side again change",
        "them, the error that a fit's report names. Reference: quadrature by four million points, double precision;",
        "converged: by how much a quarter of them changes the worst cell. Errors over all cells up to the longest",
        f"baseline that the grid holds, in units of the peak amplitude. Wanted: {WANTED:.0e}, which",
        f"{len(held)} of {len(rows)} rungs hold.",
        "",
    ]
    head = ("rung", "what differs", "subcells", "worst cell", "rms", "told", "worst, standard subcells", "converged")
    cells = [
        (name, RUNGS[name].what, found["subcells"], *(f"{found[column]:.1e}" for column in ERRORS))
        for name, found in rows.items()
    ]
    return "\n".join([*lines, *table(head, cells, "lllrrrrr")])


def main():
    """Compare all rungs; with --write, write the page."""
    parser = PAGE.parser(__doc__)
    parser.add_argument("--rungs", nargs="+", choices=RUNGS, default=list(RUNGS))
    options = parser.parse_args()
    jax.config.update("jax_enable_x64", True)  # as `steelyard.fit` does
    rows = {}
    for name in options.rungs:
        rows[name] = compare(RUNGS[name])
        print(name, rows[name], file=sys.stderr, flush=True)
    text = page(rows)
    print(text)
    if options.write:
        PAGE.write(text)


if __name__ == "__main__":
    main()

"""What the kills are made on: galaxies whose fit takes seconds, and trainings of a few hundred laws."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
from steelyard import simulate
from steelyard.galaxy.simulation import Antennas
from steelyard_schemas import Galaxy, write_model, write_store

DATA = "small.zarr"
CHECKPOINT_S = 0.1
"""Time between checkpoints: short, so that many kills meet one that is being written."""
TRUTH = {
    "log10_mbh": 8.9,
    "log10_sigma_b": 3.5,
    "alpha": 1.5,
    "gamma": 0.5,
    "beta_minus_gamma": 1.0,
    "log10_r_b_pc": 2.0,
    "q": 0.7,
    "inclination_deg": 55.0,
    "pa_deg": 130.0,
    "vsys_kms": 1500.0,
    "x0_arcsec": 0.1,
    "y0_arcsec": -0.05,
    "sigma_gas_kms": 20.0,
    "disc_scale_arcsec": 0.6,
    "flux_jykms": 20.0,
}
SAMPLED = ("log10_mbh", "inclination_deg", "pa_deg", "vsys_kms", "flux_jykms")


def small_galaxy(max_steps: int) -> Galaxy:
    """Return a galaxy with five sampled parameters; its chains end after `max_steps`, converged or not."""
    held = {name: {"kind": "fixed", "value": TRUTH[name]} for name in TRUTH if name not in SAMPLED}
    return Galaxy.model_validate(
        {
            "name": "small",
            "distance": {"mpc": 10.0},
            "line": {"name": "CO(2-1)", "rest_frequency_hz": 230.538e9},
            "data": {"path": DATA, "grid": {"cell_arcsec": 0.3, "npix": 20}},
            "sampler": {
                "n_chains": 2,
                "n_starts": 2,
                "n_warmup": 50,
                "max_steps": max_steps,
                "target_ess": 1e6,
                "checkpoint_s": CHECKPOINT_S,
            },
            "priors": held | {"log10_mbh": {"kind": "uniform", "low": 6.0, "high": 10.0}},
            "truth": TRUTH,
        }
    )


def write_inputs(folder: Path, max_steps: int, n_galaxies: int = 3) -> None:
    """Write visibilities, a galaxy file, and a sample of galaxies that share them, which comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    galaxy = small_galaxy(max_steps)
    with jax.enable_x64(True):
        mock = simulate(
            galaxy,
            _antennas(),
            declination_deg=-25.0,
            hours=1.0,
            integration_s=300.0,
            n_channels=8,
            channel_width_kms=110.0,
            noise_jy=0.05,
            seed=3,
        )
    write_store(folder / DATA, mock, overwrite=True)
    write_model(folder / "galaxy.json", galaxy, overwrite=True)
    _write_defaults(folder / "defaults.toml", galaxy)
    rows = [f"G{i},{i}\n" for i in range(n_galaxies)]
    (folder / "sample.csv").write_text("name,sampler.seed\n" + "".join(rows))


def _antennas() -> Antennas:
    rng = np.random.default_rng(4)
    radius, angle = 90 * np.sqrt(rng.random(14)), 2 * np.pi * rng.random(14)
    return Antennas(np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(14)], axis=1), 12.0)


def _write_defaults(path: Path, galaxy: Galaxy) -> None:
    facts = galaxy.model_dump(mode="json", exclude_unset=True, exclude={"name"})

    def inline(value: object) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{name} = {inline(part)}" for name, part in value.items()) + " }"
        return f"'{value}'" if isinstance(value, str) else str(value)

    path.write_text("".join(f"{name} = {inline(value)}\n" for name, value in facts.items()))

"""A small galaxy with a dominant black hole, its mock visibilities, and one finished fit of them, made once."""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from filelock import FileLock
from steelyard import fit, simulate, write_report
from steelyard.data.load import load_gridded
from steelyard.galaxy.model import GalaxyModel
from steelyard.galaxy.simulation import Antennas
from steelyard.inference.problem import prepare
from steelyard_schemas import Galaxy, read_model, write_store

GALAXY = """\
kind = "galaxy"
schema_version = "1.0"
name = "Toy"

[distance]
mpc = 10.0

[line]
name = "CO(2-1)"
rest_frequency_hz = 230.538e9

[data]
path = "toy.zarr"
grid = { cell_arcsec = 0.25, npix = 24 }

[sampler]
n_chains = 4
n_starts = 4
n_warmup = 150
max_steps = 2000
target_ess = 400
checkpoint_s = 3600

[priors]
log10_mbh = { kind = "uniform", low = 6.0, high = 10.0 }
log10_sigma_b = { kind = "fixed", value = 3.5 }
alpha = { kind = "fixed", value = 1.5 }
gamma = { kind = "fixed", value = 0.5 }
beta_minus_gamma = { kind = "fixed", value = 1.0 }
log10_r_b_pc = { kind = "fixed", value = 2.0 }
q = { kind = "fixed", value = 0.7 }
x0_arcsec = { kind = "fixed", value = 0.1 }
y0_arcsec = { kind = "fixed", value = -0.05 }
sigma_gas_kms = { kind = "fixed", value = 15.0 }
disc_scale_arcsec = { kind = "fixed", value = 0.6 }

[truth]
log10_mbh = 8.9
log10_sigma_b = 3.5
alpha = 1.5
gamma = 0.5
beta_minus_gamma = 1.0
log10_r_b_pc = 2.0
q = 0.7
inclination_deg = 55.0
pa_deg = 130.0
vsys_kms = 1500.0
x0_arcsec = 0.1
y0_arcsec = -0.05
sigma_gas_kms = 15.0
disc_scale_arcsec = 0.6
flux_jykms = 20.0
"""


class Finished(NamedTuple):
    folder: Path
    n_traced: int


@pytest.fixture(scope="session")
def antennas():
    """Twenty-four dishes within 110 m: baselines of 220 m, which pixels of 0.25 arcsec resolve easily."""
    rng = np.random.default_rng(4)
    radius, angle = 110 * np.sqrt(rng.random(24)), 2 * np.pi * rng.random(24)
    east_north_up = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(24)], axis=1)
    return Antennas(east_north_up, 12.0)


@pytest.fixture(scope="session")
def observe_toy(antennas):
    """Return a function that observes a galaxy's truth: 12 channels of 75 km/s."""

    def observe(galaxy, **changed):
        settings = {
            "declination_deg": -25.0,
            "hours": 2.0,
            "integration_s": 120.0,
            "n_channels": 12,
            "channel_width_kms": 75.0,
            "noise_jy": 0.06,
            "seed": 3,
        }
        return simulate(galaxy, antennas, **(settings | changed))

    return observe


@pytest.fixture(scope="session")
def made_once(tmp_path_factory, worker_id):
    """Return a function that makes a folder once in a run; the other workers wait for it."""
    top = tmp_path_factory.getbasetemp()
    top = top if worker_id == "master" else top.parent

    def made_once(name, make):
        folder, partial = top / name, top / f"{name}.partial"
        with FileLock(top / f"{name}.lock"):
            if not folder.exists():
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir()
                make(partial)
                partial.rename(folder)
        return folder

    return made_once


@pytest.fixture(scope="session")
def toy_folder(made_once, observe_toy):
    """Return a folder with toy.toml and the visibilities toy.zarr that it names."""

    def make(folder):
        (folder / "toy.toml").write_text(GALAXY)
        write_store(folder / "toy.zarr", observe_toy(read_model(folder / "toy.toml", Galaxy)))

    return made_once("toy", make)


@pytest.fixture(scope="session")
def toy_file(toy_folder):
    return toy_folder / "toy.toml"


@pytest.fixture(scope="session")
def toy(toy_file):
    return read_model(toy_file, Galaxy)


@pytest.fixture(scope="session")
def toy_grid(toy, toy_folder):
    return load_gridded(toy, toy_folder)


@pytest.fixture(scope="session")
def toy_problem(toy, toy_grid):
    return prepare(toy, toy_grid)


@pytest.fixture(scope="session")
def finished(toy_file, made_once):
    """Folder of an undisturbed fit of the toy, with its report, and how often its model was traced."""
    cube, traced = GalaxyModel.cube, []

    def counted(self, params, *table, **options):
        traced.append(params)
        return cube(self, params, *table, **options)

    def make(folder):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(GalaxyModel, "cube", counted)
            fit(toy_file, folder / "fit" / "out")
        write_report(folder / "fit" / "out")
        (folder / "traced.txt").write_text(str(len(traced)))

    folder = made_once("finished", make)
    return Finished(folder / "fit" / "out", int((folder / "traced.txt").read_text()))


@pytest.fixture
def workplace(tmp_path, toy_folder):
    """Return a fresh copy of the toy's folder, to break."""
    shutil.copytree(toy_folder, tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def edit():
    """Return a function that replaces text in a file, and insists that it was there."""

    def edit(path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return edit

"""Examples of docs/extend.md: written to copies of the packages, executed, and compared with what the page says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from steelyard_schemas import ContractError, Visibilities, read_store, write_store
from vis_gridder import GridSpec, grid, read_visibilities

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extend.md").read_text()
BLOCKS = dict(re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.S))
GALAXY = """
kind = "galaxy"
schema_version = "1.3"
name = "Extended"
[distance]
mpc = 10.0
[line]
name = "CO(2-1)"
rest_frequency_hz = 230.538e9
[data]
path = "none.zarr"
[disc]
profile = "flat"
"""
SCRIPT = """
import sys, tomllib
import jax.numpy as jnp, numpy as np
from kinematics import SkyGrid, VelocityGrid
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.model import GalaxyModel
from steelyard_schemas import parse
from steelyard_schemas.reference import galaxy_reference

galaxy = parse(tomllib.load(open("galaxy.toml", "rb")), where="galaxy.toml")
names = [p.name for p in galaxy.parameters]
assert {"log10_halo_velocity_kms", "halo_core_pc", "disc_edge_arcsec"} < set(names), names
assert galaxy.priors["halo_core_pc"].value == 400.0
page = galaxy_reference()
assert "circular velocity of the halo far out" in page and "radius of the disc's edge" in page

grid = ModelGrid(16, 0.5, VelocityGrid(1500.0, 20.0, 4), jnp.ones((24, 24)))
model = GalaxyModel.of(galaxy, grid)
params = {"distance_mpc": 10.0, "log10_halo_velocity_kms": np.log10(180.0), "halo_core_pc": 400.0}
params |= {"disc_edge_arcsec": 2.0, "inclination_deg": 60.0, "q": 0.7, "alpha": 2.0, "log10_r_b_pc": 2.0}
halo = model.mass_components(dict.fromkeys(names, 1.0) | params)["isothermal"]
print(*np.asarray(halo.velocity_squared(jnp.array([30.0, 400.0, 5000.0]))).tolist())
print(*np.asarray(model.disc(params).surface_brightness(jnp.array([0.0, 1.0, 3.0]))).tolist())
"""


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """Return what SCRIPT prints with copies of the two packages that have the examples in them."""
    folder = tmp_path_factory.mktemp("extended")
    for package in ("schemas/src/steelyard_schemas", "packages/kinematics/src/kinematics"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in BLOCKS.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        before = target.read_text() + "\n\n" if target.exists() else ""
        target.write_text(before + text)
    (folder / "galaxy.toml").write_text(GALAXY + re.search(r"```toml\n(.*?)```", PAGE, re.S)[1])
    (folder / "script.py").write_text(SCRIPT)
    path = os.pathsep.join(str(folder / package) for package in ("schemas/src", "packages/kinematics/src"))
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    return done.stdout.splitlines()


def test_the_page_has_every_kind_of_extension():
    assert set(BLOCKS) == {
        "schemas/src/steelyard_schemas/ingredients/mass.py",
        "packages/kinematics/src/kinematics/mass/isothermal.py",
        "packages/kinematics/tests/mass/test_isothermal.py",
        "schemas/src/steelyard_schemas/ingredients/gas.py",
        "packages/kinematics/src/kinematics/gas/flat.py",
        "my_reader.py",
    }


@pytest.mark.slow
def test_a_mass_component_of_one_record_and_one_law(extended):
    radius = np.array([30.0, 400.0, 5000.0])
    expected = 180.0**2 * (1 - 400.0 / radius * np.arctan(radius / 400.0))
    # Single precision: at 30 pc the difference of two numbers near 1 is 2e-3.
    np.testing.assert_allclose([float(v) for v in extended[0].split()], expected, rtol=2e-4)


@pytest.mark.slow
def test_a_disc_profile_of_one_record_and_one_law(extended):
    inner = 1 / (np.pi * 2.0**2)
    np.testing.assert_allclose([float(v) for v in extended[1].split()], [inner, inner, 0.0], atol=1e-6)


def test_the_example_of_a_test_passes(tmp_path):
    names: dict = {}
    law = BLOCKS["packages/kinematics/src/kinematics/mass/isothermal.py"].replace(
        '@MASS.register("isothermal")\n', ""
    )
    exec(compile(law, "isothermal.py", "exec"), names)
    test = BLOCKS["packages/kinematics/tests/mass/test_isothermal.py"]
    exec(compile(re.sub(r"from kinematics\.mass.*\n", "", test), "test.py", "exec"), names)
    names["test_velocity_is_that_of_the_mass_within"]()


def test_a_reader_makes_visibilities_that_grid(tmp_path):
    names: dict = {}
    exec(compile(BLOCKS["my_reader.py"], "my_reader.py", "exec"), names)
    rng = np.random.default_rng(1)
    rows = np.zeros(
        60,
        [
            ("time_mjd_s", float),
            ("antenna1", int),
            ("antenna2", int),
            ("uvw", float, 3),
            ("sigma_jy", float),
            ("vis", complex, 4),
        ],
    )
    rows["time_mjd_s"] = 5.1e9 + 10.0 * np.repeat(np.arange(20), 3)
    rows["antenna1"], rows["antenna2"] = np.tile([0, 0, 1], 20), np.tile([1, 2, 2], 20)
    rows["uvw"] = rng.uniform(-100, 100, (60, 3))
    rows["sigma_jy"] = 0.1
    rows["vis"] = np.exp(1j * rng.uniform(0, 6, (60, 4)))
    np.save(tmp_path / "rows.npy", rows)
    place = {"ra_deg": 10.0, "dec_deg": -30.0, "dish_diameter_m": 12.0}
    read = names["read_my_correlator"](tmp_path / "rows.npy", **place)
    write_store(tmp_path / "target.zarr", read)
    back = read_store(tmp_path / "target.zarr", Visibilities)
    np.testing.assert_allclose(back["vis"], rows["vis"].conj(), rtol=1e-6)
    gridded = grid(read_visibilities(tmp_path / "target.zarr"), GridSpec(cell_arcsec=0.5, npix=32))
    assert gridded["count"].sum() > 0
    (tmp_path / "empty.npy").write_bytes(b"")
    with pytest.raises(ContractError, match=r"write it by numpy\.save"):
        names["read_my_correlator"](tmp_path / "empty.npy", **place)

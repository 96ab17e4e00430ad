import json
import math
import os
import tarfile
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def data_dir():
    folder = Path(os.environ.get("STEELYARD_DATA", SHARED))
    if not (folder / "mock_small.ms.tar.gz").is_file():
        pytest.skip("the shared visibilities are absent; set STEELYARD_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def unpacked(data_dir, tmp_path_factory):
    """Return a function that unpacks a Measurement Set of the shared data, once a session."""
    pytest.importorskip("casacore.tables", reason="python-casacore reads Measurement Sets")
    folder = tmp_path_factory.mktemp("unpacked")

    def unpack(name):
        target = folder / name
        if not target.exists():
            with tarfile.open(data_dir / f"{name}.tar.gz") as archive:
                archive.extractall(folder, filter="data")
        return target

    return unpack


@pytest.fixture(scope="session")
def truth_of(data_dir):
    """Return a function that reads the truth of a mock and puts it in a galaxy file's names.

    The mocks were made with differences of radio velocity equal to line-of-sight velocities. In the galaxy's frame
    these are larger by 1 + z, masses by its square.
    """

    def read(name):
        raw = json.loads((data_dir / f"{name}.json").read_text())
        stretch = 1 / (1 - raw["vsys_kms"] / 299792.458)
        raw["log_mbh"] += 2 * math.log10(stretch)
        raw["sigma_gas_kms"] *= stretch
        raw["flux_jykms"] *= stretch
        if "ml" in raw:
            raw["ml"] *= stretch**2
        if "sigma_b" in raw["stars"]:
            raw["stars"]["sigma_b"] *= stretch**2
        common = {
            "log10_mbh": raw["log_mbh"],
            "inclination_deg": raw["inc_deg"],
            "pa_deg": raw["pa_deg"],
            "vsys_kms": raw["vsys_kms"],
            "x0_arcsec": raw["dx_arcsec"],
            "y0_arcsec": raw["dy_arcsec"],
            "sigma_gas_kms": raw["sigma_gas_kms"],
            "disc_scale_arcsec": raw["disc_scale_arcsec"],
            "flux_jykms": raw["flux_jykms"],
            "distance_mpc": raw["distance_mpc"],
        }
        return raw, common

    return read

"""What one package writes, another reads: the contracts between them."""

import re
from pathlib import Path

import numpy as np
import pytest
from kinematics import UvTrack, uv_track
from nuker_surrogate import load_surrogate
from nuker_surrogate.artifact import find_artifact
from steelyard.data.load import is_gridded, load_gridded
from steelyard.galaxy.stars import check_domain
from steelyard_schemas import (
    Galaxy,
    GriddedVisibilities,
    JobRecord,
    Observation,
    Store,
    SurrogateArtifact,
    SurveyJob,
    Visibilities,
    job_identity,
    pack,
    read_store,
    unpack,
    validate,
    write_store,
)
from vis_gridder import GridSpec, grid, read_visibilities

ROOT = Path(__file__).parents[1]

GALAXY = {
    "name": "Contract",
    "distance": {"mpc": 16.5},
    "line": {"name": "CO(2-1)", "rest_frequency_hz": 230.538e9},
    "data": {"path": "grid.zarr"},
}


@pytest.fixture(scope="module")
def visibilities():
    rng = np.random.default_rng(0)
    antennas = np.column_stack([rng.uniform(-100, 100, (8, 2)), np.zeros(8)])
    track: UvTrack = uv_track(antennas, -23.0, -25.0, -1.0, 1.0, 120.0)
    shape = (len(track.u_m), 4)
    vis = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(np.complex64)
    observation = Observation(
        target="noise",
        telescope="ALMA",
        dish_diameter_m=12.0,
        phase_centre_ra_deg=0.0,
        phase_centre_dec_deg=-25.0,
        frequency_frame="LSRK",
        rest_frequency_hz=230.538e9,
    )
    arrays = {
        **track._asdict(),
        "vis": vis,
        "weight": np.ones(shape, np.float32),
        "flag": np.zeros(shape, bool),
        "frequency_hz": 230e9 + 1e7 * np.arange(4),
        "channel_width_hz": np.full(4, 1e7),
    }
    return Store(Visibilities(observation=observation, source="noise"), arrays)


def test_the_service_reads_what_the_gridder_writes(visibilities, tmp_path):
    write_store(tmp_path / "vis.zarr", visibilities)
    gridded = grid(read_visibilities(tmp_path / "vis.zarr"), GridSpec(cell_arcsec=0.5, npix=32))
    written = write_store(tmp_path / "grid.zarr", gridded)
    assert is_gridded(tmp_path / "grid.zarr")
    assert not is_gridded(tmp_path / "vis.zarr")
    data = load_gridded(Galaxy.model_validate(GALAXY), tmp_path)
    assert data.manifest == written.manifest
    np.testing.assert_array_equal(data["mean"], gridded["mean"])


def test_a_fit_that_grids_sees_what_was_gridded_before(visibilities, tmp_path):
    write_store(tmp_path / "vis.zarr", visibilities)
    wanted = {"path": "vis.zarr", "grid": {"cell_arcsec": 0.5, "npix": 32}}
    fresh = load_gridded(Galaxy.model_validate(GALAXY | {"data": wanted}), tmp_path)
    write_store(tmp_path / "grid.zarr", fresh)
    # The hash too: an interrupted fit knows its data again by it.
    assert fresh.manifest == read_store(tmp_path / "grid.zarr", GriddedVisibilities).manifest


def test_the_surrogate_that_ships_keeps_its_contract():
    artifact = validate(find_artifact())
    assert isinstance(artifact, SurrogateArtifact)
    assert load_surrogate().manifest == artifact


def test_default_priors_lie_within_the_surrogates_domain():
    check_domain(Galaxy.model_validate(GALAXY), load_surrogate())


def test_messages_come_back_as_they_went():
    galaxy = Galaxy.model_validate(GALAXY)
    identity = job_identity(galaxy, "sha256:00", None)
    job = SurveyJob(job_id=identity, galaxy=galaxy, output="contract")
    assert unpack(pack(job), SurveyJob) == job
    record = JobRecord(
        job_id=identity,
        name="Contract",
        status="failed",
        reason="no line",
        started_utc="2026-01-01T00:00:00Z",
        finished_utc="2026-01-01T00:01:00Z",
    )
    assert unpack(pack(record), JobRecord) == record


@pytest.mark.parametrize("readme", ["README.md", "services/steelyard/README.md"])
def test_galaxy_files_in_the_readmes_are_valid(readme, tmp_path):
    if not (ROOT / readme).exists():
        pytest.skip(f"{readme} is not written")
    examples = re.findall(r"```toml\n(.*?)```", (ROOT / readme).read_text(), re.S)
    galaxies = [text for text in examples if 'kind = "galaxy"' in text or "[distance]" in text]
    assert galaxies
    for text in galaxies:
        (tmp_path / "galaxy.toml").write_text(text)
        assert validate(tmp_path / "galaxy.toml").kind == "galaxy"


def test_galaxy_files_in_the_repository_are_valid():
    found = [
        path
        for path in ROOT.glob("*/**/*.toml")
        if ".venv" not in path.parts and path.name != "pyproject.toml" and "[distance]" in path.read_text()
    ]
    assert found
    for path in found:
        assert validate(path).kind == "galaxy"

"""Valid files of every kind, small, made once; hostile ones are these with something changed."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import nuker_surrogate
import numpy as np
from astropy.io import fits

EXAMPLES = Path(__file__).resolve().parents[2] / "schemas" / "examples"
SHIPPED = Path(nuker_surrogate.__file__).parent / "artifacts"
FREQUENCY_HZ = 230e9 + 1e7 * np.arange(3)
GALAXY = """\
kind = "galaxy"
schema_version = "1.3"
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
max_steps = 2000

[priors]
alpha = { kind = "fixed", value = 1.5 }
q = { kind = "uniform", low = 0.5, high = 0.9 }
log10_mbh = { kind = "uniform", low = 6.0, high = 10.0 }

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
ANTENNAS = "# observatory=ALMA\n# coordsys=LOC (local tangent plane)\n" + "".join(
    f"{50 * i} {30 * i * i} 0 12. A{i}\n" for i in range(5)
)
SAMPLE = "name,data.path,distance.mpc,log10_sigma\nA,a.zarr,10,2.3\nB,b.zarr,12,2.2\n"


def make_valid(folder: Path, make_ms: Callable, write_uvfits: Callable) -> None:
    """Write one file of every kind: `make_ms` and `write_uvfits` are the fixtures of the readers' own tests."""
    folder.mkdir()
    (folder / "toy.toml").write_text(GALAXY)
    (folder / "antennas.cfg").write_text(ANTENNAS)
    (folder / "sample.csv").write_text(SAMPLE)
    shutil.copytree(make_ms()[0], folder / "target.ms")
    data = np.ones((8, 1, 3, 2), complex)
    shutil.copy(write_uvfits(data, np.ones(data.shape)), folder / "target.uvfits")
    _write_npz(folder / "target.npz")
    _write_text(folder / "target.txt")
    (folder / "target.txt.gz").write_bytes(gzip.compress((folder / "target.txt").read_bytes()))
    _write_image(folder / "image.fits")
    for kind, version in (("visibilities", "1.1"), ("gridded_visibilities", "1.2"), ("posterior", "1.5")):
        shutil.copytree(EXAMPLES / f"{kind}-{version}" / "example.zarr", folder / f"{kind}.zarr")
    for kind, version in (("job_record", "1.1"), ("survey_job", "1.3"), ("training_job", "1.0")):
        shutil.copy(EXAMPLES / f"{kind}-{version}" / "example.json", folder / f"{kind}.json")
    shutil.copytree(EXAMPLES / "surrogate_artifact-1.0" / "example", folder / "artifact")
    shutil.copytree(SHIPPED / "1.1.0", folder / "surrogate")
    _write_survey(folder / "survey")


def _write_npz(path: Path) -> None:
    shape = (3, 6)
    u = 10 * np.arange(6.0) * FREQUENCY_HZ[:, None] / 299_792_458.0
    np.savez(path, chan_freq_hz=FREQUENCY_HZ, u=u, v=u, vis=np.ones(shape, complex), weight=np.ones(shape))


def _write_text(path: Path) -> None:
    rows = [(u, 2 * u, 1.0, 0.5, 2.0, frequency) for frequency in FREQUENCY_HZ for u in range(6)]
    np.savetxt(path, rows, header="u_m v_m re im weight frequency_hz")


def _write_image(path: Path) -> None:
    header = fits.Header()
    header.update(
        CTYPE1="RA---SIN", CRVAL1=150.0, CDELT1=-0.5 / 3600, CRPIX1=17.0,
        CTYPE2="DEC--SIN", CRVAL2=-20.0, CDELT2=0.5 / 3600, CRPIX2=17.0,
        CTYPE3="VRAD", CUNIT3="m/s", CRVAL3=1.5e6, CDELT3=1e4, CRPIX3=1.0,
        CTYPE4="STOKES", CRVAL4=1.0, CDELT4=1.0, CRPIX4=1.0,
        RESTFRQ=115.2712018e9, SPECSYS="LSRK", BUNIT="Jy/beam", OBJECT="toy", TELESCOP="ALMA",
        BMAJ=3.0 / 3600, BMIN=2.2 / 3600, BPA=35.0,
    )  # fmt: skip
    data = 1e-3 * np.random.default_rng(1).standard_normal((1, 12, 32, 32))
    fits.PrimaryHDU(data.astype(np.float32), header).writeto(path)


def _write_survey(folder: Path) -> None:
    """Plan a survey of two galaxies, one of them done."""
    from steelyard.survey.folder import SurveyFolder, plan_jobs
    from steelyard.survey.sample import sample_rows
    from steelyard.survey.surrogates import SurrogateShelf
    from steelyard_schemas import JobRecord, read_model, read_toml

    survey = SurveyFolder(folder)
    table = folder.parent / "sample.csv"
    defaults = {"line": read_toml(folder.parent / "toy.toml")["line"]}
    for name in ("a.zarr", "b.zarr"):
        shutil.copytree(folder.parent / "visibilities.zarr", folder.parent / name)
    jobs = list(plan_jobs(sample_rows(table, defaults), table.parent, SurrogateShelf(survey.surrogates)))
    survey.write_plan(jobs, table)
    record = read_model(folder.parent / "job_record.json", JobRecord)
    survey.write_record(jobs[0].output, record.model_copy(update={"job_id": jobs[0].job_id, "name": jobs[0].name}))

"""Write one tiny example of every contract at its current version: `python make.py [FOLDER]`.

Examples of a released version stay as they are, so that a later package proves that it still opens them; a folder
that exists is left alone.
"""

import sys
from pathlib import Path

import msgpack
import numpy as np
import zarr
from steelyard_schemas import (
    Contract,
    Galaxy,
    GriddedVisibilities,
    JobRecord,
    Kernel,
    NoiseReport,
    Observation,
    Posterior,
    Store,
    SurrogateArtifact,
    SurveyJob,
    TrainingJob,
    TrainingRecord,
    Visibilities,
    job_identity,
    part_hash,
    write_model,
    write_store,
)

GALAXY_TOML = """\
# A mock galaxy with a halo, a warped disc of a tabulated profile and absorption against its nucleus.
kind = "galaxy"
schema_version = "1.3"
name = "Example 1"

[distance]
mpc = 16.5
sd_mpc = 0.5

[line]
name = "CO(2-1)"
rest_frequency_hz = 230.538e9
redshift = 0.0057

[data]
path = "example.ms"
grid = { cell_arcsec = 0.12, npix = 65 }
spectral_response = "hanning"
primary_beam = "airy"

[[mass]]
kind = "nfw"

[disc]
profile = "table"
dispersion = "exponential"

[disc.table]
radius_arcsec = [0.0, 0.5, 1.0, 2.0, 4.0]
surface_brightness = [0.2, 1.0, 0.6, 0.2, 0.0]

[disc.warp]
reference_arcsec = 1.0
outer_arcsec = 3.0

[absorber]
continuum_jy = 0.02

[priors]
inclination_deg = { kind = "sine", low = 20.0, high = 85.0 }
q = { kind = "fixed", value = 0.75 }
pa_gradient_deg_per_arcsec = { kind = "normal", mean = 0.0, sd = 5.0 }
absorber_tau = { kind = "uniform", low = 0.01, high = 3.0 }

[truth]
log10_mbh = 8.45
"""

OBSERVATION = Observation(
    target="example",
    telescope="ALMA",
    dish_diameter_m=12.0,
    phase_centre_ra_deg=186.7333,
    phase_centre_dec_deg=9.0219,
    frequency_frame="LSRK",
    rest_frequency_hz=230.538e9,
    array_position_m=(2225142.18, -5440307.37, -2481029.85),
)
FREQUENCY_HZ = 229.2e9 + 12e6 * np.arange(3)
# Of the example galaxy at version 1.0: records know their job by its identity alone.
JOB_ID = "ac259f3783d40569e546a53451e596a9a0c5565112d70d5f83976f6f57cddc3a"
CREATED_UTC = "2026-01-01T00:00:00Z"


def galaxy() -> Galaxy:
    """Return the galaxy of `GALAXY_TOML`."""
    import tomllib

    return Galaxy.model_validate(tomllib.loads(GALAXY_TOML))


def visibilities() -> Store[Visibilities]:
    """Return three baselines at two times."""
    rng = np.random.default_rng(1)
    shape = (6, 3)
    vis = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
    flag = rng.random(shape) < 0.2
    arrays = {
        "u_m": rng.uniform(-500, 500, 6),
        "v_m": rng.uniform(-500, 500, 6),
        "w_m": rng.uniform(-50, 50, 6),
        "vis": vis.astype(np.complex64),
        "weight": np.where(flag, 0, 4).astype(np.float32),
        "flag": flag,
        "time_mjd_s": 5.1e9 + np.repeat([5.0, 15.0], 3),
        "antenna1": np.tile(np.array([0, 0, 1], np.int32), 2),
        "antenna2": np.tile(np.array([1, 2, 2], np.int32), 2),
        "scan": np.ones(6, np.int32),
        "frequency_hz": FREQUENCY_HZ,
        "channel_width_hz": np.full(3, 12e6),
    }
    return Store(Visibilities(observation=OBSERVATION, source="example.ms", history=("made by hand",)), arrays)


def gridded() -> Store[GriddedVisibilities]:
    """Return three channels on an 8 x 5 half plane, with cell moments."""
    rng = np.random.default_rng(2)
    npix, cell_arcsec = 8, 0.12
    shape = (3, npix, npix // 2 + 1)
    mask = rng.random(shape) < 0.5
    mean = np.where(mask, rng.standard_normal(shape) + 1j * rng.standard_normal(shape), 0)
    cell_rad = np.radians(cell_arcsec / 3600)
    # Two samples in each cell, so that the moments are those of some positions.
    x, y = rng.uniform(-0.5, 0.5, (2, 2, *shape))
    moments = {"offset_u": x, "offset_v": y, "spread_uu": x * x, "spread_uv": x * y, "spread_vv": y * y}
    arrays = {
        "mean": mean.astype(np.complex64),
        "variance": np.where(mask, 0.01, 0).astype(np.float32),
        "dof": np.where(mask, 12, 0).astype(np.float32),
        "count": np.where(mask, 7, 0).astype(np.int32),
        "mask": mask,
        "frequency_hz": FREQUENCY_HZ,
        "u_wavelengths": np.fft.rfftfreq(npix, cell_rad),
        "v_wavelengths": np.fft.fftfreq(npix, cell_rad),
    }
    arrays |= {name: np.where(mask, values.mean(0), 0).astype(np.float16) for name, values in moments.items()}
    noise = NoiseReport(
        visibility_noise_jy=0.27,
        weight_scale=1.02,
        n_used=int(7 * mask.sum()),
        n_flagged=4,
        n_outside=0,
        n_cells_scatter=int(mask.sum()),
        n_cells_propagated=0,
    )
    manifest = GriddedVisibilities(
        observation=OBSERVATION,
        npix=npix,
        cell_arcsec=cell_arcsec,
        channel_width_hz=12e6,
        kernel=Kernel(width_cells=1.0, beta=2.3),
        noise=noise,
        source="example.ms",
        sources=("example.ms", "example_2.ms"),
        cell_moments=True,
    )
    return Store(manifest, arrays)


def posterior() -> Store[Posterior]:
    """Return two chains of two parameters, with the summaries of exactly these draws."""
    rng = np.random.default_rng(3)
    draws = {"log10_mbh": rng.normal(8.4, 0.05, (2, 10)), "inclination_deg": rng.normal(64, 0.5, (2, 10))}
    priors = galaxy().priors
    mass, inclination = priors.log10_mbh, priors.inclination_deg
    angles = (inclination.low, inclination.high, draws["inclination_deg"])
    lowest, highest, cosine = (np.cos(np.radians(angle)) for angle in angles)
    quantile = {
        "log10_mbh": (draws["log10_mbh"] - mass.low) / (mass.high - mass.low),
        "inclination_deg": (lowest - cosine) / (lowest - highest),
    }
    summaries = []
    for name, values in draws.items():
        q05, q16, median, q84, q95 = (float(q) for q in np.quantile(values, [0.05, 0.16, 0.5, 0.84, 0.95]))
        summaries.append(
            {
                "name": name,
                "unit": "deg" if name.endswith("_deg") else "",
                "prior": getattr(priors, name),
                "mean": float(values.mean()),
                "sd": float(values.std()),
                "q05": q05,
                "q16": q16,
                "median": median,
                "q84": q84,
                "q95": q95,
                "rhat": None,
                "ess_bulk": None,
                "ess_tail": None,
                "contraction": float(1 - np.sqrt(12) * quantile[name].std()),
            }
        )
    mass = summaries[0]
    manifest = Posterior.model_validate(
        {
            "galaxy": galaxy(),
            "converged": False,
            "complete": True,
            "parameters": summaries,
            "fixed": {"q": 0.75},
            "black_hole": {
                "verdict": "unconstrained",
                "log10_mbh": mass["median"],
                "log10_mbh_q16": mass["q16"],
                "log10_mbh_q84": mass["q84"],
                "log10_mbh_upper95": mass["q95"],
                "reason": "twenty draws of an example",
            },
            "systemic_velocity": {
                "radio_kms": 1698.0,
                "optical_kms": 1707.68,
                "redshift": 0.0056962,
                "sd_kms": 0.3,
                "frame": "LSRK",
            },
            "quality": {
                "log_likelihood": -10.0,
                "chi2": 20.0,
                "n_data": 18,
                "acceptance_rate": 0.57,
                "step_size": 0.8,
                "n_gradients": 20,
                "wall_s": 0.1,
                "subcells": "fine",
                "visibility_error": 3e-4,
                "shift_sigma": 0.02,
            },
            "inputs": {
                "galaxy_hash": "sha256:" + "0" * 64,
                "gridded_hash": "sha256:" + "1" * 64,
                "surrogate_version": None,
                "surrogate_hash": None,
                "packages": {"steelyard-schemas": "1.0.0"},
            },
            "created_utc": CREATED_UTC,
        }
    )
    arrays = {f"posterior/{name}": values for name, values in draws.items()}
    for group in ("posterior", "sample_stats"):
        arrays |= {f"{group}/chain": np.arange(2), f"{group}/draw": np.arange(10)}
    arrays["sample_stats/lp"] = rng.normal(-10, 1, (2, 10))
    return Store(manifest, arrays)


def survey_job() -> SurveyJob:
    """Return the job that fits the example galaxy."""
    return SurveyJob(job_id=job_identity(galaxy(), "sha256:" + "1" * 64, None), galaxy=galaxy(), output="example_1")


def job_record() -> JobRecord:
    """Return how a job ended."""
    return JobRecord(
        job_id=JOB_ID,
        name="Example 1",
        status="not_converged",
        reason="R-hat of inclination_deg is 1.2",
        started_utc=CREATED_UTC,
        finished_utc=CREATED_UTC,
        posterior_hash="sha256:" + "2" * 64,
        draws_hash="sha256-arrays:" + "3" * 64,
        worker="node-7:4321",
        attempts=2,
        wall_s=12.5,
    )


def training_job() -> TrainingJob:
    """Return a small member of an ensemble."""
    training = {"head": "corrected", "hidden": (32, 32), "learning_rate": 0.003, "seed": 1}
    return TrainingJob(name="corrected-32-32-seed1", training=training, points=500, points_seed=7)


def training_record() -> TrainingRecord:
    """Return how its training ended."""
    return TrainingRecord(
        name=training_job().name,
        job=training_job().identity,
        n_parameters=3456,
        circular_velocity=(1e-4, 3e-4, 5e-4, 2e-3),
        surface_density=(2e-4, 6e-4, 9e-4, 4e-3),
        wall_s=61.5,
    )


def write_artifact(folder: Path) -> None:
    """Write an artifact of three Gaussians: manifest, weights and validation errors."""
    folder.mkdir(parents=True)
    kernel = np.arange(12, dtype="<f4").reshape(4, 3)
    packed = {"dtype": "<f4", "shape": [4, 3], "data": kernel.tobytes()}
    (folder / "weights.msgpack").write_bytes(msgpack.packb({"kernels": [packed]}))
    group = zarr.open_group(folder / "validation.zarr", mode="w", zarr_format=3)
    for spec in SurrogateArtifact.VALIDATION_ARRAYS:
        array = group.create_array(spec.name, shape=(4,), dtype=spec.dtype, dimension_names=spec.dims)
        array[...] = np.linspace(0.1, 1.0, 4)
    worst_at = {"alpha": 10.0, "gamma": 1.0, "beta_minus_gamma": 1.0, "r_b_pc": 100.0}
    manifest = SurrogateArtifact.model_validate(
        {
            "version": "0.0.1",
            "head": "normalised",
            "hidden": [],
            "activation": "selu",
            "inputs": ["alpha", "beta", "gamma", "log10_r_b_pc"],
            "input_mean": [0.0] * 4,
            "input_scale": [1.0] * 4,
            "sigma_pc": [1.0, 100.0, 10000.0],
            "domain": {
                "alpha": {"low": 0.1, "high": 10.0},
                "gamma": {"low": 0.001, "high": 1.2},
                "beta_minus_gamma": {"low": 0.3, "high": 3.0},
                "r_b_pc": {"low": 2.0, "high": 2000.0},
            },
            "training": {"steps": 0, "seed": 1},
            "errors": [
                {
                    "quantity": "circular_velocity",
                    "q": 1.0,
                    "radius_min_pc": 10.0,
                    "radius_max_pc": 3000.0,
                    "n_points": 4,
                    "median": 0.55,
                    "p95": 0.95,
                    "p99": 0.99,
                    "worst": 1.0,
                    "worst_at": worst_at,
                }
            ],
            "files": {name: part_hash(folder / name) for name in ("weights.msgpack", "validation.zarr")},
            "created_utc": CREATED_UTC,
            "code_version": "0.1.0",
        }
    )
    write_model(folder / "manifest.json", manifest)


def write_example(kind: str, folder: Path) -> Path:
    """Write the example of one kind into a folder; return the path to validate."""
    stores = {"visibilities": visibilities, "gridded_visibilities": gridded, "posterior": posterior}
    models: dict[str, Contract] = {
        "survey_job": survey_job(),
        "job_record": job_record(),
        "training_job": training_job(),
        "training_record": training_record(),
    }
    if kind in stores:
        path = folder / "example.zarr"
        write_store(path, stores[kind]())
    elif kind in models:
        path = folder / "example.json"
        write_model(path, models[kind])
    elif kind == "galaxy":
        path = folder / "example.toml"
        folder.mkdir(parents=True)
        path.write_text(GALAXY_TOML, encoding="utf-8")
    else:
        path = folder / "example"
        write_artifact(path)
    return path


def main(target: str = str(Path(__file__).parent)) -> None:
    """Write what is not there yet."""
    from steelyard_schemas.migrations import CONTRACTS, current_version

    for kind in CONTRACTS:
        folder = Path(target) / f"{kind}-{current_version(kind)}"
        if not folder.exists():
            write_example(kind, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])

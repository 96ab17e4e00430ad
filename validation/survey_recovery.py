"""Does a survey find the masses that its mock galaxies have, and what does Ray cost?

    uv run python -m validation.survey_recovery --folder FOLDER --survey N [--galaxies 24] [--plain] [--write]

Makes mock galaxies (truths drawn from the priors, but for masses that the data can weigh; the stars' shape is known)
and runs `steelyard survey run` on them, with --plain then the same fits in plain processes without Ray, as many at a
time as there are workers. Surveys are numbered; each goes on with the galaxies after those of the surveys before it.
The folder keeps everything; the same command goes on where it was stopped, but times of what was cut off mean nothing
and are not told. --write keeps what was found in validation/records/survey_recovery.jsonl and writes
docs/survey_recovery.md from all surveys there, whatever they found.
"""

import csv
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
from steelyard import fit, simulate
from steelyard.console import NOT_CONVERGED
from steelyard.galaxy.simulation import Antennas
from steelyard.survey.folder import SurveyFolder
from steelyard.survey.masses import mass_rows, pull_summary
from steelyard_schemas import Galaxy, SurveyJob, unpack, write_store

from validation import ROOT
from validation.page import DOCS, ResultPage, table
from validation.records import RECORDS, read_lines, write_lines

DEFAULTS = """\
[line]
name = "CO(2-1)"
rest_frequency_hz = 230.538e9
[data.grid]
cell_arcsec = 0.25
npix = 32
[priors]
log10_mbh = { kind = "uniform", low = 6.0, high = 10.0 }
alpha = { kind = "fixed", value = 1.5 }
gamma = { kind = "fixed", value = 0.5 }
beta_minus_gamma = { kind = "fixed", value = 1.0 }
log10_r_b_pc = { kind = "fixed", value = 2.0 }
q = { kind = "fixed", value = 0.7 }
log10_sigma_b = { kind = "uniform", low = 3.0, high = 4.0 }
inclination_deg = { kind = "sine", low = 30.0, high = 75.0 }
sigma_gas_kms = { kind = "log_uniform", low = 5.0, high = 30.0 }
"""
STARS = {"alpha": 1.5, "gamma": 0.5, "beta_minus_gamma": 1.0, "log10_r_b_pc": 2.0, "q": 0.7}
OBSERVATION = {
    "declination_deg": -25.0,
    "hours": 1.0,
    "integration_s": 120.0,
    "n_channels": 24,
    "channel_width_kms": 45.0,
    "noise_jy": 0.06,
}
PAGE = ResultPage(DOCS / "survey_recovery.md", "validation.survey_recovery", "--folder FOLDER --survey N --plain")
MOST_MEAN, MOST_SCATTER = 0.4, 0.3
"""Largest |mean| and |scatter - 1| of the pulls; set before anything was run."""
PULL_COLUMNS = ("pulls of log10 M_BH", "mean", "scatter", "mean, by chance", "scatter, by chance", "within bounds")
TIME_COLUMNS = (
    *("survey", "run by", "`steelyard survey run`, all in [s]"),
    *("same fits in plain processes [s]", "Ray's share"),
)
RAY_FREE = "from validation.survey_recovery import plain_fits; import sys; plain_fits(*sys.argv[1:])"


def truth_of(rng):
    """Draw a galaxy: what has a prior in DEFAULTS from within it, but masses between 10^8.3 and 10^9.3 Msun."""
    cosine = rng.uniform(np.cos(np.radians(70.0)), np.cos(np.radians(35.0)))
    return {
        **STARS,
        "log10_mbh": rng.uniform(8.3, 9.3),
        "log10_sigma_b": rng.uniform(3.2, 3.8),
        "inclination_deg": np.degrees(np.arccos(cosine)),
        "pa_deg": rng.uniform(0.0, 360.0),
        "vsys_kms": rng.uniform(1480.0, 1520.0),
        "x0_arcsec": rng.uniform(-0.2, 0.2),
        "y0_arcsec": rng.uniform(-0.2, 0.2),
        "sigma_gas_kms": rng.uniform(8.0, 20.0),
        "disc_scale_arcsec": rng.uniform(0.5, 0.8),
        "flux_jykms": rng.uniform(15.0, 30.0),
    }


def make_sample(folder, numbers):
    """Write defaults, data and a table of the galaxies of these numbers; return the table's path."""
    table = folder / "sample.csv"
    if table.exists():
        return table
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "defaults.toml").write_text(DEFAULTS)
    place = np.random.default_rng(4)
    radius, angle = 55.0 * np.sqrt(place.uniform(size=24)), place.uniform(0, 2 * np.pi, 24)
    antennas = Antennas(np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=1), 12.0)
    rows = []
    for k in numbers:
        rng = np.random.default_rng([2026, k])
        truth = {name: round(float(value), 4) for name, value in truth_of(rng).items()}
        distance, data = round(rng.uniform(8.0, 12.0), 2), f"mock{k:02d}.zarr"
        galaxy = Galaxy.model_validate(
            {
                "name": f"Mock {k:02d}",
                "distance": {"mpc": distance},
                "line": {"name": "CO(2-1)", "rest_frequency_hz": 230.538e9},
                "data": {"path": data, "grid": {"cell_arcsec": 0.25, "npix": 32}},
                "truth": truth,
            }
        )
        write_store(folder / data, simulate(galaxy, antennas, **OBSERVATION, seed=k))
        rows.append(
            {"name": galaxy.name, "distance.mpc": distance, "data.path": data}
            | {f"truth.{name}": value for name, value in truth.items()}
        )
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table


def plain_fits(survey, out, part, parts):
    """Fit every parts-th galaxy of a survey's plan in this process, without Ray."""
    folder = SurveyFolder(survey)
    for k, job in enumerate(folder.jobs()):
        if k % int(parts) == int(part):
            fit(unpack(job.message, SurveyJob).galaxy, Path(out) / job.output, base=folder.data_folder)


def timed(commands):
    """Run commands side by side, each on its own share of the cores; return seconds."""
    cores = max(1, (os.cpu_count() or 1) // len(commands))
    share = {name: str(cores) for name in ("NPROC", "PJRT_NPROC", "OMP_NUM_THREADS")}
    began = time.perf_counter()
    running = [subprocess.Popen(command, env=os.environ | share, cwd=ROOT) for command in commands]
    codes = [process.wait() for process in running]
    return time.perf_counter() - began, codes


def run_survey(folder, table, workers):
    """Run `steelyard survey run`, or the rest of it; return its folder and the seconds that it took."""
    out = folder / "survey"
    command = [sys.executable, "-m", "steelyard", "survey", "run", str(table)]
    command += ["--defaults", str(folder / "defaults.toml"), "--out", str(out), "--no-reports"]
    began = time.perf_counter()
    code = subprocess.run([*command, "--workers", str(workers)], check=False).returncode
    if code not in (0, NOT_CONVERGED):
        raise SystemExit(f"the survey failed with exit code {code}")
    return SurveyFolder(out), time.perf_counter() - began


def time_both(folder, table, workers):
    """Run the survey and then the same fits without Ray, unless that is done; return the survey and what it took."""
    kept, alone = folder / "times.json", folder / "alone"
    fresh = not (folder / "survey").exists()
    survey, with_ray = run_survey(folder, table, workers)
    if fresh:
        parts = range(workers)
        plain = [
            [sys.executable, "-c", RAY_FREE, str(survey.path), str(alone), str(k), str(len(parts))] for k in parts
        ]
        without, codes = timed(plain)
        if any(codes):
            raise SystemExit("the plain fits failed")
        kept.write_text(json.dumps({"with_ray_s": round(with_ray), "plain_s": round(without)}))
    return survey, json.loads(kept.read_text()) if kept.exists() else None


def found_in(survey):
    """Return what is kept of each galaxy of a survey."""
    return [
        {
            "name": row.name,
            "truth": row.reference,
            "log10_mbh": rounded(row.log10_mbh, 3),
            "sd": rounded(row.sd, 3),
            "pull": rounded(row.pull, 2),
            "fit_s": round(survey.record(row.output).wall_s),
            "status": row.status.replace("_", " "),
        }
        for row in mass_rows(survey)
    ]


def rounded(number, digits):
    """Round a number, if there is one."""
    return None if number is None else round(number, digits)


def pull_row(label, galaxies):
    """Tell mean and scatter of the pulls, and whether they are within bounds."""
    pulls = pull_summary(galaxy["pull"] for galaxy in galaxies)
    if pulls is None:
        raise SystemExit("fewer than two galaxies have a mass")
    chance = f"0 +- {1 / np.sqrt(pulls.n):.2f}", f"1 +- {1 / np.sqrt(2 * (pulls.n - 1)):.2f}"
    good = abs(pulls.mean) <= MOST_MEAN and abs(pulls.scatter - 1) <= MOST_SCATTER
    return f"{label}: {pulls.n}", f"{pulls.mean:+.2f}", f"{pulls.scatter:.2f}", *chance, "yes" if good else "no"


def galaxy_row(galaxy):
    """Return a galaxy's line of the table."""
    texts = ("", "", "")
    if galaxy["pull"] is not None:
        mass = f"{galaxy['log10_mbh']:.3f} +- {galaxy['sd']:.3f}"
        texts = (f"{galaxy['truth']:.2f}", mass, f"{galaxy['pull']:+.2f}")
    return galaxy["name"], *texts, str(galaxy["fit_s"]), galaxy["status"]


def survey_row(survey):
    """Return a survey's line of the table of times."""
    times, texts = survey["times"], ("", "", "")
    if times:
        share = 100 * (times["with_ray_s"] / times["plain_s"] - 1)
        texts = (f"{times['with_ray_s']}", f"{times['plain_s']}", f"{share:+.1f} %")
    return str(survey["survey"]), survey["run"], *texts


def page(surveys):
    """Return what all surveys found, as text."""
    everything = [galaxy for survey in surveys for galaxy in survey["galaxies"]]
    converged = sum(galaxy["status"] == "converged" for galaxy in everything)
    pulls = [pull_row(f"survey {survey['survey']}", survey["galaxies"]) for survey in surveys]
    if len(surveys) > 1:
        pulls.append(pull_row("all", everything))
    lines = [
        f"{len(everything)} mock galaxies: data of 24 dishes for an hour, 24 channels of 45 km/s, 32 x 32 pixels.",
        f"The shape of the stars is known, ten parameters are sampled. {converged} of {len(everything)} converged.",
        "A galaxy of a number is always the same, and a survey once begun is told here whatever it found.",
        "",
        *table(PULL_COLUMNS, pulls, "lrrrrl"),
        f"Bounds, set beforehand: mean 0 +- {MOST_MEAN}, scatter 1 +- {MOST_SCATTER}.",
        "",
        *table(TIME_COLUMNS, map(survey_row, surveys), "llrrr"),
        "Plain processes have every n-th galaxy each, shared out beforehand; Ray gives the next to whoever is free.",
        "",
        *table(("galaxy", "truth", "log10 M_BH", "pull", "fit, s", "status"), map(galaxy_row, everything), "lrrrrl"),
    ]
    return "\n".join(lines)


def main():
    """Run one survey; with --write, keep its records and write the page."""
    parser = PAGE.parser(__doc__)
    parser.add_argument("--folder", type=lambda text: Path(text).resolve(), required=True, help="kept; resumes")
    parser.add_argument("--survey", type=int, required=True, help="its number")
    parser.add_argument("--galaxies", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="time the same fits without Ray, too")
    options = parser.parse_args()
    records = RECORDS / "survey_recovery.jsonl"
    others = [survey for survey in read_lines(records) if survey["survey"] != options.survey]
    first = sum(len(survey["galaxies"]) for survey in others if survey["survey"] < options.survey)
    table = make_sample(options.folder, range(first, first + options.galaxies))
    if options.plain:
        survey, times = time_both(options.folder, table, options.workers)
    else:
        survey, times = run_survey(options.folder, table, options.workers)[0], None
    run = f"{options.workers} workers; {os.cpu_count()} cores, {platform.machine()}, jax {jax.__version__}"
    new = {"survey": options.survey, "run": run, "times": times, "galaxies": found_in(survey)}
    surveys = sorted([*others, new], key=lambda survey: survey["survey"])
    text = page(surveys)
    print(text)
    if options.write:
        write_lines(records, surveys)
        PAGE.write(text)


if __name__ == "__main__":
    main()

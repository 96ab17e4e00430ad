"""Work for the survey's tests, imported by Ray's workers: slow enough to be killed, checkpointed, deterministic."""

import argparse
import json
import os
import time
import urllib.request
from dataclasses import asdict
from pathlib import Path

import numpy as np
from steelyard.survey.identity import draws_hash
from steelyard.survey.jobs import Outcome
from steelyard_schemas import Posterior, Store, read_npz, write_npz, write_store
from steelyard_schemas.posterior import BlackHole, FitQuality, Inputs, ParameterSummary
from steelyard_schemas.priors import Uniform

N_STEPS, STEP_S, BLOCK = 48, 0.05, 8


def walk(job, place):
    """A random walk of two seconds with a checkpoint every few steps, and a posterior at its end.

    While the survey's folder holds a file `hold`, it stops at its first checkpoint: a test may take its time.
    """
    checkpoint = place.folder / "checkpoint.npz"
    hold = place.folder.parents[1] / "hold"
    draws = read_npz(checkpoint, "")["draws"] if checkpoint.exists() else np.zeros(0)
    while len(draws) < N_STEPS:
        place.status.note(f"step {len(draws)}")
        time.sleep(STEP_S)
        step = np.random.default_rng([job.galaxy.sampler.seed, len(draws)]).normal()
        draws = np.append(draws, (draws[-1] if len(draws) else 8.0) + step)
        if len(draws) % BLOCK == 0:
            write_npz(checkpoint, {"draws": draws})
        while hold.exists() and len(draws) >= BLOCK:
            time.sleep(STEP_S)
    return keep(job, place, draws)


def break_down(job, place):
    """Fail in the way that the galaxy is named after, or walk."""
    name = job.galaxy.name
    if name.startswith("exits"):
        os._exit(17)
    if name.startswith("memory"):
        raise MemoryError("cannot allocate 80 GiB")
    if name.startswith("bug"):
        return 1 / 0
    if name.startswith("big"):
        (place.folder / "big").write_bytes(bytes(2_000_000))
    return keep(job, place, np.linspace(8, 9, N_STEPS))


def keep(job, place, draws):
    mean, sd = float(draws.mean()), float(draws.std())
    parts = {"q05": 0.05, "q16": 0.16, "median": 0.5, "q84": 0.84, "q95": 0.95}
    quantiles = {name: float(np.quantile(draws, part)) for name, part in parts.items()}
    manifest = Posterior(
        galaxy=job.galaxy,
        converged=True,
        complete=True,
        parameters=(
            ParameterSummary(
                name="log10_mbh",
                unit="dex",
                prior=Uniform(low=4.0, high=10.5),
                mean=mean,
                sd=sd,
                rhat=1.0,
                ess_bulk=500.0,
                ess_tail=500.0,
                **quantiles,
            ),
        ),
        black_hole=BlackHole(
            verdict="measured",
            log10_mbh=quantiles["median"],
            log10_mbh_q16=quantiles["q16"],
            log10_mbh_q84=quantiles["q84"],
            log10_mbh_upper95=quantiles["q95"],
            reason="a test",
        ),
        quality=FitQuality(
            log_likelihood=0.0,
            chi2=1.0,
            n_data=1,
            acceptance_rate=0.5,
            step_size=1.0,
            n_gradients=1,
            wall_s=time.time(),
        ),
        inputs=Inputs(
            galaxy_hash="", gridded_hash="", surrogate_version=None, surrogate_hash=None, packages={"steelyard": "0"}
        ),
        created_utc=time.ctime(),
    )
    index = np.arange(len(draws), dtype=np.int64)
    chain = np.zeros(1, dtype=np.int64)
    arrays = {
        "posterior/chain": chain,
        "posterior/draw": index,
        "sample_stats/chain": chain,
        "sample_stats/draw": index,
        "sample_stats/lp": draws[None] * 0.0,
        "posterior/log10_mbh": draws[None],
    }
    store = write_store(place.folder / "posterior.zarr", Store(manifest, arrays), overwrite=True)
    return Outcome("converged", None, store.manifest.content_hash, draws_hash(store))


def scraped(name, survey, total, seconds=20.0):
    """Lines of a survey's counter, as Prometheus gets them from this node, once they add up to a total."""
    import ray

    here = ray.get_runtime_context().get_node_id()
    port = next(node["MetricsExportPort"] for node in ray.nodes() if node["NodeID"] == here)
    page = f"http://{ray.util.get_node_ip_address()}:{port}/metrics"
    end, found = time.monotonic() + seconds, []
    while sum(float(line.split()[-1]) for line in found) < total and time.monotonic() < end:
        time.sleep(0.5)
        lines = urllib.request.urlopen(page, timeout=5).read().decode().splitlines()
        found = [line for line in lines if line.startswith(name) and f'survey="{survey}"' in line]
    return found


class Listener:
    """A watcher that prints every line."""

    def __init__(self, scrapes):
        self.scrapes = scrapes

    def note(self, line):
        print(line, flush=True)

    def ended(self, record, tally):
        self.note(f"ended {record.name} {record.status} {record.reason}")

    def tick(self, tally):
        if self.scrapes and tally.done == tally.total:
            for line in scraped("ray_steelyard_jobs_total", self.scrapes, tally.total):
                self.note(f"metric {line}")


def main():
    """A driver in a process of its own; its last line is the tally, or what stopped it."""
    from steelyard.cluster.run import Cluster, SampleFiles, run_survey
    from steelyard_schemas import ContractError

    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--address")
    parser.add_argument("--work", default="survey_works:walk")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--attempts", type=int, default=4)
    parser.add_argument("--scrapes")
    parser.add_argument("--workers", type=int, default=2, help="0: as many as there is room for")
    given = parser.parse_args()
    sample = None if given.table is None else SampleFiles(given.table)
    cluster = Cluster(address=given.address, workers=given.workers or None, attempts=given.attempts)
    try:
        tally = run_survey(
            given.folder, Listener(given.scrapes), sample=sample, cluster=cluster, work=given.work, reports=False
        )
    except ContractError as error:
        raise SystemExit(f"refused: {error}") from None
    print(json.dumps(asdict(tally)))


if __name__ == "__main__":
    main()

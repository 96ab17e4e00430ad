"""Running the unfinished jobs of a survey."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from steelyard_schemas import ContractError

from steelyard.cluster.fitter import FitterSetup, GalaxyFitter
from steelyard.cluster.session import Resources, ray_session, resources
from steelyard.survey.folder import SurveyFolder, changes, plan_jobs
from steelyard.survey.jobs import FIT
from steelyard.survey.lock import driver_lock
from steelyard.survey.sample import read_defaults, sample_rows
from steelyard.survey.surrogates import SurrogateShelf, read_parts
from steelyard.survey.tally import Tally, Watcher

__all__ = ["Cluster", "SampleFiles", "room", "run_survey"]


@dataclass(frozen=True)
class SampleFiles:
    """Files of a sample: its table and its defaults."""

    table: Path
    defaults: Path | None = None


@dataclass(frozen=True)
class Cluster:
    """Cluster of a survey and its division among workers."""

    address: str | None = None
    """Address of a Ray cluster; None for this machine."""
    workers: int | None = None
    """Number of actors; by default as many as fit, growing as nodes join."""
    cpus_per_worker: float = 1.0
    """CPUs per actor."""
    gpus_per_worker: float | None = None
    """GPUs per actor; by default one where the cluster has any."""
    dashboard: bool = False
    """Whether a local Ray serves its dashboard."""
    attempts: int = 4
    """Maximum number of actors that a job may kill."""


def run_survey(
    folder: str | Path,
    watcher: Watcher,
    *,
    sample: SampleFiles | None = None,
    cluster: Cluster | None = None,
    work: str = FIT,
    reports: bool = True,
    wait: bool = False,
) -> Tally:
    """Fit the unfinished galaxies of a sample; one driver at a time holds the folder.

    Args:
        folder: folder of the survey; on a cluster every node must see it and the data under the same path.
        watcher: receives every finished galaxy and a tick each second.
        sample: table to plan; None uses the plan in the folder.
        cluster: where to run; this machine by default.
        work: function `module:function` that is run for each galaxy.
        reports: whether to write a page for each galaxy.
        wait: whether to wait for another driver to release the folder instead of raising.

    Returns:
        Counts of the galaxies by outcome.

    Raises:
        ContractError: the sample is faulty, another driver holds the folder, there is no survey to resume, or Ray is
            missing.

    """
    cluster = cluster or Cluster()
    survey = SurveyFolder(os.path.realpath(folder))  # Path.resolve raises where links go in a circle
    if sample is None:
        _ = survey.n_jobs  # raises before a lock file is left in a folder without a survey
    with driver_lock(survey.lock, wait=wait) as lease:
        if sample is not None:
            n = _plan(survey, sample, watcher.note)
            watcher.note(f"planned {n} galaxies in {survey.path}")
        total = survey.n_jobs
        left = sum(not survey.is_finished(job) for job in survey.jobs())
        if left == 0:
            return Tally(total, skipped=total)
        with ray_session(cluster.address, dashboard=cluster.dashboard) as have:
            # The session imports Ray after setting the environment that Ray reads on import.
            from steelyard.cluster.driver import Driver
            from steelyard.cluster.pool import Pool, Share

            gpus = cluster.gpus_per_worker
            share = Share(cluster.cpus_per_worker, (1.0 if have.gpus else 0.0) if gpus is None else gpus)

            def room_now() -> int:
                return room(resources(), share.cpus, share.gpus)

            if cluster.dashboard and have.token is not None:
                watcher.note(f"log in to Ray's dashboard with the token in {have.token}")
            size = min(cluster.workers or room_now(), left)
            watcher.note(f"{left} of {total} galaxies to do (workers: {size}, nodes: {have.nodes})")
            setup = FitterSetup(str(survey.path), str(survey.data_folder.resolve()), work, reports)
            pool = Pool(size, share, GalaxyFitter, setup, read_parts(survey.surrogates))
            grown = None if cluster.workers else room_now
            driver = Driver(survey, pool, watcher, attempts=cluster.attempts, room=grown)
            return driver.run(survey.jobs(), total, still_mine=lambda: lease.compromise is None)


def _plan(survey: SurveyFolder, sample: SampleFiles, note: Callable[[str], None]) -> int:
    defaults = None if sample.defaults is None else read_defaults(sample.defaults)
    table = Path(os.path.realpath(sample.table))
    if not table.exists():
        raise ContractError(sample.table, "no such file")
    before = survey.job_ids()
    jobs = plan_jobs(sample_rows(table, defaults), table.parent, SurrogateShelf(survey.surrogates))
    planned = survey.write_plan(jobs, table)
    if before and (told := changes(before, survey.job_ids())):
        note(told)
    return planned


def room(have: Resources, cpus: float, gpus: float) -> int:
    """Return how many actors with this share fit on the cluster now, at least one."""
    by_cpu = have.cpus / cpus if cpus else float("inf")
    by_gpu = have.gpus / gpus if gpus else float("inf")
    found = min(by_cpu, by_gpu)
    return max(1, int(found)) if found != float("inf") else 1

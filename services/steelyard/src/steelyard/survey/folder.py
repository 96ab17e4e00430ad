"""Folder of a survey: the plan, and one folder per galaxy with its results.

Everything that must outlive a process is stored here, written atomically, and a survey resumes from it alone. On a
cluster the folder is on a file system that every node sees under the same path.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import msgpack
from steelyard_schemas import (
    ContractError,
    JobRecord,
    SurveyJob,
    atomic_path,
    open_file,
    pack,
    read_json,
    read_model,
    read_msgpack,
    safe_member,
    write_model,
)
from steelyard_schemas.ingredients import NukerStars

from steelyard.data.stamps import data_stamp
from steelyard.survey.identity import JobKeys
from steelyard.survey.sample import Cell, SampleRow
from steelyard.survey.surrogates import SurrogateShelf

__all__ = ["PlannedJob", "SurveyFolder", "changes", "plan_jobs"]

PLAN_VERSION = 1
PLANNED = [str, str, str, str, dict, bytes]
"""Field types of a planned job."""
AGAIN = "plan again with `steelyard survey run`"
REPLANNING_S = 1.0
MOST_PROBLEMS = 50
MOST_NAMES = 5
LONGEST_NAME = 80
"""Maximum number of characters of a galaxy's name in its folder name."""


class PlannedJob(NamedTuple):
    """One job of a survey's plan."""

    job_id: str
    """Hash that identifies the job."""
    name: str
    """Name of the galaxy."""
    output: str
    """Name of its folder."""
    shape: str
    """Key of the array shapes; jobs with equal keys share compiled code."""
    columns: dict[str, Cell]
    """Further columns of the sample."""
    message: bytes
    """Packed `SurveyJob`, which the driver forwards unopened."""


class SurveyFolder:
    """Paths of a survey, its plan and the records of its jobs."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.about = self.path / "survey.json"
        self.plan = self.path / "plan.msgpack"
        self.lock = self.path / "driver.lock"
        self.report = self.path / "report.html"
        self.compiled = self.path / "compiled"
        self.surrogates = self.path / "surrogates"
        self._checked: tuple[int, int, int] | None = None

    def job_folder(self, output: str) -> Path:
        """Return the folder with one galaxy's posterior, checkpoint, status and record."""
        return safe_member(self.path / "galaxies", output)

    def write_plan(self, jobs: Iterable[PlannedJob], sample: Path) -> int:
        """Replace the plan, with jobs ordered by shape; return their number."""
        self.path.mkdir(parents=True, exist_ok=True)
        places: list[tuple[str, int, int]] = []
        # Jobs are spooled to a file, so that only their positions are in memory for sorting.
        with (
            TemporaryFile(dir=self.path) as spool,
            atomic_path(self.plan, overwrite=True) as temporary,
            temporary.open("wb") as file,
        ):
            for job in jobs:
                places.append((sys.intern(job.shape), spool.tell(), spool.write(msgpack.packb(tuple(job)))))
            digest = hashlib.sha256()
            for _, start, size in sorted(places):
                spool.seek(start)
                job_bytes = spool.read(size)
                digest.update(job_bytes)
                file.write(job_bytes)
        about = {
            "survey": PLAN_VERSION,
            "sample": sample.name,
            # Relative, so that both can move together.
            "data_folder": os.path.relpath(sample.parent, self.path),
            "jobs": len(places),
            "plan_sha256": digest.hexdigest(),
            "planned_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with atomic_path(self.about, overwrite=True) as temporary:
            temporary.write_text(json.dumps(about, indent=2) + "\n")
        return len(places)

    def jobs(self) -> Iterator[PlannedJob]:
        """Yield the planned jobs, reading them one by one to save memory.

        Raises:
            ContractError: the plan is missing or altered.

        """
        self._check_plan()
        for fields in read_msgpack(self.plan, advice=AGAIN):
            if not isinstance(fields, list) or [type(field) for field in fields] != PLANNED:
                raise ContractError(self.plan, f"contains something other than jobs; {AGAIN}")
            yield PlannedJob(*fields)

    def _check_plan(self) -> None:
        """Check the plan against survey.json, once per plan because it is as long as the sample."""
        try:
            facts = os.stat(self.plan)
        except OSError as error:
            raise ContractError(self.plan, f"cannot be read ({error.strerror}): {AGAIN}") from error
        seen = (facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if seen == self._checked:
            return
        if not self._plan_is_whole():
            time.sleep(REPLANNING_S)  # a driver replaces first the plan, then survey.json
            if not self._plan_is_whole():
                raise ContractError(
                    self.plan,
                    f"is truncated or altered: it is not the plan of {self.n_jobs} galaxies made here: {AGAIN}",
                )
        self._checked = seen

    def _plan_is_whole(self) -> bool:
        about = self._about()
        if "plan_sha256" in about:
            with open_file(self.plan) as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == about["plan_sha256"]
        # A survey planned before hashes were stored.
        return sum(1 for _ in read_msgpack(self.plan, advice=AGAIN)) == about["jobs"]

    def job_ids(self) -> dict[str, str]:
        """Return the job id of each planned galaxy by name; empty without a valid plan."""
        try:
            return {job.name: job.job_id for job in self.jobs()}
        except ContractError:
            return {}

    @property
    def n_jobs(self) -> int:
        """Number of planned jobs."""
        return self._about()["jobs"]

    @property
    def data_folder(self) -> Path:
        """Folder where the relative data paths of the sample start."""
        return self.path / self._about()["data_folder"]

    def record(self, output: str) -> JobRecord | None:
        """Return the record of a finished job, else None.

        Raises:
            ContractError: the record is damaged.

        """
        path = self.record_path(output)
        return read_model(path, JobRecord) if path.exists() else None

    def record_or_reason(self, output: str) -> tuple[JobRecord | None, str]:
        """Return the record, or the reason why it cannot be read: one damaged record must not hide the others."""
        try:
            return self.record(output), ""
        except ContractError as error:
            return None, f"its record is damaged ({error}): the next run repeats the job"

    def record_path(self, output: str) -> Path:
        """Return the path of a job's record."""
        return self.job_folder(output) / "record.json"

    def write_record(self, output: str, record: JobRecord) -> None:
        """Write a job's record, replacing an earlier one."""
        write_model(self.record_path(output), record, overwrite=True)

    def is_finished(self, job: PlannedJob) -> bool:
        """Whether the job with this identity has a posterior; failed jobs are retried by the next run."""
        try:
            known = read_json(self.record_path(job.output))
        except ContractError:
            return False
        return known.get("job_id") == job.job_id and known.get("status") in ("converged", "not_converged")

    def _about(self) -> dict[str, Any]:
        if not self.about.exists():
            raise ContractError(self.path, "holds no survey: start one with `steelyard survey run`")
        about = read_json(self.about, advice=AGAIN)
        if about.get("survey") != PLAN_VERSION:
            raise ContractError(
                self.about, f"was planned by another version ({about.get('survey')!r}): plan it again"
            )
        if not isinstance(about.get("jobs"), int) or not isinstance(about.get("data_folder"), str):
            raise ContractError(self.about, f"lacks the number of jobs or the data folder; {AGAIN}")
        return about


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Describe in one line how a sample differs from the earlier plan; empty if it does not.

    Args:
        before: job id of each galaxy by name in the earlier plan.
        after: the same in the new plan.

    """
    new, gone = after.keys() - before.keys(), before.keys() - after.keys()
    changed = {name for name in after.keys() & before.keys() if after[name] != before[name]}
    parts = [
        (changed, "changed in row, data or surrogate"),
        (new, "new"),
        (gone, "no longer in the sample: their folders are kept, the report omits them"),
    ]
    told = [f"{len(names)} {what} ({_some(names)})" for names, what in parts if names]
    return f"the sample differs from the earlier plan: {'; '.join(told)}" if told else ""


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:MOST_NAMES]
    more = len(names) - len(shown)
    return ", ".join(name[:LONGEST_NAME] for name in shown) + (f" and {more} more" if more else "")


def plan_jobs(rows: Iterable[SampleRow], data_folder: Path, shelf: SurrogateShelf) -> Iterator[PlannedJob]:
    """Convert the rows of a sample to jobs.

    Raises:
        ContractError: any row has problems (duplicate names included); raised after the last row, listing them all.

    """
    problems: list[str] = []
    seen: dict[str, int] = {}
    for row in rows:
        problems += row.problems
        if row.galaxy is None:
            continue
        first = seen.setdefault(row.galaxy.name, row.number)
        if first != row.number:
            problems.append(f"row {row.number}, column 'name': '{row.galaxy.name}' is the name of row {first} too")
            continue
        try:
            yield _planned(row, data_folder, shelf)
        except ContractError as error:
            problems += [f"row {row.number} ({row.galaxy.name}): {problem}" for problem in error.problems]
    if problems:
        more = len(problems) - MOST_PROBLEMS
        shown = problems[:MOST_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
        raise ContractError("sample", shown)


def _planned(row: SampleRow, data_folder: Path, shelf: SurrogateShelf) -> PlannedJob:
    galaxy = row.galaxy
    assert galaxy is not None
    surrogate = None
    if isinstance(galaxy.stars, NukerStars):
        resolved = shelf.resolve(galaxy.stars.surrogate)
        surrogate = resolved.hash
        stars = galaxy.stars.model_copy(update={"surrogate": resolved.name})
        galaxy = galaxy.model_copy(update={"stars": stars})
    keys = JobKeys(galaxy, data_stamp(data_folder / galaxy.data.path), surrogate)
    # The hash separates the results of a galaxy whose row was changed from the earlier ones.
    output = f"{re.sub(r'[^A-Za-z0-9.+-]+', '_', galaxy.name)[:LONGEST_NAME]}-{keys.fit[:10]}"
    job = SurveyJob(job_id=keys.job, galaxy=galaxy, output=output)
    return PlannedJob(keys.job, galaxy.name, output, _shape(job), row.columns, pack(job))


def _shape(job: SurveyJob) -> str:
    """Key of the array shapes of a fit, as far as the galaxy file determines them."""
    galaxy = job.galaxy
    sampled = [name for name, prior in galaxy.priors if prior is None or prior.kind != "fixed"]
    parts = [type(galaxy.stars).__name__, galaxy.disc, galaxy.mass, galaxy.data.grid, galaxy.likelihood.kind]
    return json.dumps([str(part) for part in parts] + sampled + [galaxy.sampler.n_chains])

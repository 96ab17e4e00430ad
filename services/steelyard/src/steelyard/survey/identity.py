"""Identity of jobs: a hash of the galaxy file, its data and the surrogate."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from steelyard_schemas import Galaxy, content_hash, is_store, job_identity, read_manifest
from steelyard_schemas.store import Store, StoreContract

__all__ = ["JobKeys", "data_stamp", "draws_hash"]


class JobKeys:
    """Two hashes of one job.

    `fit` covers everything that determines the draws, `job` also the sampling budget. A job with a larger budget is a
    different job but the same fit, which continues in the same folder.
    """

    def __init__(self, galaxy: Galaxy, data: str, surrogate: str | None) -> None:
        self.fit = job_identity(galaxy, data, surrogate)
        effort = galaxy.sampler.model_dump(mode="json", include={"max_steps", "target_ess", "max_rhat"})
        self.job = hashlib.sha256(json.dumps([self.fit, effort], sort_keys=True).encode()).hexdigest()


def data_stamp(path: Path) -> str:
    """Identify a data set without reading it: a store by its hash, others by file sizes and modification times.

    A survey may plan a hundred thousand of them. Touching a Measurement Set changes its identity, which costs a new
    fit; a change goes unnoticed only if the modification times are restored deliberately.
    """
    if not path.exists():
        return "missing"
    if is_store(path) and (found := read_manifest(path).get("content_hash")):
        return str(found)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    facts = [(p.relative_to(path).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in files]
    return "files:" + hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def draws_hash[M: StoreContract](store: Store[M]) -> str:
    """Return the hash of a store's arrays alone, equal for every run of a job, interrupted or not."""
    return content_hash({}, store.arrays)

"""Identity of jobs: a hash of the galaxy file, its data and the surrogate."""

from __future__ import annotations

import hashlib
import json

from steelyard_schemas import Galaxy, content_hash, job_identity
from steelyard_schemas.store import Store, StoreContract

__all__ = ["JobKeys", "draws_hash"]


class JobKeys:
    """Two hashes of one job.

    `fit` covers everything that determines the draws, `job` also the sampling budget. A job with a larger budget is a
    different job but the same fit, which continues in the same folder.
    """

    def __init__(self, galaxy: Galaxy, data: str, surrogate: str | None) -> None:
        self.fit = job_identity(galaxy, data, surrogate)
        effort = galaxy.sampler.model_dump(mode="json", include={"max_steps", "target_ess", "max_rhat"})
        self.job = hashlib.sha256(json.dumps([self.fit, effort], sort_keys=True).encode()).hexdigest()


def draws_hash[M: StoreContract](store: Store[M]) -> str:
    """Return the hash of a store's arrays alone, equal for every run of a job, interrupted or not."""
    return content_hash({}, store.arrays)

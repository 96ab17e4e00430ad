"""Training of a surrogate ensemble on Ray; `nuker-surrogate train --workers` finds it by entry point."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard_schemas import TrainingJob, TrainingRecord, pack, unpack

from steelyard.cluster.run import Cluster, room
from steelyard.cluster.session import ray_session
from steelyard.survey.status import read_status

if TYPE_CHECKING:
    from nuker_surrogate.progress import Advance
    from nuker_surrogate.training.ensemble import Trainer

__all__ = ["on_ray"]


def on_ray(workers: int | None, address: str | None) -> Trainer:
    """Return a function that trains ensembles on Ray.

    Args:
        workers: number of members trained at a time, each on one core or a share of a GPU; None for as many as fit.
        address: address of a Ray cluster, whose nodes must see the folder under the same path; None for this
            machine.

    """

    def train(folder: Path, jobs: Sequence[TrainingJob], advance: Advance) -> Iterator[TrainingRecord]:
        yield from _train(folder.resolve(), jobs, advance, Cluster(address, workers))

    return train


def _train(folder: Path, jobs: Sequence[TrainingJob], advance: Advance, cluster: Cluster) -> Iterator[TrainingRecord]:
    with ray_session(cluster.address) as have:
        # The session imports Ray after setting the environment that Ray reads on import.
        from steelyard.cluster.dispatch import Answered, Broke, Dispatch, Lost, Tick
        from steelyard.cluster.pool import Pool, Share
        from steelyard.cluster.trainer import SurrogateTrainer

        fit = room(have, cluster.cpus_per_worker, 1.0 if have.gpus else 0.0)
        size = min(cluster.workers or fit, len(jobs))
        share = Share(cluster.cpus_per_worker, 1.0 / math.ceil(size / have.gpus) if have.gpus else 0.0)
        pool = Pool(size, share, SurrogateTrainer, str(folder))
        for event in Dispatch[TrainingJob](pool, pack, cluster.attempts).run(iter(jobs)):
            match event:
                case Answered(_, message):
                    yield unpack(message, TrainingRecord)
                case Broke(job, _, reason):
                    yield _failed(job, reason)
                case Lost(job, attempt, reason, again):
                    fate = "another worker continues" if again else "given up"
                    advance(f"{job.name}: lost", attempt, attempt, f"{reason}; {fate}")
                    if not again:
                        yield _failed(job, f"{attempt} workers were lost: {reason}")
                case Tick():
                    for at in read_status(folder / job.name for job in jobs):
                        advance(f"{at.name}: {at.stage}", at.step or 0, at.total or 1, "")
                case _:
                    pass


def _failed(job: TrainingJob, reason: str) -> TrainingRecord:
    return TrainingRecord(name=job.name, job=job.identity, reason=reason)

"""Actor that trains members of an ensemble of surrogates."""

from __future__ import annotations

from pathlib import Path

from steelyard_schemas import TrainingJob, pack, unpack

from steelyard.survey.status import STATUS_FILE, StatusWriter, worker_name

__all__ = ["SurrogateTrainer"]


class SurrogateTrainer:
    """Trains one member after the other; jobs and records pass as msgpack contracts.

    A plain Python class; the driver turns it into a Ray actor.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def ready(self) -> str:
        """Return the name of the process once it has started."""
        return worker_name()

    def run(self, message: bytes, attempt: int) -> bytes:
        """Run one packed `TrainingJob`, from its checkpoint if any; return its packed `TrainingRecord`."""
        del attempt  # the checkpoint records the progress of earlier attempts
        from nuker_surrogate.training.ensemble import train_member

        job = unpack(message, TrainingJob)
        status = StatusWriter(self._folder / job.name / STATUS_FILE, job.name)

        def tell(stage: str, done: int, total: int, loss: float | None, held_out: float | None) -> None:
            del loss, held_out
            status.step(stage, done, total)

        try:
            return pack(train_member(self._folder, job, tell))
        finally:
            status.close()

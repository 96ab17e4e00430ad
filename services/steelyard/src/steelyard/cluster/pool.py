"""Pool of actors: dead actors are replaced, and none gets a job before it has started."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
from steelyard_schemas import ContractError

from steelyard.process import process_environment

__all__ = ["Pool", "Share", "why_lost"]

GPU_MEMORY = 0.9
"""Fraction of a GPU's memory for XLA in total; the rest is left for CUDA contexts."""
MOST_FAILED_STARTS = 3
FORWARDED = ("STEELYARD_SURROGATES", "JAX_COMPILATION_CACHE_DIR", "JAX_PLATFORMS")


@dataclass(frozen=True)
class Share:
    """Share of a node's CPUs and GPUs for one actor."""

    cpus: float = 1.0
    gpus: float = 0.0

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that keep XLA within the share and configure the actor's process."""
        cores = max(1, int(self.cpus))
        threads = str(cores)
        found = {name: os.environ[name] for name in FORWARDED if name in os.environ}
        found |= process_environment(cores)
        found |= {"NPROC": threads, "PJRT_NPROC": threads, "OMP_NUM_THREADS": threads}
        if self.gpus:
            found["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{GPU_MEMORY * min(1.0, self.gpus):.3f}"
        return found


class Pool:
    """Holds starting and idle actors; `Dispatch` holds those at work.

    Args:
        size: number of actors.
        share: share of a node per actor.
        actor: class with `ready()` and `run(message, attempt)`, which returns a message.
        arguments: arguments of its constructor.

    """

    def __init__(self, size: int, share: Share, actor: type, *arguments: object) -> None:
        self._actor = ray.remote(actor).options(
            num_cpus=share.cpus,
            num_gpus=share.gpus,
            max_restarts=0,  # lost actors are replaced here, where their job is known
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": share.environment},
        )
        # Stored once: each node gets one copy from the object store.
        self._arguments = tuple(ray.put(argument) for argument in arguments)
        self.starting: dict[Any, Any] = {}
        self.idle: list[Any] = []
        self.size = 0
        self.lost = 0
        self._failed_starts = 0
        self.grow(size)

    def grow(self, size: int) -> None:
        """Start actors until there are `size`, including those at work; the pool never shrinks."""
        while self.size < size:
            self.size += 1
            self._start()

    def _start(self) -> None:
        actor = self._actor.remote(*self._arguments)
        self.starting[actor.ready.remote()] = actor

    def arrived(self, ref: Any) -> None:
        """Register an actor whose `ready` call has returned.

        Raises:
            ContractError: actors repeatedly fail to start.

        """
        actor = self.starting.pop(ref)
        try:
            ray.get(ref)
        except ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts >= MOST_FAILED_STARTS:
                raise ContractError("workers", f"cannot be started: {why_lost(error)}") from error
            self.replace(actor)
            return
        self._failed_starts = 0
        self.idle.append(actor)

    def replace(self, actor: Any) -> None:
        """Kill an actor and start another wherever there is room."""
        self.lost += 1
        with suppress(Exception):
            ray.kill(actor)
        self._start()

    def close(self) -> None:
        """Kill all actors that are not at work."""
        for actor in (*self.idle, *self.starting.values()):
            with suppress(Exception):
                ray.kill(actor)


def why_lost(error: BaseException) -> str:
    """Extract the cause from Ray's message about a lost actor."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    skipped = ("class_name:", "actor_id:", "namespace:", "pid:", "name:", "ip:", "The actor died unexpectedly")
    told = [line for line in lines if not line.startswith(skipped)] or lines or [type(error).__name__]
    return " ".join(told)[:400]

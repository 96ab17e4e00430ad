"""Ray sessions: start Ray on this machine or join a cluster."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from steelyard_schemas import ContractError

from steelyard.cluster.token import own_environment, private_token

__all__ = ["Resources", "ray_session", "resources"]

# Messages take kilobytes and surrogates megabytes; by default Ray would reserve a third of the memory.
OBJECT_STORE_BYTES = 128 * 2**20

# Ray reads these on import, so they must be set before.
ALWAYS = {
    # Otherwise a driver started by `uv run` makes each node rebuild the environment.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # Otherwise Ray sets CUDA_VISIBLE_DEVICES="" for actors without GPUs and hides the devices from JAX.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
LOCALLY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # The default on macOS: all ports on the loopback interface, none open to the network.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


class Resources(NamedTuple):
    """Resources of a cluster."""

    cpus: float
    gpus: float
    nodes: int
    token: Path | None = None
    """File with the token of a local Ray and its dashboard."""


def resources() -> Resources:
    """Return the current resources of this session's cluster; nodes join and leave."""
    import ray

    have = ray.cluster_resources()
    alive = sum(bool(node["Alive"]) for node in ray.nodes())
    return Resources(have.get("CPU", 0.0), have.get("GPU", 0.0), alive)


@contextmanager
def ray_session(
    address: str | None = None, *, cpus: int | None = None, dashboard: bool = False
) -> Iterator[Resources]:
    """Join the cluster at `address` (or at RAY_ADDRESS, as under `ray job submit`), or start Ray here.

    A local Ray requires a token known only to this session. A cluster has its own rules, for which the user's
    `RAY_AUTH_*` variables apply. The environment is restored at the end.

    Args:
        address: `ray://host:10001`, `host:6379` or `auto`.
        cpus: number of CPUs for a local Ray; all by default.
        dashboard: whether a local Ray serves its dashboard, on the loopback interface.

    Raises:
        ContractError: Ray is not installed, or does not answer at that address.

    """
    address = address or os.environ.get("RAY_ADDRESS") or None
    with ExitStack() as held:
        held.enter_context(own_environment())
        for name, value in {**ALWAYS, **({} if address else LOCALLY)}.items():
            os.environ.setdefault(name, value)
        token = None if address else held.enter_context(private_token())
        ray = _import_ray()
        held.enter_context(_own_sigterm())
        held.callback(ray.shutdown)
        with _own_sigterm():
            _connect(address, cpus, dashboard=dashboard)
        # Ray reports lost workers on standard output, which is reserved for results.
        held.enter_context(redirect_stdout(sys.stderr))
        yield resources()._replace(token=token)


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Preserve the SIGTERM handler: Ray installs its own on start, which ends a command with code 15."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _import_ray() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise ContractError(
            "ray", "is not installed: surveys and parallel training need steelyard[survey]"
        ) from error
    return ray


def _connect(address: str | None, cpus: int | None, *, dashboard: bool) -> None:
    import ray

    quiet = {"log_to_driver": False, "logging_level": "error", "namespace": "steelyard"}
    try:
        if address:
            ray.init(address=address, **quiet)
        else:
            ray.init(
                address="local",  # otherwise Ray joins any cluster of this user on this machine
                num_cpus=cpus,
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=dashboard,
                dashboard_host="127.0.0.1",
                **quiet,
            )
    except Exception as error:  # Ray raises a bare Exception if its processes are slow to start
        where = f"reach the cluster at {address}" if address else "start a local Ray"
        raise ContractError("ray", f"cannot {where}: {' '.join(str(error).split())}") from error

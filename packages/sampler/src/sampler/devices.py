"""Distribution of chains over JAX's devices: several GPUs, or the parts into which a CPU is divided.

Chains share only the few numbers that tune them, so each device advances its part of the chains alone.
`jax_num_cpu_devices` divides a CPU: chains side by side keep many cores busier than one chain after the other, each
spread over all cores, because not all of a density's work can be spread.
"""

import os
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

__all__ = ["devices_are_cores", "on_chain_devices", "over_chains"]

_AXIS = "chain"


def over_chains(function: Callable[..., Any], in_axes: tuple[int | None, ...]) -> Callable[..., Any]:
    """Map a function over chains as `jax.vmap` does, those of one device together and devices side by side.

    The largest number of devices that divides the chains evenly is used. Draws with one seed agree bit for bit
    between runs on the same number.

    Args:
        function: function of one chain; must not close over traced values.
        in_axes: for each argument, 0 if its leading axis is that of the chains, None if all chains share it.

    Returns:
        Function of all chains; its results have the chains along their leading axis.

    """
    mapped = jax.vmap(function, in_axes)

    def of_all(*args: Any) -> Any:
        n_chains = next(len(jax.tree.leaves(arg)[0]) for arg, axis in zip(args, in_axes, strict=True) if axis == 0)
        devices = _share(n_chains)
        if len(devices) == 1:
            return mapped(*args)
        chains, shared = PartitionSpec(_AXIS), PartitionSpec()
        return jax.shard_map(
            mapped,
            mesh=_mesh(devices),
            in_specs=tuple(shared if axis is None else chains for axis in in_axes),
            out_specs=chains,
            check_vma=False,  # chains are independent
        )(*args)

    return of_all


def on_chain_devices(args: Any, n_chains: int) -> Any:
    """Copy the arrays of `args`, a pytree shared by all chains, to their devices once and not in every call."""
    devices = _share(n_chains)
    if len(devices) == 1:
        return args
    everywhere = NamedSharding(_mesh(devices), PartitionSpec())
    return jax.tree.map(lambda leaf: jax.device_put(leaf, everywhere) if isinstance(leaf, jax.Array) else leaf, args)


def devices_are_cores() -> bool:
    """Return whether every JAX device is a single CPU core, so that no evaluation can be spread over cores."""
    return jax.default_backend() == "cpu" and jax.local_device_count() >= _n_cores()


def _n_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _mesh(devices: list[jax.Device]) -> Mesh:
    return Mesh(np.array(devices), _AXIS)


def _share(n_chains: int) -> list[jax.Device]:
    """Devices of this process that each take the same number of chains."""
    devices = jax.local_devices()
    most = max(n for n in range(1, len(devices) + 1) if n_chains % n == 0)
    return devices[:most]

"""Sampling a log-density: start or resume, choose the kernels, drive them."""

import os
from typing import Any

from jax.typing import ArrayLike

from sampler.approximate import delayed_acceptance
from sampler.approximate.approximate_warmup import approximate_warmup, tuning_config
from sampler.chains import mala
from sampler.chains.adaptation import window_ends
from sampler.chains.checkpoint import CheckpointFile
from sampler.chains.config import MalaConfig
from sampler.chains.driver import drive
from sampler.chains.result import SamplingResult
from sampler.chains.start import initial_state
from sampler.chains.state import DELAYED_ACCEPTANCE, MALA, Kernel
from sampler.chains.stopping import FIRST_CHECK
from sampler.density import Approximation, LogDensity, Monitor
from sampler.devices import on_chain_devices
from sampler.mode.search import Mode
from sampler.progress import ProgressCallback

_FIRST_CHECK_OF_JUMPS = 100
_STEPS_PER_MALA_STEP = 5  # with an approximation the others are jumps, which need no gradient


def sample(
    log_density: LogDensity,
    init: Mode | ArrayLike,
    config: MalaConfig | None = None,
    *,
    args: tuple[Any, ...] = (),
    approximation: Approximation | None = None,
    monitor: Monitor | None = None,
    progress: ProgressCallback | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    fingerprint: str = "",
) -> SamplingResult:
    """Sample a log-density by preconditioned MALA until it has converged or the budget is spent.

    With an approximation that is much cheaper than the density, a pilot run samples the approximation first. It
    provides starting points, preconditioner and step size, so that only a short tuning remains, and refines the
    approximation where it is poor. Four in five steps are then jumps (delayed acceptance): a chain on the
    approximation, about as long as its autocorrelation time, proposes; the density itself accepts or rejects. The
    draws follow the density whatever the approximation; only the effective sample size depends on it.

    A run interrupted by any exception, Ctrl-C included, saves its checkpoint and raises the exception again; the
    same call with the same checkpoint file resumes it and ends with the same draws, bit for bit.

    Args:
        log_density: `log_density(z, *args)`, scalar, differentiable by JAX. Points where value or gradient
            are not finite are rejected.
        init: from `find_mode` (its curvature is the first preconditioner), or unconstrained points: (dim,)
            near the mode, or (n_chains, dim). Their dtype is the one the chains work in. Not used when a
            checkpoint is resumed.
        config: settings; `MalaConfig()` if None.
        args: further arguments of the density; traced, so that new data of the same shapes compile nothing.
        approximation: cheap approximation of the density, up to a constant.
        monitor: quantities whose R-hat and ESS decide on convergence; z itself by default.
        progress: called after every block.
        checkpoint: file to save to and to resume from; none by default.
        fingerprint: identifies data and model; a checkpoint with another one is refused.

    Raises:
        ValueError: if the start has no finite density, the checkpoint is damaged or belongs to another run or
            density, or a block is too short for jumps.
    """
    config = config or MalaConfig()
    if approximation is not None and config.block < 2:
        raise ValueError(
            f"block = {config.block}: with an approximation it must be at least 2, for jumps and for MALA steps"
        )
    settings = config if approximation is None else tuning_config(config)
    args = on_chain_devices(args, settings.n_chains)
    names = frozenset({MALA} if approximation is None else {MALA, DELAYED_ACCEPTANCE})
    file = None if checkpoint is None else CheckpointFile(checkpoint, fingerprint, settings.identity, names)
    state = None if file is None else file.load()
    if file is not None and state is not None:
        file.require_same_density(state, log_density, args)
    elif approximation is None:
        state = initial_state(log_density, init, settings, args)
    else:
        state, approximation = approximate_warmup(log_density, approximation, init, config, args, monitor, progress)
    assert state is not None
    return drive(
        _kernels(log_density, args, approximation, settings),
        state,
        settings,
        monitor=monitor,
        progress=progress,
        checkpoint=file,
        first_check=FIRST_CHECK if approximation is None else _FIRST_CHECK_OF_JUMPS,
    )


def _kernels(
    log_density: LogDensity, args: tuple[Any, ...], approximation: Approximation | None, settings: MalaConfig
) -> list[Kernel]:
    """MALA alone, or jumps by the approximation and then MALA; their steps add up to a block."""
    warmup = settings.warmup_steps
    if approximation is None:
        windows = frozenset(window_ends(warmup, settings.block))
        return [mala.build_kernel(log_density, args, settings.block, warmup_steps=warmup, windows=windows)]
    approximation = approximation._replace(args=on_chain_devices(approximation.args, settings.n_chains))
    n_mala = max(1, settings.block // _STEPS_PER_MALA_STEP)
    return [
        delayed_acceptance.build_kernel(log_density, args, approximation, settings.block - n_mala),
        # The preconditioner of the pilot stays.
        mala.build_kernel(log_density, args, n_mala, warmup_steps=warmup, windows=frozenset()),
    ]

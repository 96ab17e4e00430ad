"""The whole state of a sampling run, and its file: a .npz of plain arrays, replaced atomically."""

import glob
import hashlib
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

_FORMAT = "sampler-checkpoint-3"


class SamplerState(NamedTuple):
    """Everything that the rest of a run depends on, all NumPy arrays.

    Random numbers come from the seed and the step count, so that no generator state is needed.

    Attributes:
        step: () steps done, warm-up included.
        position: (chain, dim) unconstrained z.
        log_density: (chain,).
        score: (chain, dim) gradients whitened by `factor`.
        factor: (dim, dim) lower-triangular L; the preconditioner is L L^T. float64.
        step_size: (5,) dual-averaging state; entry 0 is log eps.
        fisher: (dim, dim) sum of outer products of scores in the current warm-up window. float64.
        fisher_count: () number of gradients in it.
        acceptance: (chain,) mean acceptance probability of MALA steps, summed over the blocks of sampling. float64.
        jump_acceptance: (chain,) the same of jumps.
        jump: (2,) step size and number of steps of the chain that proposes a jump; zeros without one.
        archive_centre, archive_points, archive_projector: (dim,), (n, dim), (dim, dim) of its archive; n = 0 without.
        seconds: (2,) wall-clock time spent in warm-up and in sampling.
        n_gradients: () gradient evaluations, chains counted singly, the search for the mode included.
        n_jumps: () jumps, each an evaluation of the density without its gradient.
        draws: (draw, chain, dim) kept sampling positions.
        draw_log_density: (draw, chain).
    """

    step: np.ndarray
    position: np.ndarray
    log_density: np.ndarray
    score: np.ndarray
    factor: np.ndarray
    step_size: np.ndarray
    fisher: np.ndarray
    fisher_count: np.ndarray
    acceptance: np.ndarray
    jump_acceptance: np.ndarray
    jump: np.ndarray
    archive_centre: np.ndarray
    archive_points: np.ndarray
    archive_projector: np.ndarray
    seconds: np.ndarray
    n_gradients: np.ndarray
    n_jumps: np.ndarray
    draws: np.ndarray
    draw_log_density: np.ndarray


class Checkpoint(NamedTuple):
    """Contents of a checkpoint file.

    Attributes:
        fingerprint: what the caller said identifies configuration and data.
        config: `MalaConfig.identity` of the run.
        state: the run so far; `state.draws` is readable whatever the phase.
    """

    fingerprint: str
    config: str
    state: SamplerState


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint; a crash at any moment leaves either the old file or the new one."""
    path = Path(path)
    partial = path.with_name(f"{path.name}.{_here()}-{os.getpid()}.partial")
    _sweep(path)
    try:
        with partial.open("wb") as file:
            np.savez(
                file,
                allow_pickle=False,
                format=np.array(_FORMAT),
                fingerprint=np.array(checkpoint.fingerprint),
                config=np.array(checkpoint.config),
                **checkpoint.state._asdict(),
            )
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _here() -> str:
    """Name where a process number means the same process: a host and, in containers, a name space of processes."""
    where = socket.gethostname()
    with suppress(OSError):
        where += os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(where.encode()).hexdigest()[:8]


def _sweep(path: Path) -> None:
    """Remove what killed processes of this machine left of earlier writings."""
    for partial in path.parent.glob(f"{glob.escape(path.name)}.{_here()}-*.partial"):
        number = partial.name.rpartition(".")[0].rpartition("-")[2]
        if number.isdecimal() and not _runs(int(number)):
            partial.unlink(missing_ok=True)


def _runs(process: int) -> bool:
    if os.name == "nt":
        return True  # where asking would end it
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # of another user
    return True


def _sync_folder(path: Path) -> None:
    # Not every system opens folders, and not every file system syncs them.
    with suppress(OSError):
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint file.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the file is damaged or not a checkpoint of this version.
    """
    try:
        # Opened here, because NumPy leaves the file open when it is damaged.
        with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = dict(file)
    except FileNotFoundError:
        raise
    except Exception as error:  # damage shows in zipfile, zlib, struct or NumPy, each with exceptions of its own
        raise ValueError(f"{path}: not a readable checkpoint ({error}); delete it to start afresh") from error
    expected = {"format", "fingerprint", "config", *SamplerState._fields}
    if set(arrays) != expected or str(arrays["format"]) != _FORMAT:
        raise ValueError(f"{path}: not a {_FORMAT} file; delete it to start afresh")
    return Checkpoint(
        str(arrays["fingerprint"]),
        str(arrays["config"]),
        SamplerState(**{name: arrays[name] for name in SamplerState._fields}),
    )

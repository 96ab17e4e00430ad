"""Checkpoints: the whole state of a run in a .npz of plain arrays, replaced atomically."""

import os
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from sampler.chains.atomic_file import replace_file
from sampler.chains.checkpoint_3 import FIELDS_3, FORMAT_3, state_of_3
from sampler.chains.state import DELAYED_ACCEPTANCE, Chains, SamplerState
from sampler.density import LogDensity, evaluate

_FORMAT = "sampler-checkpoint-4"
_HEADER = ("format", "fingerprint", "config")
_NESTED = ("chains", "kernels", "acceptance")
_SAME_DENSITY = 0.1  # of a log-density; programs and machines that round differently stay far below


class Checkpoint(NamedTuple):
    """Contents of a checkpoint file.

    Attributes:
        fingerprint: the caller's identification of model and data.
        config: `MalaConfig.identity` of the run.
        state: the run so far; `state.draws` is readable in any phase.
    """

    fingerprint: str
    config: str
    state: SamplerState


class CheckpointFile(NamedTuple):
    """The file of one run.

    Attributes:
        path: of the file.
        fingerprint: identifies model and data.
        config: `MalaConfig.identity` of the run.
        kernels: names of its kernels.
    """

    path: str | os.PathLike[str]
    fingerprint: str
    config: str
    kernels: frozenset[str]

    def save(self, state: SamplerState) -> None:
        """Replace the file by the state of the run."""
        save_checkpoint(self.path, Checkpoint(self.fingerprint, self.config, state))

    def load(self) -> SamplerState | None:
        """State in the file; None if there is no file.

        Raises:
            ValueError: if the file is damaged or belongs to another model, data set, configuration or set of kernels.
        """
        if not Path(self.path).exists():
            return None
        found = load_checkpoint(self.path)
        if found.fingerprint != self.fingerprint:
            raise ValueError(f"{self.path}: checkpoint of another model or data; delete it or choose another file")
        if found.config != self.config:
            raise ValueError(
                f"{self.path}: checkpoint of another sampler configuration; delete it or restore the settings"
            )
        if self.kernels != set(found.state.kernels):
            which = "with" if DELAYED_ACCEPTANCE in found.state.kernels else "without"
            raise ValueError(
                f"{self.path}: checkpoint of a run {which} an approximation; delete it or resume it {which} one"
            )
        return found.state

    def require_same_density(self, state: SamplerState, log_density: LogDensity, args: tuple[Any, ...]) -> None:
        """Check the log-density where the chains stand.

        Raises:
            ValueError: if it has changed, as after an update of the code that computes it.
        """
        position = state.chains.position
        values, _ = evaluate(log_density, position, args, len(position))
        change = float(np.max(np.abs(values - state.chains.log_density)))
        if not change <= _SAME_DENSITY:
            raise ValueError(
                f"{self.path}: the log-density has changed by {change:.3g} where its chains stand; "
                "delete it to start afresh"
            )


def save_checkpoint(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write a checkpoint; a crash at any moment leaves either the old file or the new one."""

    def write(file: BinaryIO) -> None:
        np.savez(
            file,
            allow_pickle=False,
            format=np.array(_FORMAT),
            fingerprint=np.array(checkpoint.fingerprint),
            config=np.array(checkpoint.config),
            **_flat(checkpoint.state),
        )

    replace_file(Path(path), write)


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint file of this version or the one before.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if the file is damaged or not a checkpoint of these versions.
    """
    try:
        # Opened here, because NumPy leaves the file open when it is damaged.
        with Path(path).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = dict(file)
    except FileNotFoundError:
        raise
    except Exception as error:  # damage shows in zipfile, zlib, struct or NumPy, each with exceptions of its own
        raise ValueError(f"{path}: not a readable checkpoint ({error}); delete it to start afresh") from error
    header = {name: str(arrays.pop(name, "")) for name in _HEADER}
    if header["format"] == FORMAT_3 and set(arrays) == FIELDS_3:
        state = state_of_3(arrays)
    elif header["format"] == _FORMAT and _is_complete(arrays):
        state = _nested(arrays)
    else:
        raise ValueError(f"{path}: not a {_FORMAT} file; delete it to start afresh")
    return Checkpoint(header["fingerprint"], header["config"], state)


def _flat(state: SamplerState) -> dict[str, np.ndarray]:
    """Arrays of a state by dotted name: "step", "chains.score", "kernels.mala.step_size", "acceptance.mala"."""
    plain = {name: array for name, array in state._asdict().items() if name not in _NESTED}
    chains = {f"chains.{name}": array for name, array in state.chains._asdict().items()}
    acceptance = {f"acceptance.{kernel}": array for kernel, array in state.acceptance.items()}
    kernels = {
        f"kernels.{kernel}.{name}": array for kernel, own in state.kernels.items() for name, array in own.items()
    }
    return plain | chains | acceptance | kernels


def _nested(arrays: dict[str, np.ndarray]) -> SamplerState:
    """Inverse of `_flat`."""
    plain = {name: array for name, array in arrays.items() if "." not in name}
    kernels: dict[str, dict[str, np.ndarray]] = {}
    acceptance: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        match name.split("."):
            case ["kernels", kernel, field]:
                kernels.setdefault(kernel, {})[field] = array
            case ["acceptance", kernel]:
                acceptance[kernel] = array
    chains = Chains(*(arrays[f"chains.{name}"] for name in Chains._fields))
    return SamplerState(chains=chains, kernels=kernels, acceptance=acceptance, **plain)


def _is_complete(arrays: dict[str, np.ndarray]) -> bool:
    """Return whether the names are those of a state with at least one kernel."""
    plain = {name for name in arrays if "." not in name}
    chains = {name for name in arrays if name.startswith("chains.")}
    kernels = {name.split(".")[1] for name in arrays if name.startswith("kernels.")}
    acceptance = {name.split(".")[1] for name in arrays if name.startswith("acceptance.")}
    return (
        plain == set(SamplerState._fields) - set(_NESTED)
        and chains == {f"chains.{name}" for name in Chains._fields}
        and kernels == acceptance
        and bool(kernels)
    )

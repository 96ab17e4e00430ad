"""Checkpoint of a training run, from which an interrupted run resumes: one .npz file, replaced atomically."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from steelyard_schemas import read_npz, write_npz

CHECKPOINT = "training.npz"
"""Name of the checkpoint in the folder of an ensemble's member."""
_SECONDS = 10.0  # minimum between two writes of intermediate steps


class StageState(NamedTuple):
    """State of a stage.

    Attributes:
        done: steps or rounds done.
        arrays: arrays from which the stage resumes.
    """

    done: int
    arrays: tuple[np.ndarray, ...]


class Checkpoint:
    """State of every stage of one training run; without a path nothing is kept.

    Args:
        path: the file, or None.
        identity: text that identifies the configuration; a file of another one is refused.

    Raises:
        ValueError: the file is damaged or belongs to another configuration.
    """

    def __init__(self, path: Path | None, identity: str) -> None:
        self.path, self._identity = path, identity
        self._stages: dict[str, StageState] = {}
        self._written, self._unwritten = time.monotonic(), False
        if path is not None and path.exists():
            self._read(path)

    def load(self, stage: str) -> StageState | None:
        """Return the state of a stage, or None if it has not begun."""
        return self._stages.get(stage)

    def save(self, stage: str, done: int, arrays: Sequence[Any], *, final: bool = True) -> None:
        """Record the state of a stage; it is written at once if `final`, else at most every ten seconds."""
        if self.path is None:
            return
        self._stages[stage] = StageState(done, tuple(np.asarray(a) for a in arrays))
        self._unwritten = True
        if final or time.monotonic() - self._written > _SECONDS:
            self.write()

    def write(self) -> None:
        """Write the recorded states to the file if any is new."""
        if self.path is None or not self._unwritten:
            return
        content: dict[str, Any] = {"identity": np.array(self._identity)}
        for name, state in self._stages.items():
            content[f"{name}/done"] = np.array(state.done)
            content |= {f"{name}/{i}": array for i, array in enumerate(state.arrays)}
        write_npz(self.path, content)
        self._written, self._unwritten = time.monotonic(), False

    def _read(self, path: Path) -> None:
        content = read_npz(path, "delete it to start afresh")
        try:
            identity = str(content.pop("identity"))
            for stage in dict.fromkeys(name.split("/")[0] for name in content):
                arrays: list[np.ndarray] = []
                while (part := content.get(f"{stage}/{len(arrays)}")) is not None:
                    arrays.append(part)
                self._stages[stage] = StageState(int(content[f"{stage}/done"]), tuple(arrays))
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path}: not a training in progress ({error}); delete it to start afresh") from error
        if identity != self._identity:
            raise ValueError(f"{path}: a training of another configuration; delete it or restore the settings")

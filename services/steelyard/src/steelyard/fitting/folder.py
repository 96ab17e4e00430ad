"""Folder of one fit: its contents, its owner and what can be resumed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from steelyard_schemas import (
    ContractError,
    Galaxy,
    GriddedVisibilities,
    Posterior,
    Store,
    atomic_path,
    read_json,
    read_npz,
    read_store,
    remove_whole,
    vacant,
    write_npz,
    write_store,
)

from steelyard.fitting.peaks import Peaks
from steelyard.galaxy.accuracy import ChosenSubcells

__all__ = ["RunFolder", "named_folder"]

LONGEST_NAME = 200
"""Maximum length of a folder name [bytes]; file systems allow 255, and temporary names need some of them."""


def named_folder(name: str, base: Path, kind: str) -> Path:
    """Return the folder `<name>-<kind>` below `base`.

    Raises:
        ContractError: the name is too long for a folder.

    """
    folder = f"{name.replace(' ', '_')}-{kind}"
    if len(os.fsencode(folder)) > LONGEST_NAME:
        raise ContractError(f"{name[:40]}...", "is too long a name for a folder: choose a folder with --out")
    return base / folder


class RunFolder:
    """Paths and bookkeeping of one fit's output.

    `run.json` stores the identity of the inputs (galaxy file, data, surrogate), so that only the same fit resumes an
    interrupted one, and the state of the data file from which `gridded.zarr` was made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gridded = path / "gridded.zarr"
        self.checkpoint = path / "checkpoint.npz"
        self.approximation = path / "approximation.npz"
        self.peaks = path / "peaks.npz"
        self.posterior = path / "posterior.zarr"
        self.report = path / "report.html"
        self._run = path / "run.json"

    def clear(self) -> None:
        """Remove an earlier fit but no other files in the folder."""
        # The file that identifies the owner is removed last.
        results = (self.posterior, self.checkpoint, self.approximation, self.peaks, self.report)
        for part in (*results, self.gridded, self._run):
            remove_whole(part)

    def discard(self) -> None:
        """Remove an earlier fit, and the folder itself if it is then empty."""
        self.clear()
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def refuse_another_file(self, galaxy_file: Path, name: str) -> None:
        """Check that a folder chosen by a galaxy's name does not belong to another galaxy file.

        Raises:
            ContractError: it belongs to another galaxy file that still exists.

        """
        try:
            held = self._read().get("galaxy_file")
        except ContractError:
            return  # no valid owner; a later check reports the problem
        if held is None:
            return
        other = (self.path / str(held)).resolve()
        if other != galaxy_file.resolve() and other.exists():
            raise ContractError(
                self.path,
                f"belongs to {other}, whose galaxy is also named '{name}': choose another folder with --out, or "
                "another name",
            )

    def keep_galaxy_file(self, galaxy_file: Path) -> None:
        """Store the galaxy file that owns this folder, as a relative path so that both can move together."""
        self._update(galaxy_file=os.path.relpath(galaxy_file.resolve(), self.path.resolve()))

    def claim(self, identity: str) -> None:
        """Claim the folder for the inputs with this identity.

        Raises:
            ContractError: the folder contains chains of other inputs.

        """
        held = self._read().get("identity")
        if held not in (None, identity) and self.is_begun:
            raise ContractError(
                self.path,
                "holds a fit of other inputs (galaxy file, data or surrogate differ): choose another --out, or "
                "discard that fit with --restart",
            )
        self._update(identity=identity)

    @property
    def is_begun(self) -> bool:
        """Whether the folder contains chains or results."""
        return self.checkpoint.exists() or not vacant(self.posterior)

    def load_gridded(self, stamp: str | None) -> Store[GriddedVisibilities] | None:
        """Return the gridded data made earlier from a source with this stamp, if any.

        Without a source (None), return the data with which a fit was begun; `claim` verifies their identity.
        """
        known = self.is_begun if stamp is None else self._read().get("source") == stamp
        if not known or vacant(self.gridded):
            return None
        return read_store(self.gridded, GriddedVisibilities)

    def save_gridded(self, data: Store[GriddedVisibilities], stamp: str) -> None:
        """Store gridded data for resuming and for the report."""
        write_store(self.gridded, data, overwrite=True)
        self._update(source=stamp)

    def save_approximation(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Store the arrays of the likelihood expansion, which a resumed run needs to be identical."""
        write_npz(self.approximation, arrays)

    def load_approximation(self) -> dict[str, np.ndarray]:
        """Return the arrays stored by `save_approximation`.

        Raises:
            ContractError: the file is missing or damaged.

        """
        return read_npz(self.approximation, "use --restart")

    def save_peaks(self, peaks: Peaks | None) -> None:
        """Store the peaks that the mode search found, by which the posterior is judged; None if there is only one."""
        if peaks is None:
            remove_whole(self.peaks)  # of a search that was interrupted
        else:
            write_npz(self.peaks, peaks._asdict())

    def load_peaks(self) -> Peaks | None:
        """Return the peaks stored by `save_peaks`, if any.

        Raises:
            ContractError: the file is damaged.

        """
        if not self.peaks.exists():
            return None
        arrays = read_npz(self.peaks, "use --restart")
        if arrays.keys() != set(Peaks._fields):
            raise ContractError(self.peaks, f"holds {', '.join(sorted(arrays)) or 'no array'}; use --restart")
        return Peaks(**arrays)

    def finished(self, galaxy: Galaxy) -> Store[Posterior] | None:
        """Return the posterior if it is complete and made with the same settings."""
        if vacant(self.posterior):
            return None
        store = read_store(self.posterior, Posterior)
        return store if store.manifest.complete and store.manifest.galaxy == galaxy else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of the mode search."""
        return tuple(map(str, self._read().get("warnings") or ()))

    def keep_warnings(self, warnings: tuple[str, ...]) -> None:
        """Store the warnings of the mode search."""
        self._update(warnings=list(warnings))

    @property
    def subcells(self) -> ChosenSubcells:
        """Subcells of the model that the chains use.

        Raises:
            ContractError: run.json is damaged.
        """
        kept = self._read().get("subcells", {"subcells": "standard"})
        try:
            return ChosenSubcells(**kept)
        except TypeError as error:
            raise ContractError(self._run, f"is damaged ({error}); use --restart") from error

    def keep_subcells(self, chosen: ChosenSubcells) -> None:
        """Store the subcells that the chains use."""
        self._update(subcells=chosen._asdict())

    def _read(self) -> dict[str, Any]:
        if not self._run.exists():
            return {}
        return read_json(self._run, advice="use --restart")

    def _update(self, **fields: Any) -> None:
        state = self._read() | fields
        with atomic_path(self._run, overwrite=True) as temporary:
            temporary.write_text(json.dumps(state, indent=2) + "\n")

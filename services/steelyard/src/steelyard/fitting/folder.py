"""The folder of one fit: what is in it, whose it is, and what can be taken up again."""

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

from steelyard.galaxy.accuracy import ChosenSubcells

__all__ = ["RunFolder", "named_folder"]

LONGEST_NAME = 200
"""Bytes of a folder's name; file systems allow 255, some of them for temporary names beside it."""


def named_folder(name: str, base: Path, kind: str) -> Path:
    """Return the folder `<name>-<kind>` below `base`.

    Raises:
        ContractError: the name is too long for a folder.

    """
    folder = f"{name.replace(' ', '_')}-{kind}"
    if len(os.fsencode(folder)) > LONGEST_NAME:
        raise ContractError(f"{name[:40]}...", "is too long a name for a folder: give one by --out")
    return base / folder


class RunFolder:
    """Paths and bookkeeping of one fit's output.

    `run.json` remembers the identity of the inputs (galaxy file, data, surrogate), so that an interrupted fit is
    taken up only by the same fit, and the state of the data file that `gridded.zarr` was made from.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gridded = path / "gridded.zarr"
        self.checkpoint = path / "checkpoint.npz"
        self.approximation = path / "approximation.npz"
        self.posterior = path / "posterior.zarr"
        self.report = path / "report.html"
        self._run = path / "run.json"

    def clear(self) -> None:
        """Remove an earlier fit, and nothing else that may lie in the folder."""
        # What says whose the rest is goes last.
        for part in (self.posterior, self.checkpoint, self.approximation, self.report, self.gridded, self._run):
            remove_whole(part)

    def discard(self) -> None:
        """Remove an earlier fit, and the folder too if nothing else lies in it."""
        self.clear()
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()

    def refuse_another_file(self, galaxy_file: Path, name: str) -> None:
        """Check that a folder found by a galaxy's name is not that of another galaxy file of the same name.

        Raises:
            ContractError: it is, and that file is still there.

        """
        try:
            held = self._read().get("galaxy_file")
        except ContractError:
            return  # nobody's; what is to be done about it is said later
        if held is None:
            return
        other = (self.path / str(held)).resolve()
        if other != galaxy_file.resolve() and other.exists():
            raise ContractError(
                self.path,
                f"belongs to {other}, whose galaxy has the name '{name}' too: give this one a folder of its own by "
                "--out, or another name",
            )

    def keep_galaxy_file(self, galaxy_file: Path) -> None:
        """Remember whose folder this is; relative, so that both may move together."""
        self._update(galaxy_file=os.path.relpath(galaxy_file.resolve(), self.path.resolve()))

    def claim(self, identity: str) -> None:
        """Make the folder that of `identity`.

        Raises:
            ContractError: it holds chains of other inputs.

        """
        held = self._read().get("identity")
        if held not in (None, identity) and self.is_begun:
            raise ContractError(
                self.path,
                "holds a fit of other inputs (galaxy file, data or surrogate differ): choose another --out, or "
                "--restart to throw that fit away",
            )
        self._update(identity=identity)

    @property
    def is_begun(self) -> bool:
        """Whether there are chains, or results of them."""
        return self.checkpoint.exists() or not vacant(self.posterior)

    def load_gridded(self, stamp: str | None) -> Store[GriddedVisibilities] | None:
        """Return the gridded data made earlier from a source with this stamp, if any.

        Without a source (None), those that a fit was begun with: `claim` holds them to the identity of its inputs.
        """
        known = self.is_begun if stamp is None else self._read().get("source") == stamp
        if not known or vacant(self.gridded):
            return None
        return read_store(self.gridded, GriddedVisibilities)

    def save_gridded(self, data: Store[GriddedVisibilities], stamp: str) -> None:
        """Keep gridded data for a resumption and for the report."""
        write_store(self.gridded, data, overwrite=True)
        self._update(source=stamp)

    def save_approximation(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep what a resumed run needs to be the same run."""
        write_npz(self.approximation, arrays)

    def load_approximation(self) -> dict[str, np.ndarray]:
        """Return what `save_approximation` kept.

        Raises:
            ContractError: it is not there, or damaged.

        """
        return read_npz(self.approximation, "use --restart")

    def finished(self, galaxy: Galaxy) -> Store[Posterior] | None:
        """Return the posterior if it is complete and made with the same settings."""
        if vacant(self.posterior):
            return None
        store = read_store(self.posterior, Posterior)
        return store if store.manifest.complete and store.manifest.galaxy == galaxy else None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the search for the mode had to say."""
        return tuple(map(str, self._read().get("warnings") or ()))

    def keep_warnings(self, warnings: tuple[str, ...]) -> None:
        """Remember what the search for the mode had to say."""
        self._update(warnings=list(warnings))

    @property
    def subcells(self) -> ChosenSubcells:
        """What the model of the chains was fitted with."""
        kept = self._read().get("subcells", {"subcells": "standard"})
        try:
            return ChosenSubcells(**kept)
        except TypeError as error:
            raise ContractError(self._run, f"is damaged ({error}); use --restart") from error

    def keep_subcells(self, chosen: ChosenSubcells) -> None:
        """Remember with what the chains go on."""
        self._update(subcells=chosen._asdict())

    def _read(self) -> dict[str, Any]:
        if not self._run.exists():
            return {}
        return read_json(self._run, advice="use --restart")

    def _update(self, **fields: Any) -> None:
        state = self._read() | fields
        with atomic_path(self._run, overwrite=True) as temporary:
            temporary.write_text(json.dumps(state, indent=2) + "\n")

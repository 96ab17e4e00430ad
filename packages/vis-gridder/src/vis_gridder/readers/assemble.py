"""What all readers end with: arrays collected row by row, checked, and put in the contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from steelyard_schemas import ContractError, Observation, Store, Visibilities

from vis_gridder.readers.axis import SpectralAxis
from vis_gridder.readers.stokes import StokesI

__all__ = ["Assembly"]


class Assembly:
    """Arrays of a `Visibilities` store, filled in blocks of rows so that a reader needs no second copy.

    Args:
        path: the file that is read.
        n_rows: baselines times integrations.
        axis: the frequency axis; its `order` is applied to every block.

    """

    def __init__(self, path: Path, n_rows: int, axis: SpectralAxis) -> None:
        if n_rows == 0:
            raise ContractError(path, "has no cross-correlations to read")
        self.path = path
        self.axis = axis
        shape = (n_rows, axis.frequency_hz.size)
        self.arrays: dict[str, np.ndarray] = {
            "u_m": np.empty(n_rows),
            "v_m": np.empty(n_rows),
            "w_m": np.empty(n_rows),
            "vis": np.empty(shape, np.complex64),
            "weight": np.empty(shape, np.float32),
            "flag": np.empty(shape, bool),
            "time_mjd_s": np.empty(n_rows),
            "antenna1": np.empty(n_rows, np.int32),
            "antenna2": np.empty(n_rows, np.int32),
            "scan": np.empty(n_rows, np.int32),
            "frequency_hz": axis.frequency_hz,
            "channel_width_hz": axis.width_hz,
        }
        self.n_weightless = 0
        self.n_not_finite = 0

    def put(self, rows: slice, samples: StokesI, **columns: np.ndarray) -> None:
        """Store a block of rows: samples in the file's channel order, and one value a row for each column."""
        for name in ("vis", "weight", "flag"):
            self.arrays[name][rows] = getattr(samples, name)[:, self.axis.order]
        for name, values in columns.items():
            self.arrays[name][rows] = values
        self.n_weightless += samples.n_weightless
        self.n_not_finite += samples.n_not_finite

    def finish(self, observation: Observation, history: list[str]) -> Store[Visibilities]:
        """Check the whole and return the store.

        Raises:
            ContractError: uvw is not finite, or nothing is left unflagged.

        """
        self._check()
        if self.axis.order.step is not None:
            history.append("flipped the channels to ascending frequency")
        if self.n_not_finite:
            history.append(f"flagged {self.n_not_finite} correlations that are not finite")
        if self.n_weightless:
            history.append(f"flagged {self.n_weightless} correlations of zero weight")
        manifest = Visibilities(observation=observation, source=self.path.name, history=tuple(history))
        store = Store(manifest, self.arrays)
        store.check(self.path)
        return store

    def _check(self) -> None:
        usable = ~self.arrays["flag"].all(axis=1)
        if not usable.any():
            raise ContractError(
                self.path,
                f"has all data flagged or without weight ({self.n_weightless} correlations of zero weight); "
                "nothing is left to grid",
            )
        for name in ("u_m", "v_m", "w_m"):
            if n := int(np.count_nonzero(~np.isfinite(self.arrays[name][usable]))):
                raise ContractError(self.path, f"has {name} that is NaN or infinite in {n} rows; flag those rows")
            # Rows that are flagged altogether may hold anything; zero keeps them out of arithmetic's way.
            self.arrays[name][~usable] = np.nan_to_num(self.arrays[name][~usable], posinf=0.0, neginf=0.0)

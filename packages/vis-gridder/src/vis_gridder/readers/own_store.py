"""A `Visibilities` store of ours: its contract holds its shapes and types, this holds its values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from steelyard_schemas import ContractError, StoreReader, Visibilities, open_store

from vis_gridder.readers.common.axis import spectral_axis
from vis_gridder.stream.source import ROW_ARRAYS, Block, Source, first_time

__all__ = ["open_own_store"]


def open_own_store(path: Path) -> Source:
    """Open a store; its chunks are read in threads ahead of their use, its hash is verified as a pass ends.

    Raises:
        ContractError: not a store, or channels not in hertz, not ascending or irregular. A pass raises it for
            damage, for unflagged data, weights or coordinates that cannot be used, and where all data are flagged.

    """
    reader = open_store(path, Visibilities)
    axis = spectral_axis(path, reader.small["frequency_hz"], reader.small["channel_width_hz"])
    if axis.flipped:
        raise ContractError(path, "has channels in descending frequency; write them in ascending order")
    if reader.n_rows == 0:
        raise ContractError(path, "has no rows; nothing is left to grid")

    def blocks() -> Iterator[Block]:
        any_used = False
        for arrays in reader.blocks():
            block, used = _checked(path, Block(**{name: arrays[name] for name in ROW_ARRAYS}))
            any_used |= used
            yield block
        if not any_used:
            raise ContractError(path, "has all data flagged or without weight; nothing is left to grid")

    return Source(
        observation=reader.manifest.observation,
        name=reader.manifest.source,
        frequency_hz=axis.frequency_hz,
        channel_width_hz=axis.width_hz,
        n_rows=reader.n_rows,
        start_mjd_s=_start_mjd_s(reader),
        blocks=blocks,
        history=list(reader.manifest.history),
    )


def _start_mjd_s(reader: StoreReader[Visibilities]) -> float | None:
    """Return the first time that is known, or None."""
    with closing(first_time(arrays["time_mjd_s"]) for arrays in reader.blocks(("time_mjd_s",))) as times:
        return next((time for time in times if time is not None), None)


def _checked(path: Path, block: Block) -> tuple[Block, bool]:
    """Return the block, coordinates of wholly flagged rows made finite, and whether anything in it can be used.

    Raises:
        ContractError: unflagged values cannot be used.

    """
    used, weight = ~block.flag, block.weight
    if bad := int(np.count_nonzero(used & ~(np.isfinite(weight) & (weight >= 0)))):
        raise ContractError(path, f"has {bad} unflagged weights that are NaN, infinite or negative; flag them")
    if bad := int(np.count_nonzero(used & ~np.isfinite(block.vis))):
        raise ContractError(path, f"has {bad} unflagged vis that are NaN or infinite; flag those samples")
    rows = used.any(axis=1)
    finite = {}
    for name in ("u_m", "v_m", "w_m"):
        metres = getattr(block, name)
        broken = ~np.isfinite(metres)
        if bad := int(np.count_nonzero(broken & rows)):
            raise ContractError(path, f"has {name} that is NaN or infinite in {bad} rows; flag those rows")
        finite[name] = np.where(broken, 0.0, metres) if broken.any() else metres
    return block._replace(**finite), bool(np.any(used & (weight > 0)))

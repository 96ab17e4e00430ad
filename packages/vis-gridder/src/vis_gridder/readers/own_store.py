"""A `Visibilities` store of ours: its contract holds its shapes and types, this holds its values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from steelyard_schemas import ContractError, Store, Visibilities, read_store

from vis_gridder.readers.axis import spectral_axis

__all__ = ["read_own_store"]


def read_own_store(path: Path) -> Store[Visibilities]:
    """Read a store and check what the other readers see to as they read.

    Raises:
        ContractError: not a sound store; channels not in hertz, not ascending or irregular; all data flagged;
            unflagged data, weights or coordinates that cannot be used.

    """
    store = read_store(path, Visibilities)
    axis = spectral_axis(path, store["frequency_hz"], store["channel_width_hz"])
    if axis.order.step is not None:
        raise ContractError(path, "has channels in descending frequency; write them in ascending order")
    used, weight = ~store["flag"], store["weight"]
    if bad := int(np.count_nonzero(used & ~(np.isfinite(weight) & (weight >= 0)))):
        raise ContractError(path, f"has {bad} unflagged weights that are NaN, infinite or negative; flag them")
    if not np.any(used & (weight > 0)):
        raise ContractError(path, "has all data flagged or without weight; nothing is left to grid")
    if bad := int(np.count_nonzero(used & ~np.isfinite(store["vis"]))):
        raise ContractError(path, f"has {bad} unflagged vis that are NaN or infinite; flag those samples")
    rows = used.any(axis=1)
    for name in ("u_m", "v_m", "w_m"):
        if bad := int(np.count_nonzero(~np.isfinite(store[name][rows]))):
            raise ContractError(path, f"has {name} that is NaN or infinite in {bad} rows; flag those rows")
    return store

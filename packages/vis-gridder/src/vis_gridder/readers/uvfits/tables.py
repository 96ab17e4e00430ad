"""The tables behind the groups of a UVFITS file, by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from steelyard_schemas import ContractError

__all__ = ["elements", "header_axis", "table_hdu", "table_hdus"]


def table_hdus(hdus: Any, name: str) -> list[Any]:
    """Return all tables of a name, in the order of the file."""
    tables = [hdu for hdu in hdus[1:] if hdu.name.strip() == name]
    for table in tables:
        if table.data is None or len(table.data) == 0:
            raise ValueError(f"table {name} is empty")
    return tables


def table_hdu(where: object, hdus: Any, name: str, setup: int | None = None) -> Any:
    """Return the one table of a name, or None.

    Args:
        where: the file, for messages.
        hdus: its header and tables.
        name: name of the table.
        setup: where tables are for one frequency setup each (FREQID), that of the data.

    Raises:
        ContractError: there are several, and they differ.

    """
    tables = table_hdus(hdus, name)
    if len(tables) > 1 and setup is not None:
        tables = [t for t in tables if t.header.get("FREQID", setup) == setup] or tables
    if not tables:
        return None
    if any(table.data.tobytes() != tables[0].data.tobytes() for table in tables[1:]):
        versions = ", ".join(str(table.ver) for table in tables)
        raise ContractError(where, f"has several {name} tables that differ (versions {versions}); keep the right one")
    return tables[0]


def elements(table: Any, name: str, row: int) -> np.ndarray:
    """Return what a column has for each IF in a row, empty where there is no such column."""
    return np.atleast_1d(np.asarray(table[name][row], float)) if name in table.names else np.empty(0)


def header_axis(header: Any, kind: str) -> int | None:
    """Return the number of an axis of the groups; a projection may follow its name, as in RA---SIN."""
    for i in range(2, header["NAXIS"] + 1):
        if str(header.get(f"CTYPE{i}", "")).strip().upper().split("-")[0] == kind:
            return i
    return None

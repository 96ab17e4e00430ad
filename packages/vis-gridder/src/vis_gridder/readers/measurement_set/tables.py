"""The tables of a Measurement Set, opened to read, and small questions to them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from steelyard_schemas import ContractError

__all__ = ["Tables", "among", "check_unit", "distinct"]


@dataclass(frozen=True)
class Tables:
    """A Measurement Set.

    Attributes:
        path: its folder.
        casacore: the module `casacore.tables`.

    """

    path: Path
    casacore: Any

    def open(self, name: str = "") -> Any:
        """Return a context with one table, the main one without a name.

        It does not wait for a program that holds a lock on the table, such as a CASA session.
        """
        return closing(self.casacore.table(str(self.path / name), ack=False, lockoptions="autonoread"))

    def holds(self, name: str) -> bool:
        """Return whether there is such a table."""
        return (self.path / name).is_dir()

    def named[T](self, names: Sequence[T], numbers: Sequence[int], table: str) -> dict[int, T]:
        """Return the entries of a table's column by their ascending numbers.

        Raises:
            ContractError: the table has too few.

        """
        if numbers and not 0 <= numbers[0] <= numbers[-1] < len(names):
            raise ContractError(self.path, f"has rows of entries that its {table} table lacks; export it again")
        return {number: names[number] for number in numbers}


def distinct(rows: Any, column: str) -> list[int]:
    """Return the different numbers in a column, ascending."""
    with closing(rows.query(columns=f"distinct {column}")) as found:
        return sorted(int(value) for value in found.getcol(column)) if found.nrows() else []


def among(column: str, numbers: Sequence[int]) -> str:
    """Return the condition that a column has one of some values, in TaQL."""
    return f"{column} in [{', '.join(map(str, numbers))}]"


def check_unit(where: object, table: Any, column: str, unit: str) -> None:
    """Raise ContractError where a column states another unit than the Measurement Set's definition prescribes."""
    stated = {str(name) for name in np.ravel(table.getcolkeywords(column).get("QuantumUnits", []))}
    if stated - {unit}:
        raise ContractError(where, f"has {column} in {', '.join(sorted(stated))}; {unit} is due")

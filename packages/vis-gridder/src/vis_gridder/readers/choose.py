"""Choosing one of several fields or spectral windows."""

from __future__ import annotations

from collections.abc import Mapping

from steelyard_schemas import ContractError

__all__ = ["choose"]


def choose(where: object, what: str, names: Mapping[int, str], wanted: str | int | None) -> int:
    """Return the number of the entry wanted by name or number; without a wish there must be only one.

    Args:
        where: the file, for messages.
        what: the option that decides ("field", "spw").
        names: number to name of the entries that hold data.
        wanted: name, number, or None.

    Raises:
        ContractError: nothing fits, or several do.

    """
    listing = ", ".join(f"{number} ({name or 'no name'})" for number, name in sorted(names.items()))
    if wanted is None:
        if len(names) == 1:
            return next(iter(names))
        raise ContractError(where, f"holds several, choose one by {what}=: {listing}")
    fitting = [number for number, name in names.items() if name == str(wanted)]
    if not fitting and str(wanted).isdigit() and int(wanted) in names:
        fitting = [int(wanted)]
    if len(fitting) > 1:
        raise ContractError(where, f"has several called {what}={wanted}, choose by number: {listing}")
    if not fitting:
        raise ContractError(where, f"has no {what}={wanted}; it holds {listing}")
    return fitting[0]

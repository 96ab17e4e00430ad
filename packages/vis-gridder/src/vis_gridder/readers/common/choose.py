"""Choosing among several fields, spectral windows or observations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steelyard_schemas import ContractError

from vis_gridder.readers.common.axis import UNEVEN, SpectralAxis

__all__ = ["Choice", "Choices", "check_widths", "choose", "choose_fields", "choose_several"]

Choice = str | int | None
"""A name, a number, or None where there is only one."""
Choices = str | int | Sequence[str | int] | None
"""A `Choice`, or several as a sequence or separated by commas, or "all"."""


def choose(where: object, what: str, names: Mapping[int, str], wanted: Choice) -> int:
    """Return the number of the entry wanted by name or number; without a wish there must be only one.

    Args:
        where: the file, for messages.
        what: the option that decides ("field", "spw").
        names: number to name of the entries that hold data.
        wanted: name, number, or None.

    Raises:
        ContractError: nothing fits, or several do.

    """
    listing = _listing(names)
    if wanted is None:
        if len(names) == 1:
            return next(iter(names))
        raise ContractError(where, f"holds several, choose one by {what}=: {listing}")
    fitting = [number for number, name in names.items() if name == str(wanted)]
    if not fitting and str(wanted).strip().isdecimal() and int(wanted) in names:
        fitting = [int(wanted)]
    if len(fitting) > 1:
        raise ContractError(where, f"has several called {what}={wanted}, choose by number: {listing}")
    if not fitting:
        raise ContractError(where, f"has no {what}={wanted}; it holds {listing}")
    return fitting[0]


def choose_several(where: object, what: str, names: Mapping[int, str], wanted: Choices) -> list[int]:
    """Return the numbers of the entries wanted, each once, in the order asked for; see `choose`."""
    if wanted is None or isinstance(wanted, int):
        return [choose(where, what, names, wanted)]
    if isinstance(wanted, str):
        if wanted.strip().lower() == "all":
            return sorted(names)
        # A name may hold a comma.
        wanted = [wanted] if wanted in names.values() else wanted.split(",")
    numbers = [choose(where, what, names, item.strip() if isinstance(item, str) else item) for item in wanted]
    if not numbers:
        raise ContractError(where, f"needs at least one {what}=; it holds {_listing(names)}")
    return list(dict.fromkeys(numbers))


def choose_fields(where: object, names: Mapping[int, str], wanted: Choices) -> list[int]:
    """Return the numbers of the fields wanted, ascending: all without a wish, and all that have the name wanted.

    Raises:
        ContractError: nothing fits.

    """
    if wanted is None or (
        isinstance(wanted, str) and wanted.strip().lower() == "all" and wanted not in names.values()
    ):
        return sorted(names)
    if isinstance(wanted, int):
        return [choose(where, "field", names, wanted)]
    if isinstance(wanted, str):
        wanted = [wanted] if wanted in names.values() else wanted.split(",")
    numbers: set[int] = set()
    for item in wanted:
        part = item.strip() if isinstance(item, str) else item
        numbers.update([n for n, name in names.items() if name == part] or [choose(where, "field", names, part)])
    if not numbers:
        raise ContractError(where, f"needs at least one field=; it holds {_listing(names)}")
    return sorted(numbers)


def _listing(names: Mapping[int, str]) -> str:
    return ", ".join(f"{number} ({name or 'no name'})" for number, name in sorted(names.items()))


def check_widths(where: object, axes: Mapping[int, SpectralAxis]) -> None:
    """Raise ContractError if the windows (number to axis) differ in channel width by more than a hundredth."""
    widths = {number: float(axis.width_hz.mean()) for number, axis in axes.items()}
    if max(widths.values()) - min(widths.values()) > UNEVEN * min(widths.values()):
        listing = ", ".join(f"{number}: {width:.6g} Hz" for number, width in widths.items())
        raise ContractError(
            where,
            f"has windows of different channel widths ({listing}); choose windows of one width by --spw, "
            "or regrid with --channel-width-kms",
        )

"""Header of a text table: names and units of its columns, and numbers that hold for all rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from steelyard_schemas import ContractError

__all__ = ["Column", "Head", "is_table", "read_head", "split"]

COLUMNS = {
    "u": "u",
    "uu": "u",
    "v": "v",
    "vv": "v",
    "re": "re",
    "re(v)": "re",
    "real": "re",
    "vis_re": "re",
    "im": "im",
    "im(v)": "im",
    "imag": "im",
    "vis_im": "im",
    "w": "weight",
    "weight": "weight",
    "weights": "weight",
    "freq": "frequency",
    "freqs": "frequency",
    "frequency": "frequency",
    "channel_width": "width",
    "spw": "spw",
    "spws": "spw",
}
"""Names in use, lower case and without unit, and what they mean here. galario and uvplot call the weight `w`."""
UNITS = {
    "m": 1.0,
    "lambda": 1.0,
    "wavelength": 1.0,
    "wavelengths": 1.0,
    "klambda": 1e3,
    "jy": 1.0,
    "mjy": 1e-3,
    "hz": 1.0,
    "khz": 1e3,
    "mhz": 1e6,
    "ghz": 1e9,
    "1/jy^2": 1.0,
    "jy^-2": 1.0,
    "1/mjy^2": 1e6,
    "mjy^-2": 1e6,
}
"""Factor of a unit (lower case) to metres, wavelengths, Jy, Hz or 1/Jy^2."""
LENGTHS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
ALLOWED = {
    "u": ("m", "lambda", "wavelength", "wavelengths", "klambda"),
    "v": ("m", "lambda", "wavelength", "wavelengths", "klambda"),
    "re": ("", "jy", "mjy"),
    "im": ("", "jy", "mjy"),
    "weight": ("", "none", "1/jy^2", "jy^-2", "1/mjy^2", "mjy^-2"),
    "frequency": ("", "hz", "khz", "mhz", "ghz"),
    "width": ("", "hz", "khz", "mhz", "ghz"),
}
NUMBER = re.compile(r"^\s*([A-Za-z_]+(?:\s*\[\s*\w+\s*\])?)\s*[=:]\s*([-+0-9.eE]+)\s*$")


@dataclass(frozen=True)
class Column:
    """A column: where it stands, what its numbers are multiplied with, and its unit, lower case."""

    at: int
    factor: float
    unit: str


@dataclass
class Head:
    """Content of the lines above the numbers.

    Attributes:
        columns: those understood, by their meaning.
        others: names of those that are not.
        numbers: said once for the table: frequency and width in Hz.
        n_lines: lines before the first row of numbers.
        delimiter: between numbers; None for white space.
        assumed: lines of history on what is not said.

    """

    columns: dict[str, Column] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)
    n_lines: int = 0
    delimiter: str | None = None
    assumed: list[str] = field(default_factory=list)


def split(line: str) -> list[str]:
    """Return the entries of a line, between commas if there are any, else between white space."""
    return [part.strip() for part in line.split(",")] if "," in line else line.split()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_table(lines: Iterable[str]) -> bool:
    """Return whether lines begin with comments, at most one line of names, and a row of four or more numbers."""
    names_seen = False
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        entries = split(line)
        if len(entries) >= 4 and all(map(_is_number, entries)):
            return True
        if names_seen or len(entries) < 4:
            return False
        names_seen = True
    return False


def read_head(path: Path, lines: Iterable[str], speed_of_light_m_s: float) -> Head:
    """Read the lines above the first row of numbers.

    Names come from a line of their own, from the last comment that names u and v ("Columns:" of uvplot's
    export_uvtable among them), or from the JSON dictionary of uvplot's UVTable. A comment `name = number` gives
    frequency_hz, channel_width_hz, or uvplot's wavelength[m].

    Raises:
        ContractError: no names, or a unit that is missing or unknown.

    """
    head = Head()
    named: tuple[list[str], Sequence[str]] | None = None
    for line in lines:
        text = line.strip()
        comment = text.startswith("#")
        text = text.lstrip("# \t")
        if text and not comment and all(map(_is_number, split(text))):
            head.delimiter = "," if "," in line else None
            break
        head.n_lines += 1
        if found := NUMBER.match(text):
            _note_number(head, found[1], float(found[2]), speed_of_light_m_s)
        elif names := _names(text):
            named = names
    if named is None:
        raise ContractError(
            path, "does not name its columns; begin it with a line such as: # u_m v_m re im weight frequency_hz"
        )
    _note_columns(path, head, *named)
    _note_assumptions(head, named[0])
    return head


def _note_assumptions(head: Head, names: list[str]) -> None:
    """Note what the columns do not say of themselves, and give the weights the unit of the visibilities."""
    vis, weight = head.columns.get("re"), head.columns.get("weight")
    if vis is not None and not vis.unit:
        head.assumed.append("assumed visibilities in Jy: call the column re_mjy or re[mJy] where they are not")
    if weight is not None and weight.unit in ("", "none"):
        unit = "mJy" if vis is not None and vis.unit == "mjy" else "Jy"
        head.assumed.append(
            f"assumed weights of 1 / sigma^2 in 1/{unit}^2, which the column {names[weight.at]} does not state"
        )
        head.columns["weight"] = Column(weight.at, 1.0 / UNITS[unit.lower()] ** 2, weight.unit)
    for meaning in ("frequency", "width"):
        if (column := head.columns.get(meaning)) is not None and not column.unit:
            head.assumed.append(f"assumed {names[column.at]} in Hz: call it {meaning}_hz, or name its unit")


def _note_number(head: Head, name: str, value: float, speed_of_light_m_s: float) -> None:
    what, unit = _name_and_unit(name)
    if what == "wavelength" and value > 0 and unit in ("", *LENGTHS):
        head.numbers["frequency"] = speed_of_light_m_s / (value * LENGTHS[unit or "m"])
    elif (meaning := COLUMNS.get(what)) in ("frequency", "width") and unit in ALLOWED[meaning]:
        head.numbers[meaning] = value * UNITS.get(unit, 1.0)


def _names(text: str) -> tuple[list[str], Sequence[str]] | None:
    """Return the names in a line, and their units where they stand apart; None if it names no u and v."""
    units: Sequence[str] = ()
    if text.startswith("{"):
        try:
            said = json.loads(text)
            names, units = [str(name) for name in said["columns"]], [str(unit) for unit in said.get("units", ())]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
    else:
        # "u [m]" is one name, and so is "u[m]"; "Columns" introduces them.
        text = re.sub(r"^columns\b:?", "", text, flags=re.IGNORECASE)
        names = split(" ".join(text.split()).replace(" [", "["))
    meanings = [COLUMNS.get(_name_and_unit(name)[0]) for name in names]
    return (names, units) if "u" in meanings and "v" in meanings else None


def _name_and_unit(name: str) -> tuple[str, str]:
    """Split "Re(V)[Jy]" and "u_lambda" in name and unit, lower case; the unit is empty where there is none."""
    name = name.strip().lower()
    if name.endswith("]"):
        content = name[:-1]
        # The last pair of brackets; a pattern would take the square of the length, or its cube.
        at = content.find("[", content.rfind("]") + 1)
        if at >= 0:
            return content[:at].strip(), content[at + 1 :].strip()
    stem, _, tail = name.rpartition("_")
    return (stem, tail) if stem and tail in {**UNITS, **LENGTHS} else (name, "")


def _note_columns(path: Path, head: Head, names: list[str], units: Sequence[str]) -> None:
    for at, name in enumerate(names):
        what, unit = _name_and_unit(name)
        # w in metres is the baseline's third coordinate, not the weight.
        meaning = "w" if what in ("w", "ww") and unit in ALLOWED["u"] else COLUMNS.get(what)
        if meaning is None:
            head.others.append(name)
            continue
        if not unit and len(units) == len(names) and units[at].lower() in UNITS:
            unit = units[at].lower()
        if meaning in ("u", "v") and not unit:
            raise ContractError(path, f"does not give the unit of {name}; call it {meaning}_m or {meaning}_lambda")
        if meaning in ALLOWED and unit not in ALLOWED[meaning]:
            raise ContractError(
                path, f"has {name} in a unit that is not known here; give {meaning} in m, Jy, Hz or 1/Jy^2"
            )
        if meaning in head.columns:
            raise ContractError(path, f"names two columns for {meaning}; leave one of them unnamed or out")
        head.columns[meaning] = Column(at, UNITS.get(unit, 1.0), unit)

"""Sample of galaxies as a table (CSV, Parquet or TOML); each row is a galaxy with shared defaults.

A column named after a field of the galaxy file (`name`, `distance.mpc`, `priors.log10_mbh.low`) sets that field; the
column `galaxy_file` names a file that replaces the defaults; any other column without a dot is kept with the galaxy,
for the report and for relations. An empty cell keeps the default.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from steelyard_schemas import ContractError, Galaxy, open_file, parse, read_model, read_toml
from steelyard_schemas.migrations import current_version

__all__ = ["SampleRow", "read_defaults", "sample_rows"]

Cell = float | str
FILE_COLUMN = "galaxy_file"
DEEPEST = 8
"""Maximum number of dots in a column name; fields of a galaxy file have at most four."""
SUFFIXES = (".csv", ".parquet", ".toml")


class SampleRow(NamedTuple):
    """One row of a sample: a galaxy and its further columns, or the problems of the row."""

    number: int
    """Row number from 1, not counting a header."""
    galaxy: Galaxy | None
    """Galaxy, None for a row with problems."""
    columns: dict[str, Cell]
    """Columns that are not fields of a galaxy file."""
    problems: tuple[str, ...] = ()
    """Problems of the row."""


def read_defaults(path: str | Path) -> dict[str, Any]:
    """Read the default fields of all rows, a TOML file laid out like a galaxy file.

    Raises:
        ContractError: the file cannot be read or is not valid TOML.

    """
    return read_toml(path)


def sample_rows(path: str | Path, defaults: Mapping[str, Any] | None = None) -> Iterator[SampleRow]:
    """Yield the rows of a sample one by one; a row with problems has no galaxy and does not stop the others.

    Args:
        path: .csv, .parquet, or .toml with a table [defaults] and tables [[galaxy]].
        defaults: fields of the galaxy file for all rows; those of a TOML sample take precedence.

    Raises:
        ContractError: the table cannot be read, or has no rows.

    """
    path = Path(path)
    defaults = dict(defaults or {})
    if path.suffix == ".toml":
        content = read_toml(path)
        rows, own = content.pop("galaxy", []), content.pop("defaults", {})
        tabular = isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
        if content or not tabular or not isinstance(own, dict):
            raise ContractError(
                path, f"a sample has [defaults] and [[galaxy]] only, found {str(sorted(content) or rows)[:80]}"
            )
        tables: Iterator[dict[str, Any]] = iter(rows)
        defaults = _merged(defaults, own)
    else:
        tables = (_nested(cells) for cells in _cells(path))
    number = 0
    for number, table in enumerate(tables, 1):
        yield _row(number, table, defaults, path)
    if number == 0:
        raise ContractError(path, "holds no galaxies")


def _row(number: int, table: dict[str, Any], defaults: Mapping[str, Any], path: Path) -> SampleRow:
    fields = {name: value for name, value in table.items() if name in Galaxy.model_fields}
    columns = {name: value for name, value in table.items() if name not in fields and name != FILE_COLUMN}
    label = f"row {number}" + (f" ({fields['name']})" if "name" in fields else "")
    wrong = [
        f"{label}, column '{name}': no such field of a galaxy file, nor plain text or number"
        for name, value in columns.items()
        if not isinstance(value, float | int | str) or isinstance(value, bool)
    ]
    if wrong:
        return SampleRow(number, None, {}, tuple(wrong))
    kept = {name: value if isinstance(value, str) else float(value) for name, value in columns.items()}
    try:
        start: Mapping[str, Any] = defaults
        if FILE_COLUMN in table:
            start = _from_file(path.parent, str(table[FILE_COLUMN]))
        elif not isinstance(fields.get("data", {}), dict):
            raise ContractError(label, "data: expected the columns data.path, data.grid.npix, ...")
        head = {"kind": "galaxy", "schema_version": start.get("schema_version", current_version("galaxy"))}
        galaxy = parse(_merged(_merged(start, fields), head), where=label)
    except ContractError as error:
        return SampleRow(number, None, kept, tuple(_placed(label, problem, table) for problem in error.problems))
    assert isinstance(galaxy, Galaxy)
    return SampleRow(number, galaxy, kept)


def _from_file(folder: Path, name: str) -> dict[str, Any]:
    """Return the content of a galaxy file, with its data path relative to the sample's folder."""
    try:
        galaxy = read_model(folder / name, Galaxy)
    except ContractError as error:
        raise ContractError(name, [f"{FILE_COLUMN}: {name}: {problem}" for problem in error.problems]) from error
    content = galaxy.model_dump(mode="json", exclude_unset=True) | {"schema_version": galaxy.schema_version}
    content["data"]["path"] = (PurePath(name).parent / galaxy.data.path).as_posix()
    return content


def _placed(label: str, problem: str, table: Mapping[str, Any]) -> str:
    """Name the column that a problem comes from, if it is one of this row."""
    field, _, message = problem.partition(": ")
    columns = list(_leaves(table))
    for column in columns:
        parts = iter(field.split("."))
        if all(part in parts for part in column.split(".")):  # a union inserts the name of its branch
            return f"{label}, column '{column}': {message}"
    for length in range(field.count(".") + 1, 1, -1):  # a problem of the table that the column belongs to
        start = ".".join(field.split(".")[:length]) + "."
        for column in columns:
            if column.startswith(start):
                return f"{label}, column '{column}': {message}"
    return f"{label}: {problem}"


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge one table over another. A table of another kind replaces it, since their fields may differ."""
    result = dict(below)
    for name, value in above.items():
        old = result.get(name)
        deep = (
            isinstance(value, dict)
            and isinstance(old, dict)
            and value.get("kind", old.get("kind")) == old.get("kind")
        )
        result[name] = _merged(old, value) if deep and old is not None else value
    return result


def _nested(cells: Mapping[str, Cell]) -> dict[str, Any]:
    """Convert dotted columns to nested tables."""
    tree: dict[str, Any] = {}
    for column, value in cells.items():
        *parents, leaf = column.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ContractError("sample", f"columns '{parent}' and '{column}' exclude each other")
        place[leaf] = value
    return tree


def _cells(path: Path) -> Iterator[dict[str, Cell]]:
    """Yield the non-empty cells of each row."""
    if path.suffix not in SUFFIXES:
        raise ContractError(path, f"a sample is one of {', '.join(SUFFIXES)}")
    try:
        yield from _csv(path) if path.suffix == ".csv" else _parquet(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ContractError(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _csv(path: Path) -> Iterator[dict[str, Cell]]:
    with open_file(path) as raw, TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header)
        for line in reader:
            if not line:
                continue
            if len(line) > len(header):
                raise ContractError(path, f"line {reader.line_num} has {len(line)} cells, the header {len(header)}")
            yield {name: _value(name, cell.strip()) for name, cell in zip(header, line, strict=False) if cell.strip()}


def _value(column: str, cell: str) -> Cell:
    """Convert a cell to a number if it looks like one; fields of the galaxy are left to their contract."""
    if column.partition(".")[0] in Galaxy.model_fields or column == FILE_COLUMN:
        return cell
    try:
        return float(cell)
    except ValueError:
        return cell


def _parquet(path: Path) -> Iterator[dict[str, Cell]]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise ContractError(path, "Parquet needs pyarrow: install steelyard[survey]") from error
    try:
        with open_file(path) as raw, parquet.ParquetFile(raw) as file:
            _check_header(path, file.schema_arrow.names)
            for batch in file.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    yield {name: value for name, value in row.items() if not _empty(value)}
    except pa.ArrowInvalid as error:
        raise ContractError(path, f"is not a Parquet file ({error})") from error


def _empty(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _check_header(path: Path, header: list[str]) -> None:
    problems = [f"column '{name}' comes twice" for name in sorted(set(header)) if header.count(name) > 1]
    problems += [
        f"column '{name}': a galaxy file has no '{name.partition('.')[0]}'; columns of your own have no dot"
        for name in header
        if "." in name and name.partition(".")[0] not in Galaxy.model_fields
    ]
    problems += [
        f"column '{name[:40]}...' has more than {DEEPEST} dots" for name in header if name.count(".") > DEEPEST
    ]
    if problems:
        raise ContractError(path, problems)

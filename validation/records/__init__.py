"""Records that pages of docs/ rest on, as JSON lines in this folder: one record a line."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).parent


def read_lines(path: Path) -> list[Any]:
    """Return the records of a file, none if there is no such file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def write_lines(path: Path, records: Iterable[Any]) -> None:
    """Write one record a line, without spaces."""
    path.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n" for record in records))

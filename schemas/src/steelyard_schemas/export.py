"""Export the JSON Schema of every contract: `python -m steelyard_schemas.export FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from steelyard_schemas.contract import Contract
from steelyard_schemas.migrations import CONTRACTS, current_version

__all__ = ["json_schema", "main"]


def json_schema(model: type[Contract]) -> str:
    """Return a contract's JSON Schema with arrays under `x-arrays` and conditional ones under `x-arrays-if`."""
    schema = model.model_json_schema()
    if model.ARRAYS:
        schema["x-arrays"] = [spec._asdict() for spec in model.ARRAYS]
    if model.ARRAYS_IF:
        schema["x-arrays-if"] = {
            field: [spec._asdict() for spec in specs] for field, specs in model.ARRAYS_IF.items()
        }
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def main(folder: str) -> None:
    """Write one file per contract and version."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for kind, model in CONTRACTS.items():
        (target / f"{kind}-{current_version(kind)}.json").write_text(json_schema(model))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Contracts without arrays, in files and messages: JSON, TOML and msgpack."""

from __future__ import annotations

from pathlib import Path

import msgpack

from steelyard_schemas.atomic import atomic_path
from steelyard_schemas.contract import Contract
from steelyard_schemas.errors import ContractError
from steelyard_schemas.migrations import parse
from steelyard_schemas.reading import parse_msgpack, read_json, read_toml

__all__ = ["pack", "read_model", "unpack", "write_model"]


def read_model[M: Contract](path: str | Path, expect: type[M]) -> M:
    """Read a contract from a .toml or .json file.

    Raises:
        ContractError: the file is missing or too long, has a syntax error (the line is given), or violates the
            contract.

    """
    path = Path(path)
    data = read_toml(path) if path.suffix == ".toml" else read_json(path)
    return _expect(parse(data, where=path), expect, path)


def write_model(path: str | Path, model: Contract, *, overwrite: bool = False) -> None:
    """Write a contract as JSON, atomically."""
    with atomic_path(Path(path), overwrite=overwrite) as temporary:
        temporary.write_text(model.model_dump_json(indent=2) + "\n", encoding="utf-8")


def pack(model: Contract) -> bytes:
    """Pack a contract into a msgpack message."""
    return msgpack.packb(model.model_dump(mode="json"))


def unpack[M: Contract](message: bytes, expect: type[M]) -> M:
    """Unpack a msgpack message into a contract of the expected type.

    Raises:
        ContractError: the message is damaged, violates its contract or has another kind.
    """
    data = parse_msgpack(message, where="message")
    return _expect(parse(data, where="message"), expect, "message")


def _expect[M: Contract](model: Contract, expect: type[M], where: object) -> M:
    if not isinstance(model, expect):
        raise ContractError(where, f"holds '{model.kind}', expected '{expect.model_fields['kind'].default}'")
    return model

"""Bounded reading of external files; every problem becomes a one-line ContractError."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

import msgpack

from steelyard_schemas.errors import ContractError

__all__ = ["open_file", "parse_json", "parse_msgpack", "read_bytes", "read_json", "read_msgpack", "read_toml"]

MOST_BYTES = 64 * 2**20
"""Default maximum size of a document that is read whole [bytes], far above that of any contract."""
DEEP_KEY = re.compile(rb"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){64}")
"""Pattern of too deeply nested TOML keys; those of a galaxy file have at most four parts."""
PIECE_BYTES = 2**16
"""Bytes per read; a file may be longer than its declared size."""


def open_file(path: str | Path) -> BufferedReader:
    """Open a regular file for reading, without blocking on pipes or devices.

    Raises:
        ContractError: the file is missing or unreadable, or is a folder, a pipe or a device.

    """
    try:
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise ContractError(path, f"cannot be read: {error.strerror or error}") from error
    file = os.fdopen(number, "rb") if stat.S_ISREG(os.fstat(number).st_mode) else None
    if file is None:
        os.close(number)
        raise ContractError(path, "cannot be read: it is not a regular file")
    return file


def read_bytes(path: str | Path, limit: int = MOST_BYTES) -> bytes:
    """Return the content of a regular file of at most `limit` bytes.

    Raises:
        ContractError: the file cannot be read or is longer.

    """
    data = bytearray()
    with open_file(path) as file:
        try:
            while len(data) <= limit and (piece := file.read(PIECE_BYTES)):
                data += piece
        except OSError as error:
            raise ContractError(path, f"cannot be read: {error.strerror or error}") from error
    if len(data) > limit:
        raise ContractError(path, f"is longer than {limit:,} bytes, the limit for such a file")
    return bytes(data)


def read_json(path: str | Path, *, limit: int = MOST_BYTES, advice: str = "") -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Args:
        path: path of the file.
        limit: maximum size [bytes].
        advice: remedy if it cannot be read, such as "use --restart".

    Raises:
        ContractError: the file is missing or too long, or does not contain a JSON object.

    """
    return parse_json(read_bytes(path, limit), where=path, advice=advice)


def read_toml(path: str | Path, *, limit: int = MOST_BYTES) -> dict[str, Any]:
    """Return the tables of a TOML file; arguments and errors as for `read_json`."""
    return _parse(_toml, read_bytes(path, limit), path, "")


def _toml(data: bytes) -> dict[str, Any]:
    # The parser's time grows as the square of the dots in a key.
    if DEEP_KEY.search(data):
        raise RecursionError
    return tomllib.loads(data.decode())


def parse_json(data: bytes, *, where: object, advice: str = "") -> dict[str, Any]:
    """Return the object that a JSON document holds; `where` names it in errors, which are those of `read_json`."""
    return _parse(lambda data: json.loads(data.decode()), data, where, advice)


def parse_msgpack(message: bytes, *, where: object) -> dict[str, Any]:
    """Return the map in a msgpack message; no element can exceed the size of the message.

    Raises:
        ContractError: the message is not msgpack, or not a map.

    """
    try:
        found = msgpack.unpackb(message)
    except Exception as error:  # msgpack has no common base for malformed input
        raise ContractError(where, f"is not msgpack ({type(error).__name__})") from error
    if not isinstance(found, dict):
        raise ContractError(where, f"holds a {type(found).__name__}, expected a map")
    return found


def read_msgpack(path: str | Path, *, advice: str = "") -> Iterator[Any]:
    """Yield the messages of a file one by one, none longer than 64 MiB.

    Raises:
        ContractError: the file cannot be read, is truncated or contains a damaged message.

    """
    with open_file(path) as file:
        messages = msgpack.Unpacker(file, max_buffer_size=MOST_BYTES)
        end = 0  # of the last whole message
        while True:
            try:
                message = messages.unpack()
                end = messages.tell()
            except msgpack.OutOfData:
                if end != os.fstat(file.fileno()).st_size:
                    raise ContractError(path, _with("is cut off", advice)) from None
                return
            except Exception as error:  # as above
                raise ContractError(path, _with(f"is damaged ({type(error).__name__})", advice)) from error
            yield message


def _parse(parser: Callable[[bytes], Any], data: bytes, where: object, advice: str) -> dict[str, Any]:
    try:
        found = parser(data)
    except UnicodeDecodeError as error:
        raise ContractError(where, _with("cannot be read: is not a text file", advice)) from error
    except ValueError as error:
        raise ContractError(where, _with(f"syntax error: {error}", advice)) from error
    except RecursionError as error:
        raise ContractError(where, _with("is nested too deeply", advice)) from error
    if not isinstance(found, dict):
        raise ContractError(where, _with(f"holds a {type(found).__name__}, expected a table of fields", advice))
    return found


def _with(problem: str, advice: str) -> str:
    return f"{problem}; {advice}" if advice else problem

"""Lock a local Ray: a random token, known to this session's processes alone, without which it answers nobody.

Other users of the machine reach the loopback interface too. Ray reads the token from a file that the environment
names (`RAY_AUTH_MODE`, `RAY_AUTH_TOKEN_PATH`), and passes both on to the processes that it starts.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["own_environment", "private_token"]

TOKEN_BYTES = 32


@contextmanager
def own_environment() -> Iterator[None]:
    """Put back, at the end, the environment variables that are Ray's or that it sets."""
    before = _of_ray()
    try:
        yield
    finally:
        for name in _of_ray().keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _of_ray() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if name.startswith("RAY_") or name == "PYTHONBREAKPOINT"
    }


@contextmanager
def private_token() -> Iterator[Path]:
    """Make a Ray that this process starts ask for a fresh token; yield its file, which only this user can read.

    The user's own token in `~/.ray` is neither used nor made, and the file is gone at the end.
    """
    with TemporaryDirectory(prefix="steelyard-ray-") as folder:  # of mode 0700
        path = Path(folder, "token")
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(TOKEN_BYTES))
        try:
            with own_environment():
                # A token in the environment would go before that of the file, and other processes could see it there.
                os.environ.pop("RAY_AUTH_TOKEN", None)
                os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)}
                _read_environment()
                yield path
        finally:
            _read_environment()  # while the file is still there


def _read_environment() -> None:
    """Have a Ray that is loaded already read the environment again, which it does only once by itself."""
    if "ray" not in sys.modules:
        return
    with suppress(ImportError, AttributeError):  # inner parts of Ray, which another version may name otherwise
        inner = import_module("ray._raylet")
        # In this order: a thread of Ray's that is still ending must not look for a token in vain.
        inner.Config.initialize("")
        inner.AuthenticationTokenLoader.instance().reset_cache()

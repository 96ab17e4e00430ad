"""Access token of a local Ray: random, known only to the processes of this session.

Other users of the machine can reach the loopback interface too. Ray reads the token from a file named in the
environment (`RAY_AUTH_MODE`, `RAY_AUTH_TOKEN_PATH`) and passes both variables to the processes that it starts.
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
    """Restore Ray's environment variables, and those that it sets, at the end."""
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
    """Require a new token for a Ray started by this process; yield its file, readable only by this user.

    The user's own token in `~/.ray` is neither used nor created, and the file is deleted at the end.
    """
    with TemporaryDirectory(prefix="steelyard-ray-") as folder:  # of mode 0700
        path = Path(folder, "token")
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(TOKEN_BYTES))
        try:
            with own_environment():
                # A token in the environment would take precedence over the file and be visible to other processes.
                os.environ.pop("RAY_AUTH_TOKEN", None)
                os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path)}
                _read_environment()
                yield path
        finally:
            _read_environment()  # while the file still exists


def _read_environment() -> None:
    """Make an already loaded Ray reread the environment, which it otherwise does only once."""
    if "ray" not in sys.modules:
        return
    with suppress(ImportError, AttributeError):  # internals of Ray that may be named differently in other versions
        inner = import_module("ray._raylet")
        # In this order, so that a Ray thread that is still shutting down finds a token.
        inner.Config.initialize("")
        inner.AuthenticationTokenLoader.instance().reset_cache()

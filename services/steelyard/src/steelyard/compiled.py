"""Keep compiled programs between runs: the second fit of a shape does not wait for the compiler."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from platformdirs import user_cache_path

__all__ = ["keep_compiled"]

LEAST_SECONDS = 0.5
"""Of compilation; what is faster is not worth a file."""
LARGEST_BYTES = 2 * 2**30
"""Of the user's cache; the programs that were not used for longest go first."""


def keep_compiled(folder: Path | None = None) -> str | None:
    """Let JAX keep what it compiles; programs are told apart by processor, versions and options.

    Where the folder cannot be written to, nothing is kept, and the line that says so is returned: JAX would warn of
    every program.

    Args:
        folder: where, without a limit to its size; the user's cache if None, whose size is bounded.

    Variables of JAX's own in the environment, such as JAX_COMPILATION_CACHE_DIR, go first.

    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return None
    place = folder or user_cache_path("steelyard") / "compiled"
    if not _is_writable(place):
        return (
            f"compiled programs are not kept, {place} cannot be written to: JAX_COMPILATION_CACHE_DIR names another "
            "folder"
        )
    settings: dict[str, str | float] = {
        "jax_compilation_cache_dir": str(place),
        "jax_persistent_cache_min_compile_time_secs": LEAST_SECONDS,
    }
    if folder is None:
        settings["jax_compilation_cache_max_size"] = LARGEST_BYTES
    for name, value in settings.items():
        if name.upper() in os.environ:
            continue
        os.environ[name.upper()] = str(value)  # read by JAX when it is imported
        if "jax" in sys.modules:
            sys.modules["jax"].config.update(name, value)
    return None


def _is_writable(folder: Path) -> bool:
    if folder.parts[0] == "~":  # of a user without a home
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)

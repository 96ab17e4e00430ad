"""Persistent cache of compiled programs: a second fit of the same shapes skips compilation."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from platformdirs import user_cache_path

__all__ = ["keep_compiled"]

LEAST_SECONDS = 0.5
"""Minimum compile time [s] of a cached program; faster ones are not worth a file."""
LARGEST_BYTES = 2 * 2**30
"""Maximum size of the user's cache [bytes]; the least recently used programs are dropped first."""


def keep_compiled(folder: Path | None = None) -> str | None:
    """Enable JAX's compilation cache; its keys include processor, versions and options.

    If the folder is not writable, caching stays off (JAX would warn about every program) and a message is returned.

    Args:
        folder: cache folder, of unlimited size; by default the user's cache, whose size is limited.

    Returns:
        Message if nothing can be cached, else None.

    JAX's own environment variables, such as JAX_COMPILATION_CACHE_DIR, take precedence.

    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return None
    place = folder or user_cache_path("steelyard") / "compiled"
    if not _is_writable(place):
        return (
            f"compiled programs are not cached: {place} is not writable; set JAX_COMPILATION_CACHE_DIR to another "
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
    if folder.parts[0] == "~":  # user without a home directory
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)

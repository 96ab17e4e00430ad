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


def keep_compiled(folder: Path | None = None) -> None:
    """Let JAX keep what it compiles; programs are told apart by processor, versions and options.

    Args:
        folder: where, without a limit to its size; the user's cache if None, whose size is bounded.

    Variables of JAX's own in the environment, such as JAX_COMPILATION_CACHE_DIR, go first.

    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    settings: dict[str, str | float] = {
        "jax_compilation_cache_dir": str(folder or user_cache_path("steelyard") / "compiled"),
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

"""Weigh supermassive black holes from radio interferometry: fit, report and command line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard_schemas import Galaxy

    from steelyard.comparison import compare
    from steelyard.fitting import fit
    from steelyard.model_comparison import compare_models
    from steelyard.report import write_report
    from steelyard.simulation import simulate, simulate_like

__all__ = ["Galaxy", "compare", "compare_models", "fit", "simulate", "simulate_like", "write_report"]

_HOMES = {
    "Galaxy": "steelyard_schemas",
    "compare": "steelyard.comparison",
    "compare_models": "steelyard.model_comparison",
    "fit": "steelyard.fitting",
    "simulate": "steelyard.simulation",
    "simulate_like": "steelyard.simulation",
    "write_report": "steelyard.report",
}


def __getattr__(name: str) -> Any:
    """Import the public functions when they are first used: JAX and matplotlib take seconds to load."""
    if name not in _HOMES:
        raise AttributeError(f"module 'steelyard' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

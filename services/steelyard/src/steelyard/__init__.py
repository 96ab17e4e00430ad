"""Weigh supermassive black holes from radio interferometry: fit, report and command line."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from steelyard_schemas import Galaxy

    from steelyard.comparison.evidence import compare_models
    from steelyard.comparison.fits import compare
    from steelyard.fitting.run import fit
    from steelyard.galaxy.simulation import simulate, simulate_like
    from steelyard.report import write_report

__all__ = ["Galaxy", "compare", "compare_models", "fit", "simulate", "simulate_like", "write_report"]

_HOMES = {
    "Galaxy": "steelyard_schemas",
    "compare": "steelyard.comparison.fits",
    "compare_models": "steelyard.comparison.evidence",
    "fit": "steelyard.fitting.run",
    "simulate": "steelyard.galaxy.simulation",
    "simulate_like": "steelyard.galaxy.simulation",
    "write_report": "steelyard.report",
}


def __getattr__(name: str) -> Any:
    """Import public functions on first use: JAX and matplotlib take seconds to load."""
    if name not in _HOMES:
        raise AttributeError(f"module 'steelyard' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

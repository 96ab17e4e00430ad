"""Weigh supermassive black holes from radio interferometry: fit, report and command line."""

from steelyard_schemas import Galaxy

from steelyard.fitting import fit
from steelyard.report import write_report
from steelyard.simulation import simulate, simulate_like

__all__ = ["Galaxy", "fit", "simulate", "simulate_like", "write_report"]

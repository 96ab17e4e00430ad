from .comparison.evidence import compare_models
from .comparison.fits import compare
from .fitting.run import fit
from .galaxy.simulation import simulate, simulate_like
from .report import write_report

__all__ = ["compare", "compare_models", "fit", "simulate", "simulate_like", "write_report"]

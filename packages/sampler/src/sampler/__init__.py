"""Preconditioned MALA for a differentiable log-density, with diagnostics and checkpoints."""

from sampler.chains.checkpoint import Checkpoint, load_checkpoint
from sampler.chains.config import MalaConfig
from sampler.chains.result import SamplingResult
from sampler.chains.state import SamplerState
from sampler.density import Approximation, Monitor, SequentialDensity, evaluate
from sampler.devices import on_chain_devices, over_chains
from sampler.diagnostics import QUANTILES, Summary, summarize
from sampler.evidence.bridge import Evidence, log_evidence
from sampler.mode.newton import Peak
from sampler.mode.search import Mode, find_mode
from sampler.mode.verdicts import StartOutcome
from sampler.priors.base import Prior
from sampler.priors.distributions import LogUniform, Normal, Sine, Uniform
from sampler.priors.space import ParameterSpace
from sampler.progress import Progress
from sampler.run import sample

__all__ = [
    "QUANTILES",
    "Approximation",
    "Checkpoint",
    "Evidence",
    "LogUniform",
    "MalaConfig",
    "Mode",
    "Monitor",
    "Normal",
    "ParameterSpace",
    "Peak",
    "Prior",
    "Progress",
    "SamplerState",
    "SamplingResult",
    "SequentialDensity",
    "Sine",
    "StartOutcome",
    "Summary",
    "Uniform",
    "evaluate",
    "find_mode",
    "load_checkpoint",
    "log_evidence",
    "on_chain_devices",
    "over_chains",
    "sample",
    "summarize",
]

"""Preconditioned MALA for a differentiable log-density, with diagnostics and checkpoints."""

from sampler.bijections import LogUniform, Normal, Sine, Uniform
from sampler.bridge import Evidence, log_evidence
from sampler.checkpoint import Checkpoint, SamplerState, load_checkpoint
from sampler.config import MalaConfig
from sampler.density import Approximation, Monitor, OneByOne, evaluate
from sampler.devices import on_chain_devices, over_chains
from sampler.diagnostics import QUANTILES, Summary, summarize
from sampler.optimise import Mode, find_mode
from sampler.prior import Prior
from sampler.progress import Progress
from sampler.result import SamplingResult
from sampler.run import sample
from sampler.space import ParameterSpace
from sampler.starts import StartOutcome

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
    "OneByOne",
    "ParameterSpace",
    "Prior",
    "Progress",
    "SamplerState",
    "SamplingResult",
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

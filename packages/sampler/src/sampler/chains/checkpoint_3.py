"""Checkpoints of version 3, in which every state had the fields of both kernels: read, never written."""

import numpy as np

from sampler.chains.state import DELAYED_ACCEPTANCE, MALA, Chains, SamplerState

FORMAT_3 = "sampler-checkpoint-3"

_KEPT = ("step", "factor", "seconds", "n_gradients", "draws", "draw_log_density")
_MALA = ("step_size", "fisher", "fisher_count")
_ARCHIVE = ("archive_centre", "archive_points", "archive_projector")
_OTHERS = ("acceptance", "jump", "jump_acceptance", "n_jumps")

FIELDS_3 = frozenset({*_KEPT, *_MALA, *_ARCHIVE, *_OTHERS, *Chains._fields})
"""Names of the arrays of a state."""


def state_of_3(arrays: dict[str, np.ndarray]) -> SamplerState:
    """State from the arrays of version 3, whose `jump` was (step size, number of steps), zeros without jumps."""
    kernels = {MALA: {name: arrays[name] for name in _MALA}}
    acceptance = {MALA: arrays["acceptance"]}
    step_size, n_steps = arrays["jump"]
    if n_steps > 0:
        archive = {name: arrays[name] for name in _ARCHIVE}
        kernels[DELAYED_ACCEPTANCE] = {"step_size": np.array(step_size), "n_steps": np.array(n_steps), **archive}
        acceptance[DELAYED_ACCEPTANCE] = arrays["jump_acceptance"]
    return SamplerState(
        chains=Chains(*(arrays[name] for name in Chains._fields)),
        kernels=kernels,
        acceptance=acceptance,
        n_values=arrays["n_jumps"],
        **{name: arrays[name] for name in _KEPT},
    )

"""Settings of a sampling run."""

from dataclasses import asdict, dataclass

_BUDGET_FIELDS = frozenset({"target_rhat", "target_ess", "max_steps", "max_seconds", "checkpoint_seconds"})


@dataclass(frozen=True)
class MalaConfig:
    """Settings of `sample`; steps are counted per chain, and all chains step together.

    Attributes:
        n_chains: chains, at least 2 (R-hat compares them).
        n_warmup: adaptation steps (with an approximation: of the pilot), rounded up to whole blocks.
        block: steps per compiled program; progress is reported and Ctrl-C handled between blocks.
        target_rhat: every R-hat must be below this for a run to have converged.
        target_ess: every bulk and tail ESS must be above this.
        max_steps: sampling steps after which a run gives up, not converged; rounded up to whole blocks.
        max_seconds: wall-clock budget of warm-up and sampling together, over all resumptions, checked once
            sampling has begun; the step at which it ends a run depends on the machine. None: no limit.
        thin: keep every thin-th step; must divide block.
        seed: random seed.
        dispersion: factor by which the Gaussian at the mode, from which chains start, is widened.
        checkpoint_seconds: time between checkpoints, in seconds.

    Raises:
        ValueError: naming the first setting out of range.
    """

    n_chains: int = 4
    n_warmup: int = 600
    block: int = 25
    target_rhat: float = 1.01
    target_ess: float = 400.0
    max_steps: int = 20_000
    max_seconds: float | None = None
    thin: int = 1
    seed: int = 0
    dispersion: float = 1.0
    checkpoint_seconds: float = 30.0

    def __post_init__(self) -> None:
        checks = {
            "n_chains must be at least 2": self.n_chains >= 2,
            "n_warmup must be positive": self.n_warmup > 0,
            "block must be positive": self.block > 0,
            "thin must be positive and divide block": self.thin > 0 and self.block % self.thin == 0,
            "max_steps must keep at least 4 draws": self.max_steps >= 4 * max(self.thin, 1),
            "target_rhat must exceed 1": self.target_rhat > 1,
            "target_ess must be positive": self.target_ess > 0,
            "dispersion must be positive": self.dispersion > 0,
            "max_seconds must be positive": self.max_seconds is None or self.max_seconds > 0,
            "checkpoint_seconds must not be negative": self.checkpoint_seconds >= 0,
        }
        for message, holds in checks.items():
            if not holds:
                raise ValueError(f"MalaConfig: {message} ({self})")

    @property
    def warmup_steps(self) -> int:
        """n_warmup in whole blocks."""
        return -(-self.n_warmup // self.block) * self.block

    @property
    def sampling_steps(self) -> int:
        """max_steps in whole blocks."""
        return -(-self.max_steps // self.block) * self.block

    @property
    def identity(self) -> str:
        """All settings that change the chains; the budget may differ between a run and its resumption."""
        return repr(sorted((k, v) for k, v in asdict(self).items() if k not in _BUDGET_FIELDS))

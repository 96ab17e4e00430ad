"""Configuration of a training run."""

from dataclasses import asdict, dataclass
from itertools import pairwise

from steelyard_schemas.weights import MOST_WEIGHTS_BYTES

from nuker_surrogate.expansion.heads import HEADS, INPUTS, Head

HELD_OUT = 0.05
"""Fraction of the network's laws that is held out."""

MOST_SIGMA = 10_000
"""Largest number of Gaussians; a hundred times the finest grid that was of use. The fit's matrix has its square."""
BYTES_PER_WEIGHT = 4

_LINEAR_SETTINGS = frozenset({"linear_examples", "linear_faces", "linear_ridge"})
_NETWORK_SETTINGS = frozenset(
    {"examples", "faces", "label_steps", "loss_steps", "batch", "learning_rate", "label_ridge"}
)


@dataclass(frozen=True)
class TrainingConfig:
    """Settings that, together with the package version, reproduce the weights.

    Attributes:
        head: see `heads.combine`.
        n_sigma, smallest_pc, largest_pc: number and range of the log-uniform widths of the Gaussians [pc].
        mass_weight: weight of the enclosed mass relative to the profile.
        linear_examples, linear_faces, linear_ridge: settings of the linear deconvolution, see `fit_deconvolution`;
            faces is the probability of each parameter to lie on a face of the box.
        hidden: widths of the network's hidden layers.
        examples: number of laws for the network; a twentieth of them is held out.
        faces: probability of each of their parameters to lie on a face of the box.
        label_steps: steps of the network's first stage; 0 skips it, and the corrected head always does.
        loss_steps: steps of its second stage; 0 skips it.
        batch: laws per step.
        learning_rate: peak of the first stage's schedule; the second starts at a third of it.
        label_ridge: damping of the least-squares labels, and of the coefficients in the loss.
        seed: random seed of the laws, the initial weights and the batches.

    Raises:
        ValueError: the settings cannot train.
    """

    head: Head = "linear"
    n_sigma: int = 64
    smallest_pc: float = 1.0
    largest_pc: float = 1e4
    mass_weight: float = 1.0
    linear_examples: int = 40_000
    linear_faces: float = 0.05
    linear_ridge: float = 3e-4
    hidden: tuple[int, ...] = (64, 64, 64)
    examples: int = 60_000
    faces: float = 0.2
    label_steps: int = 12_000
    loss_steps: int = 30_000
    batch: int = 512
    learning_rate: float = 3e-3
    label_ridge: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings that the head uses."""
        if self.head not in HEADS:
            raise ValueError(f"head is {self.head!r}, expected {', '.join(HEADS[:-1])} or {HEADS[-1]}")
        if self.n_sigma > MOST_SIGMA:
            raise ValueError(f"n_sigma is {self.n_sigma}, expected {MOST_SIGMA:,} or fewer")
        if self.n_sigma < 2 or not 0 < self.smallest_pc < self.largest_pc or self.mass_weight < 0:
            raise ValueError(
                "n_sigma must be 2 or more, smallest_pc above 0 and below largest_pc, and mass_weight 0 or more"
            )
        if self.has_linear_part and (self.linear_examples < 1 or not 0 <= self.linear_faces < 1):
            raise ValueError("linear_examples must be 1 or more, and linear_faces in [0, 1)")
        if self.has_network:
            self._check_network()

    def _check_network(self) -> None:
        if not self.hidden or min(self.hidden) < 1:
            raise ValueError(f"hidden is {self.hidden}, expected at least one width of 1 or more")
        check_widths((len(INPUTS), *self.hidden, self.n_sigma))
        if self.batch < 1 or self.examples * HELD_OUT < 1 or not 0 <= self.faces < 1:
            raise ValueError("batch must be 1 or more, examples 20 or more and faces in [0, 1)")
        steps = (self.loss_steps,) if self.head == "corrected" else (self.label_steps, self.loss_steps)
        if min(self.label_steps, *steps) < 0 or sum(steps) == 0:
            raise ValueError(
                "label_steps and loss_steps must be 0 or more, and a stage that the head uses must have some"
            )

    @property
    def has_network(self) -> bool:
        """Whether the head contains a network."""
        return self.head != "linear"

    @property
    def has_linear_part(self) -> bool:
        """Whether the head contains the linear deconvolution."""
        return self.head in ("linear", "corrected")

    def as_dict(self) -> dict[str, str | int | float | bool | tuple[float, ...]]:
        """Settings that the head uses, as plain values for a manifest."""
        unused = set() if self.has_linear_part else set(_LINEAR_SETTINGS)
        if not self.has_network:
            unused |= _NETWORK_SETTINGS
        values = {name: value for name, value in asdict(self).items() if name not in unused}
        return values if self.has_network else values | {"hidden": ()}


def check_widths(widths: tuple[int, ...]) -> None:
    """Refuse a network of more weights than a file of weights may hold, before any of them is allocated.

    Args:
        widths: of inputs, hidden layers and outputs.

    Raises:
        ValueError: there are more.
    """
    n_weights = sum((a + 1) * b for a, b in pairwise(widths))
    most = MOST_WEIGHTS_BYTES // BYTES_PER_WEIGHT
    if n_weights > most:
        raise ValueError(f"layers of {widths} have more weights than the {most:,} of a file: make them narrower")

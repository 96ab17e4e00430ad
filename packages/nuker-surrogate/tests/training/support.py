"""What tests of training share."""

from nuker_surrogate.training.config import TrainingConfig

SMALL = TrainingConfig(
    head="corrected",
    linear_examples=400,
    hidden=(16, 16),
    examples=600,
    label_steps=300,
    loss_steps=300,
    batch=64,
)

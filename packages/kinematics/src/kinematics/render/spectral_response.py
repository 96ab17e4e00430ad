"""Spectral response: what a correlator's window makes of channels that the model takes for top-hats."""

from __future__ import annotations

from typing import Literal

from jax import Array

from kinematics.grids import VelocityGrid

__all__ = ["SpectralResponse", "smooth_channels", "with_margin"]

type SpectralResponse = Literal["top_hat", "hanning"]


def with_margin(channels: VelocityGrid, response: SpectralResponse) -> VelocityGrid:
    """Return the channels to model, from which `smooth_channels` makes those of the data: one more on either side.

    A top-hat needs no more.
    """
    if response == "top_hat":
        return channels
    return VelocityGrid(channels.first_kms + channels.width_kms, channels.width_kms, channels.n_channels + 2)


def smooth_channels(values: Array, response: SpectralResponse) -> Array:
    """Apply a spectral response along the first axis: nothing for top-hats, else 1/4, 1/2, 1/4 of three neighbours.

    Hanning smoothing multiplies the lag spectrum by (1 + cos(pi tau / tau_max)) / 2, which is this convolution of
    the channels (Thompson, Moran & Swenson 2017, chapter 8). ALMA's correlator does it by default. It belongs to
    the correlator's own channels: where N of those were averaged afterwards, the response of an averaged channel is a
    top-hat but for its edges, and for N >= 4 the top-hat describes it better.

    Args:
        values: flux densities or visibilities of the channels of `with_margin`, shape (channel + 2, ...) for
            `hanning`, (channel, ...) for `top_hat`.
        response: of the channels (static).

    Returns:
        The same of the data's channels, shape (channel, ...).

    """
    if response == "top_hat":
        return values
    return 0.25 * (values[:-2] + values[2:]) + 0.5 * values[1:-1]

"""Spectral response of a correlator, applied to the top-hat channels of the model."""

from __future__ import annotations

from typing import Literal

from jax import Array

from kinematics.grids import VelocityGrid

__all__ = ["SpectralResponse", "smooth_channels", "with_margin"]

type SpectralResponse = Literal["top_hat", "hanning"]


def with_margin(channels: VelocityGrid, response: SpectralResponse) -> VelocityGrid:
    """Return the channels to model before `smooth_channels`: one more on either side, none for a top-hat."""
    if response == "top_hat":
        return channels
    return VelocityGrid(channels.first_kms + channels.width_kms, channels.width_kms, channels.n_channels + 2)


def smooth_channels(values: Array, response: SpectralResponse) -> Array:
    """Apply a spectral response along the first axis: weights 1/4, 1/2, 1/4 for `hanning`, none for `top_hat`.

    Hanning smoothing multiplies the lag spectrum by (1 + cos(pi tau / tau_max)) / 2, which is this convolution of
    the channels (Thompson, Moran & Swenson 2017, chapter 8). ALMA's correlator applies it by default. It applies to
    the native channels: after averaging N of them the response is a top-hat except at its edges, and for N >= 4 a
    top-hat describes it better.

    Args:
        values: flux densities or visibilities of the channels of `with_margin`, shape (channel + 2, ...) for
            `hanning`, (channel, ...) for `top_hat`.
        response: spectral response of the channels (static).

    Returns:
        Smoothed values in the channels of the data, shape (channel, ...).

    """
    if response == "top_hat":
        return values
    return 0.25 * (values[:-2] + values[2:]) + 0.5 * values[1:-1]

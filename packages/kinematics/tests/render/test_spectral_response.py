"""Hanning smoothing against its definition as a window on the lags."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import VelocityGrid, smooth_channels, with_margin


def test_hanning_is_the_raised_cosine_on_the_lags():
    rng = np.random.default_rng(0)
    periodic = rng.standard_normal((64, 3)) + 1j * rng.standard_normal((64, 3))
    lag = np.fft.fftfreq(64)[:, None]
    expected = np.fft.fft(np.fft.ifft(periodic, axis=0) * 0.5 * (1 + np.cos(2 * np.pi * lag)), axis=0)
    padded = np.concatenate([periodic[-1:], periodic, periodic[:1]])
    np.testing.assert_allclose(smooth_channels(jnp.asarray(padded), "hanning"), expected, atol=1e-14)


def test_flux_and_mean_stay_and_the_line_widens_by_half_a_channel_squared():
    channel = np.arange(40.0)
    line = np.exp(-0.5 * ((channel - 19.3) / 2.0) ** 2)
    smooth = np.asarray(smooth_channels(jnp.asarray(np.pad(line, 1)), "hanning"))
    assert smooth.sum() == pytest.approx(line.sum())
    mean, wider = (np.average(channel, weights=w) for w in (line, smooth))
    assert wider == pytest.approx(mean)
    variance = [np.average((channel - mean) ** 2, weights=w) for w in (line, smooth)]
    # Shifts of one channel with a probability of a quarter each: a variance of a half.
    assert variance[1] - variance[0] == pytest.approx(0.5, rel=1e-9)


def test_margins():
    data = VelocityGrid(first_kms=300.0, width_kms=10.0, n_channels=20)
    wide = with_margin(data, "hanning")
    np.testing.assert_allclose(wide.centres_kms[1:-1], data.centres_kms)
    assert with_margin(data, "top_hat") == data
    values = jnp.ones((20, 2), jnp.complex64)
    assert smooth_channels(values, "top_hat") is values
    assert smooth_channels(jnp.ones((22, 2), jnp.complex64), "hanning").dtype == jnp.complex64


def test_gradient_is_the_transpose():
    gradient = jax.grad(lambda v: jnp.sum(jnp.asarray([1.0, 10.0]) * smooth_channels(v, "hanning")))(jnp.ones(4))
    np.testing.assert_allclose(gradient, [0.25, 3.0, 5.25, 2.5])

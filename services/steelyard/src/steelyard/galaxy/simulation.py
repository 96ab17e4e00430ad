"""Mock observations of a galaxy's [truth], with an array or on the baselines of an existing data set."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from kinematics import (
    BAND_LIMITED,
    C_KMS,
    PointSource,
    SkyGrid,
    UvTrack,
    VelocityGrid,
    attenuation_at,
    observe,
    primary_beam,
    track_of,
    uv_track,
)
from steelyard_schemas import ContractError, Galaxy, Observation, Store, Visibilities, read_bytes

from steelyard.galaxy.accuracy import LEVELS, choose_subcells
from steelyard.galaxy.grid import ModelGrid
from steelyard.galaxy.limits import check_memory, check_simulation
from steelyard.galaxy.model import GalaxyModel

__all__ = ["Antennas", "channels_around", "read_antennas", "simulate", "simulate_like"]

ALMA_LATITUDE_DEG = -23.0229
# Finer pixels, and with them finer subcells, than in a fit, so that the data do not share its errors.
SIMULATED_REFINEMENT = 2.0


class Antennas(NamedTuple):
    """Antennas of an array."""

    enu_m: np.ndarray
    """Positions east, north and up [m], shape (antenna, 3)."""
    dish_diameter_m: float
    """Dish diameter [m]."""


def read_antennas(path: str | Path) -> Antennas:
    """Read a CASA configuration file in local tangent-plane coordinates (columns x y z diameter pad).

    Raises:
        ContractError: the file has another format or other coordinates.

    """
    path = Path(path)
    try:
        text = read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise ContractError(path, f"cannot be read as an antenna list ({type(error).__name__})") from error
    header = " ".join(line for line in text.splitlines() if line.startswith("#")).lower()
    if "coordsys" in header and "loc" not in header.split("coordsys", 1)[1][:24]:
        raise ContractError(path, "antenna positions are not in local tangent-plane coordinates (coordsys=LOC)")
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        numbers = np.array([[float(cell) for cell in row[:4]] for row in rows])
        if numbers.ndim != 2 or numbers.shape[1] != 4 or len(numbers) < 2:
            raise ValueError("two or more antennas are needed")
    except ValueError as error:
        raise ContractError(path, f"is not an antenna list of columns x y z diameter ({error})") from error
    return Antennas(numbers[:, :3], float(np.median(numbers[:, 3])))


def channels_around(galaxy: Galaxy, n_channels: int, width_kms: float) -> tuple[np.ndarray, float]:
    """Return ascending channel frequencies [Hz] centred on the galaxy's line, and their width.

    Args:
        galaxy: galaxy with its systemic velocity in `truth`.
        n_channels: number of channels.
        width_kms: channel width in the galaxy's frame [km/s], at the line's centre.

    Returns:
        Frequencies [Hz], shape (channel,), and channel width [Hz].

    """
    observed_hz = galaxy.line.rest_frequency_hz * (1 - true_parameters(galaxy)["vsys_kms"] / C_KMS)
    width_hz = observed_hz * width_kms / C_KMS
    return observed_hz + width_hz * (np.arange(n_channels) - (n_channels - 1) / 2), width_hz


def simulate(
    galaxy: Galaxy,
    antennas: Antennas,
    *,
    declination_deg: float,
    hours: float,
    integration_s: float,
    n_channels: int,
    channel_width_kms: float,
    noise_jy: float,
    seed: int = 1,
    latitude_deg: float = ALMA_LATITUDE_DEG,
) -> Store[Visibilities]:
    """Simulate an observation of a galaxy's [truth] with an array, on a track centred on transit.

    Args:
        galaxy: galaxy with every parameter in `truth` and a [data.grid] for the model image.
        antennas: antennas of the array.
        declination_deg: declination of the target [deg].
        hours: length of the track [h].
        integration_s: integration time [s].
        n_channels: number of channels, centred on the systemic velocity.
        channel_width_kms: channel width in the galaxy's frame [km/s].
        noise_jy: standard deviation of the real part of one Stokes I visibility [Jy].
        seed: random seed for the noise.
        latitude_deg: latitude of the array [deg].

    Returns:
        Simulated visibilities.

    Raises:
        ContractError: numbers beyond their limits (`steelyard.galaxy.limits`), more data than fit in memory, or a
        galaxy
            file without [truth] or [data.grid].

    """
    check_simulation(
        declination_deg=declination_deg,
        hours=hours,
        integration_s=integration_s,
        n_channels=n_channels,
        channel_width_kms=channel_width_kms,
        noise_jy=noise_jy,
        seed=seed,
    )
    n_antennas = len(antennas.enu_m)
    check_memory(galaxy, 0.5 * n_antennas * (n_antennas - 1) * hours * 3600 / integration_s, n_channels)
    track = uv_track(antennas.enu_m, latitude_deg, declination_deg, -hours / 2, hours / 2, integration_s)
    frequency, _ = channels_around(galaxy, n_channels, channel_width_kms)
    observation = Observation(
        target=galaxy.name,
        telescope="simulated",
        dish_diameter_m=antennas.dish_diameter_m,
        phase_centre_ra_deg=0.0,
        phase_centre_dec_deg=declination_deg,
        frequency_frame="LSRK",
        rest_frequency_hz=galaxy.line.rest_frequency_hz,
    )
    return _observe(galaxy, frequency, track, observation, noise_jy, seed)


def simulate_like(galaxy: Galaxy, data: Store[Visibilities], noise_jy: float, seed: int = 1) -> Store[Visibilities]:
    """Simulate a galaxy's [truth] on the baselines, times and channels of an existing data set.

    Raises:
        ContractError: as `simulate`.
    """
    check_simulation(noise_jy=noise_jy, seed=seed)
    check_memory(galaxy, *data["vis"].shape)
    return _observe(galaxy, data["frequency_hz"], track_of(data), data.manifest.observation, noise_jy, seed)


def true_parameters(galaxy: Galaxy) -> dict[str, float]:
    """Return the [truth] of a galaxy file, with the distance filled in.

    Raises:
        ContractError: a parameter of the model is missing.

    """
    truth = {"distance_mpc": galaxy.distance.mpc, **galaxy.truth}
    if missing := [p.name for p in galaxy.parameters if p.name not in truth]:
        raise ContractError(galaxy.name, f"[truth] lacks {', '.join(missing)}: a simulation needs every parameter")
    return truth


def _observe(
    galaxy: Galaxy, frequency_hz: np.ndarray, track: UvTrack, observation: Observation, noise_jy: float, seed: int
) -> Store[Visibilities]:
    if galaxy.data.grid is None:
        raise ContractError(
            galaxy.name, "a simulation needs [data.grid], the pixels of the model image: add it to the galaxy file"
        )
    wanted = galaxy.data.grid
    sky = SkyGrid(wanted.npix, wanted.cell_arcsec).refined(SIMULATED_REFINEMENT)
    width_hz = float(np.diff(frequency_hz).mean())
    channels = VelocityGrid.from_frequencies(frequency_hz, width_hz, galaxy.line.rest_frequency_hz)
    dish = observation.dish_diameter_m
    beam, pattern = np.ones((sky.npix, sky.npix)), galaxy.data.primary_beam
    if dish is not None and pattern != "none":
        beam = primary_beam(sky, dish, float(frequency_hz.mean()), pattern)
    attenuation = jnp.asarray(beam, jnp.float32)
    model = GalaxyModel.of(galaxy, ModelGrid(wanted.npix, wanted.cell_arcsec, channels, attenuation))
    truth = true_parameters(galaxy)
    model = model.with_levels(LEVELS[choose_subcells(model, truth).subcells])
    cube = jax.jit(partial(model.cube, pixel=BAND_LIMITED))(truth)
    x, y = truth["x0_arcsec"], truth["y0_arcsec"]
    seen = model.absorbed_flux(truth) * attenuation_at(attenuation, model.grid.sky, x, y)
    nucleus = PointSource(x, y, np.asarray(seen))
    try:
        return observe(cube, sky, frequency_hz, track, observation, noise_jy, seed, BAND_LIMITED, nucleus)
    except ValueError as error:
        raise ContractError(galaxy.name, str(error)) from error

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kinematics import (
    BOX,
    DEFAULT_LEVELS,
    MGE,
    BlackHole,
    Disc,
    ExponentialDisc,
    Geometry,
    ProjectedMge,
    RotationCurve,
    SkyGrid,
    VelocityGrid,
    circular_velocity,
    log_radii,
    pc_per_arcsec,
    render_cube,
)


@pytest.fixture(autouse=True)
def _float64():
    """Double precision by default, so that tolerances measure the method; float32 tests say so themselves."""
    with jax.enable_x64(True):
        yield


class Problem(NamedTuple):
    """A galaxy and its channels, which hold the receding half of the line and a few beyond vsys."""

    disc: Disc
    geometry: Geometry
    channels: VelocityGrid
    distance_mpc: float
    mge: MGE
    log10_mbh: float
    flux_jykms: float
    sigma_gas_kms: float

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything that a fit would vary."""
        return {
            **{name: value for name, value in self.geometry._asdict().items() if value is not None},
            "scale_arcsec": self.disc.scale_arcsec,
            "log10_mbh": self.log10_mbh,
            "mass_factor": 1.0,
            "q": float(np.mean(self.mge.q)),
            "flux_jykms": self.flux_jykms,
            "sigma_gas_kms": self.sigma_gas_kms,
        }

    def curve(self, dtype=jnp.float64, **changed) -> RotationCurve:
        p = {**self.parameters, **changed}
        radii, step = log_radii(5e-4, 60.0, 400)
        p = {name: jnp.asarray(value, dtype) for name, value in p.items()}
        q = changed.get("q", self.mge.q)
        mge = MGE(self.mge.surface_density_msun_pc2 * p["mass_factor"], self.mge.sigma_pc, q)
        scaled = jnp.asarray(radii * pc_per_arcsec(self.distance_mpc), dtype)
        velocity = circular_velocity(
            scaled, (ProjectedMge(mge, p["inclination_rad"]), BlackHole(10.0 ** p["log10_mbh"]))
        )
        return RotationCurve(jnp.asarray(radii[0], dtype), jnp.asarray(step, dtype), velocity)

    def cube(self, sky: SkyGrid, levels=DEFAULT_LEVELS, dtype=jnp.float64, pixel=BOX, attenuation=None, **changed):
        p = {**self.parameters, **changed}
        # NumPy's own scalars would promote everything to double.
        p = {name: jnp.asarray(value, dtype) for name, value in p.items()}
        geometry = Geometry(**{name: p[name] for name in Geometry._fields if name in p})
        return render_cube(
            ExponentialDisc(p["scale_arcsec"]),
            geometry,
            self.curve(dtype, **changed),
            p["flux_jykms"],
            p["sigma_gas_kms"],
            sky,
            self.channels,
            levels,
            attenuation=attenuation,
            pixel=pixel,
        )


@pytest.fixture
def wide_line() -> Problem:
    """Inclination 64 deg, dispersion 8 km/s in channels of 16 km/s."""
    scale = pc_per_arcsec(16.5)
    return Problem(
        disc=ExponentialDisc(1.1),
        geometry=Geometry(np.radians(64.0), np.radians(128.0), -0.06, 0.11, 1710.0),
        channels=VelocityGrid(1710.0 + 16 * 24.5, 16.0, 28),
        distance_mpc=16.5,
        mge=MGE(np.array([3e4, 2e4, 1e4, 5e3]), scale * np.array([0.15, 0.6, 2.0, 6.0]), 0.75),
        log10_mbh=8.45,
        flux_jykms=12.0,
        sigma_gas_kms=8.0,
    )


@pytest.fixture
def narrow_line() -> Problem:
    """Inclination 76.1 deg, dispersion 2.5 km/s in channels of 12 km/s: sharp isovelocity stripes."""
    scale = pc_per_arcsec(11.4)
    return Problem(
        disc=ExponentialDisc(1.3),
        geometry=Geometry(np.radians(76.1), np.radians(246.2), 0.08, -0.05, 1252.0),
        channels=VelocityGrid(1252.0 + 12 * 24.5, 12.0, 28),
        distance_mpc=11.4,
        mge=MGE(
            2.14 * np.array([379315.0, 60674.0, 27861.0, 17338.0, 11508.0, 4989.0, 2061.0]),
            scale * np.array([0.0524, 0.1866, 0.456, 0.9863, 2.328, 4.624, 6.442]),
            np.array([0.93, 0.99, 0.86, 0.71, 0.5, 0.65, 0.22]),
        ),
        log10_mbh=8.114,
        flux_jykms=8.0,
        sigma_gas_kms=2.5,
    )

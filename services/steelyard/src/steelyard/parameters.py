"""Which parameters a galaxy has, their priors (defaults from the data) and their map to the sampler."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import sampler
from kinematics import C_KMS, radio_velocity_kms
from steelyard_schemas import ContractError, Galaxy
from steelyard_schemas.galaxy import NukerStars
from steelyard_schemas.priors import Fixed, LogUniform, Normal, Prior, Sine, Uniform

from steelyard.first_look import FirstLook

__all__ = ["PARAMETERS", "Parameter", "Parameters", "resolve_parameters", "sampler_prior"]


class Parameter(NamedTuple):
    """Unit, plot label and what it means."""

    unit: str
    label: str


PARAMETERS: dict[str, Parameter] = {
    "log10_mbh": Parameter("dex(Msun)", r"$\log_{10} M_{\rm BH}$"),
    "log10_sigma_b": Parameter("dex(Msun pc^-2)", r"$\log_{10} \Sigma_b$"),
    "alpha": Parameter("", r"$\alpha$"),
    "gamma": Parameter("", r"$\gamma$"),
    "beta_minus_gamma": Parameter("", r"$\beta-\gamma$"),
    "log10_r_b_pc": Parameter("dex(pc)", r"$\log_{10} r_b$"),
    "q": Parameter("", r"$q$"),
    "mass_to_light": Parameter("Msun/Lsun", r"$M/L$"),
    "inclination_deg": Parameter("deg", r"$i$"),
    "pa_deg": Parameter("deg", r"PA"),
    "vsys_kms": Parameter("km/s", r"$v_{\rm sys}$"),
    "x0_arcsec": Parameter("arcsec", r"$x_0$"),
    "y0_arcsec": Parameter("arcsec", r"$y_0$"),
    "sigma_gas_kms": Parameter("km/s", r"$\sigma_{\rm gas}$"),
    "sigma_gas_outer_kms": Parameter("km/s", r"$\sigma_{\rm gas,\infty}$"),
    "sigma_gas_scale_arcsec": Parameter("arcsec", r"$R_\sigma$"),
    "pa_gradient_deg_per_arcsec": Parameter("deg/arcsec", r"${\rm d\,PA}/{\rm d}R$"),
    "inclination_gradient_deg_per_arcsec": Parameter("deg/arcsec", r"${\rm d}i/{\rm d}R$"),
    "disc_scale_arcsec": Parameter("arcsec", r"$h$"),
    "hole_radius_arcsec": Parameter("arcsec", r"$R_{\rm hole}$"),
    "ring_radius_arcsec": Parameter("arcsec", r"$R_{\rm ring}$"),
    "ring_width_arcsec": Parameter("arcsec", r"$w_{\rm ring}$"),
    "flux_jykms": Parameter("Jy km/s", r"$F$"),
    "absorber_tau": Parameter("", r"$\tau_{\rm abs}$"),
    "absorber_velocity_kms": Parameter("km/s", r"$v_{\rm abs}$"),
    "absorber_sigma_kms": Parameter("km/s", r"$\sigma_{\rm abs}$"),
    "log10_gas_mass": Parameter("dex(Msun)", r"$\log_{10} M_{\rm gas}$"),
    "log10_m200": Parameter("dex(Msun)", r"$\log_{10} M_{200}$"),
    "log10_c200": Parameter("", r"$\log_{10} c_{200}$"),
    "distance_mpc": Parameter("Mpc", r"$D$"),
}

REDSHIFT_REACH_KMS = 300.0
"""Half width, in the galaxy's frame, of the prior of the systemic velocity about a redshift given."""
_NUKER = ("log10_sigma_b", "alpha", "gamma", "beta_minus_gamma", "log10_r_b_pc", "q")
_GEOMETRY = ("inclination_deg", "pa_deg", "vsys_kms", "x0_arcsec", "y0_arcsec", "sigma_gas_kms")
_DISC = {
    "exponential": ("disc_scale_arcsec",),
    "exponential_hole": ("disc_scale_arcsec", "hole_radius_arcsec"),
    "ring": ("ring_radius_arcsec", "ring_width_arcsec"),
    "table": (),
}
_DISPERSION = {"constant": (), "exponential": ("sigma_gas_outer_kms", "sigma_gas_scale_arcsec")}
_WARP = ("pa_gradient_deg_per_arcsec", "inclination_gradient_deg_per_arcsec")
_ABSORBER = ("absorber_tau", "absorber_velocity_kms", "absorber_sigma_kms")
_HALO = ("log10_m200", "log10_c200")


class Parameters(NamedTuple):
    """Priors of the sampled parameters, in the order of the sampler's vector, and the space they span."""

    priors: Mapping[str, Prior]
    space: sampler.ParameterSpace

    @property
    def names(self) -> tuple[str, ...]:
        """Sampled parameters."""
        return self.space.names

    @property
    def fixed(self) -> dict[str, float]:
        """Parameters that are not sampled."""
        return dict(self.space.fixed)


def active_names(galaxy: Galaxy) -> tuple[str, ...]:
    """Return every parameter that the galaxy's model has, sampled or fixed."""
    disc = galaxy.disc
    stars = _NUKER if isinstance(galaxy.stars, NukerStars) else ("mass_to_light",)
    gas = ("log10_gas_mass",) if disc.self_gravity else ()
    warp = () if disc.warp is None else _WARP
    halo = () if galaxy.halo is None else _HALO
    absorber = () if galaxy.absorber is None else _ABSORBER
    shape = (*_GEOMETRY, *_DISPERSION[disc.dispersion], *warp, *_DISC[disc.profile], "flux_jykms")
    return ("log10_mbh", *stars, *shape, *absorber, *gas, *halo, "distance_mpc")


def resolve_parameters(galaxy: Galaxy, look: FirstLook) -> Parameters:
    """Fill in the priors that the galaxy file leaves to the data, and split off what is fixed.

    Raises:
        ContractError: every parameter is fixed, or the data do not cover the line at the redshift given.

    """
    defaults = default_priors(look)
    if galaxy.line.redshift is not None:
        defaults["vsys_kms"] = _about_redshift(galaxy, galaxy.line.redshift, look)
    given = {name: _given_prior(galaxy, name) or defaults[name] for name in active_names(galaxy)}
    sampled = {name: prior for name, prior in given.items() if not isinstance(prior, Fixed)}
    if not sampled:
        raise ContractError(galaxy.name, "priors: every parameter is fixed; nothing is left to sample")
    return Parameters(sampled, sampler.ParameterSpace({name: sampler_prior(prior) for name, prior in given.items()}))


def _given_prior(galaxy: Galaxy, name: str) -> Prior | None:
    if name != "distance_mpc":
        return getattr(galaxy.priors, name)
    distance = galaxy.distance
    if distance.sd_mpc is None:
        return Fixed(value=distance.mpc)
    return Normal(mean=distance.mpc, sd=distance.sd_mpc, low=distance.mpc / 10)


def _about_redshift(galaxy: Galaxy, z: float, look: FirstLook) -> Prior:
    """Uniform prior of the systemic velocity, radio definition, about a redshift and within the band."""
    middle = radio_velocity_kms(z)
    half = REDSHIFT_REACH_KMS / (1 + z)
    low, high = max(middle - half, look.velocity_min_kms), min(middle + half, look.velocity_max_kms)
    if not low < high:
        rest_ghz = galaxy.line.rest_frequency_hz / 1e9
        edges = [rest_ghz * (1 - v / C_KMS) for v in (look.velocity_max_kms, look.velocity_min_kms)]
        raise ContractError(
            galaxy.name,
            f"line.redshift = {z:g} puts {galaxy.line.name} at {rest_ghz / (1 + z):.6g} GHz, but the data cover "
            f"{edges[0]:.6g} to {edges[1]:.6g} GHz: check redshift and rest frequency",
        )
    return Uniform(low=low, high=high)


def default_priors(look: FirstLook) -> dict[str, Prior]:
    """Wide priors on what the data themselves bound: place, size, velocity and flux."""
    quarter = look.field_arcsec / 4
    size = LogUniform(low=look.cell_arcsec / 4, high=look.field_arcsec / 2)
    return {
        # The whole circle, cut opposite to where the velocity gradient points.
        "pa_deg": Uniform(low=look.pa_deg - 180, high=look.pa_deg + 180),
        "vsys_kms": Uniform(low=look.velocity_min_kms, high=look.velocity_max_kms),
        "x0_arcsec": Uniform(low=-quarter, high=quarter),
        "y0_arcsec": Uniform(low=-quarter, high=quarter),
        "disc_scale_arcsec": size,
        "hole_radius_arcsec": size,
        "ring_radius_arcsec": size,
        "ring_width_arcsec": size,
        "sigma_gas_scale_arcsec": size,
        # Ten degrees over the radius that the gas reaches: most discs are flatter.
        "pa_gradient_deg_per_arcsec": Normal(mean=0.0, sd=10 / look.radius_arcsec),
        "inclination_gradient_deg_per_arcsec": Normal(mean=0.0, sd=10 / look.radius_arcsec),
        "flux_jykms": LogUniform(low=look.flux_jykms / 30, high=look.flux_jykms * 30),
    }


def sampler_prior(prior: Prior) -> sampler.Prior | float:
    """Return a galaxy file's prior as the sampler knows it; a fixed value as a number."""
    match prior:
        case Fixed():
            return prior.value
        case Uniform():
            return sampler.Uniform(prior.low, prior.high)
        case LogUniform():
            return sampler.LogUniform(prior.low, prior.high)
        case Sine():
            return sampler.Sine(prior.low, prior.high, degrees=True)
        case Normal():
            low = -math.inf if prior.low is None else prior.low
            high = math.inf if prior.high is None else prior.high
            return sampler.Normal(prior.mean, prior.sd, low, high)

"""Mass ingredients: the black hole, present in every galaxy, and optional further components."""

from __future__ import annotations

from typing import Literal

from steelyard_schemas.ingredients.parameter import Parameter
from steelyard_schemas.ingredients.record import Ingredient
from steelyard_schemas.priors import LogUniform, Normal, Uniform

__all__ = ["BlackHole", "GasDisc", "MassComponent", "NfwHalo", "NuclearCluster"]


class BlackHole(Ingredient):
    """Point mass at the disc's centre."""

    kind: Literal["black_hole"] = "black_hole"

    title = "black hole"
    parameters = (
        Parameter(
            name="log10_mbh",
            unit="dex(Msun)",
            label=r"$\log_{10} M_{\rm BH}$",
            meaning="black-hole mass [Msun]",
            prior=Uniform(low=4.0, high=10.5),
            curve_only=True,
        ),
    )


class MassComponent(Ingredient):
    """Family of mass components besides stars and black hole; a galaxy may have each of them once."""

    kind: str

    def problem_with(self, profile: str) -> str | None:
        """Return why the component is incompatible with a profile of the gas disc; None if it is compatible."""
        return None


class GasDisc(MassComponent):
    """Self-gravity of the gas, a thin exponential disc (Freeman 1970) with the scale length of its light."""

    kind: Literal["gas_disc"] = "gas_disc"

    title = "gas"
    parameters = (
        Parameter(
            name="log10_gas_mass",
            unit="dex(Msun)",
            label=r"$\log_{10} M_{\rm gas}$",
            meaning="gas mass for self-gravity [Msun]",
            prior=Uniform(low=5.0, high=11.0),
            curve_only=True,
        ),
    )

    def problem_with(self, profile: str) -> str | None:
        """Return a problem unless the profile is exponential."""
        if profile == "exponential":
            return None
        return f"'gas_disc' is the gravity of an exponential disc; the profile is '{profile}'"


class NfwHalo(MassComponent):
    """Dark-matter halo with the profile of Navarro, Frenk & White (1997)."""

    kind: Literal["nfw"] = "nfw"

    title = "halo"
    parameters = (
        Parameter(
            name="log10_m200",
            unit="dex(Msun)",
            label=r"$\log_{10} M_{200}$",
            meaning="halo mass within 200 critical densities at the galaxy's redshift, H0 = 70, Omega_m = 0.3 [Msun]",
            prior=Uniform(low=9.0, high=14.0),
            curve_only=True,
        ),
        Parameter(
            name="log10_c200",
            unit="",
            label=r"$\log_{10} c_{200}$",
            meaning="halo concentration r_200 / r_s",
            prior=Normal(mean=0.95, sd=0.2, low=0.0, high=2.0),
            curve_only=True,
        ),
    )


class NuclearCluster(MassComponent):
    """Nuclear star cluster, a Plummer (1911) sphere at the disc's centre."""

    kind: Literal["plummer"] = "plummer"

    title = "nuclear cluster"
    parameters = (
        Parameter(
            name="log10_cluster_mass",
            unit="dex(Msun)",
            label=r"$\log_{10} M_{\rm NSC}$",
            meaning="mass of the nuclear star cluster [Msun]",
            prior=Uniform(low=4.0, high=9.0),
            curve_only=True,
        ),
        Parameter(
            name="cluster_half_mass_radius_pc",
            unit="pc",
            label=r"$r_{\rm NSC}$",
            meaning="radius of the sphere containing half of the cluster's mass",
            prior=LogUniform(low=0.5, high=50.0),
            positive=True,
            curve_only=True,
        ),
    )

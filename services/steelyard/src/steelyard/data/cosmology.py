"""Consistency check of distance and redshift in a galaxy file."""

from __future__ import annotations

import math

from kinematics import H0_KMS_MPC, OMEGA_M

__all__ = ["distance_warning"]

NEARBY = 0.05
"""Redshift below which the two distances differ by less than typical distance errors."""
LIKE = 0.05
"""Relative difference within which a distance is taken to be the luminosity distance."""


def distance_warning(distance_mpc: float, redshift: float) -> str | None:
    """Return a warning if a distance looks like the luminosity distance at its redshift, else None.

    Lengths, masses and surface densities follow from the angular-diameter distance. The luminosity distance is larger
    by (1 + z)^2, and so would be the mass.

    Args:
        distance_mpc: distance in the galaxy file [Mpc].
        redshift: redshift of the galaxy, in the frame of the data.

    """
    if redshift < NEARBY:
        return None
    from astropy.cosmology import FlatLambdaCDM  # takes a while to import, and most galaxies are near

    cosmology = FlatLambdaCDM(H0_KMS_MPC, OMEGA_M)
    luminosity = float(cosmology.luminosity_distance(redshift).value)
    if abs(math.log(distance_mpc / luminosity)) > LIKE:
        return None
    angular = float(cosmology.angular_diameter_distance(redshift).value)
    return (
        f"distance {distance_mpc:.5g} Mpc is about the luminosity distance at z = {redshift:.4g} "
        f"({luminosity:.5g} Mpc for H0 = {H0_KMS_MPC:g}, Omega_m = {OMEGA_M:g}): Steelyard needs the "
        f"angular-diameter distance, {angular:.5g} Mpc, and M_BH is proportional to it"
    )

"""The disc that accuracy, time and memory of the forward model are measured on."""

import math

REST_HZ = 230.538e9
DISH_M = 12.0
TRUTH = {
    "log10_mbh": 8.45,
    "log10_sigma_b": math.log10(6500.0),
    "alpha": 1.8,
    "gamma": 0.55,
    "beta_minus_gamma": 1.0,
    "log10_r_b_pc": 2.18,
    "q": 0.75,
    "inclination_deg": 64.0,
    "pa_deg": 128.0,
    "vsys_kms": 1710.0,
    "x0_arcsec": -0.06,
    "y0_arcsec": 0.11,
    "sigma_gas_kms": 8.0,
    "disc_scale_arcsec": 0.45,
    "flux_jykms": 12.0,
    "distance_mpc": 16.5,
}
"""The disc ends, to 1e-4 of its flux, within the inner half of the field: SuperMAGE's image holds no more."""

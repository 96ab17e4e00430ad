"""Make a case of `forward.py`: a mock observation, gridded, in each code's own form, and the reference."""

import math
import sys
from pathlib import Path

import jax
import numpy as np
from steelyard import simulate
from steelyard.galaxy.simulation import Antennas
from steelyard_schemas import write_store
from vis_gridder import GridSpec, grid, taper

from benchmarks.forward_ours import Ours
from benchmarks.forward_problem import AZIMUTHS, CASES, RADII, REACH, galaxy_of
from validation.reference_disc import DISH_M, REST_HZ, TRUTH
from validation.thin_disc import C_M_S, circular_velocity, gaussian_beam, thin_disc


def antennas(case):
    """Positions east, north, up [m] of 43 antennas on three spiral arms."""
    step = np.arange(43)
    radius = 0.03 ** (1 - step / 42)
    angle = 2 * np.pi / 3 * step + 2.2 * np.log(radius)
    position = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    longest = np.hypot(*(position[:, None] - position[None]).reshape(-1, 2).T).max()
    wanted_m = REACH * C_M_S / REST_HZ / (2 * case.cell_arcsec * np.pi / 648000)
    return np.pad(position * (wanted_m / longest), ((0, 0), (0, 1)))


def observed(case):
    """Observe and grid a case."""
    vis = simulate(
        galaxy_of(case),
        Antennas(antennas(case), DISH_M),
        declination_deg=-10.0,
        hours=1.0,
        integration_s=40.0,
        n_channels=case.channels,
        channel_width_kms=case.width_kms,
        noise_jy=0.03,
    )
    return grid(vis, GridSpec(case.cell_arcsec, case.npix, rest_frequency_hz=REST_HZ))


def make_case(folder):
    """Observe, grid and export a case, and compute its reference."""
    case = CASES[folder.name]
    with jax.enable_x64(True):
        data = observed(case)
        mge = Ours(galaxy_of(case), data).mge()
    write_store(folder / "gridded.zarr", data)
    frequency = data["frequency_hz"]
    grid_of_data = (frequency, REST_HZ, case.npix, case.cell_arcsec, data.manifest.kernel.beta)
    disc = (TRUTH, lambda radius_arcsec: speed(radius_arcsec, mge), *grid_of_data, gaussian_beam(DISH_M))
    reference = thin_disc(*disc, RADII, AZIMUTHS)
    halved = thin_disc(*disc, RADII // 2, AZIMUTHS // 2)
    export_supermage(folder / "cells.npz", case, data, mge, reference.flux_jykms)
    export_kinms(folder / "disc.npz", case, mge, frequency, reference.flux_jykms)
    mask = data["mask"]
    change = np.abs(reference.visibilities - halved.visibilities)[mask].max() / np.abs(reference.visibilities).max()
    filled = mask.any(axis=0)
    reach = max(
        np.abs(data[axis])[filled.any(axis=i)].max() for i, axis in enumerate(("u_wavelengths", "v_wavelengths"))
    )
    np.savez(
        folder / "reference.npz",
        reference=reference.visibilities,
        mask=mask,
        change=change,
        reach=reach / data["u_wavelengths"].max(),
    )


def speed(radius_arcsec, mge):
    """Circular velocity [km/s] of the truth, by quadrature."""
    radius_pc = radius_arcsec * TRUTH["distance_mpc"] * 1e6 * np.pi / 648000
    inclination = math.radians(TRUTH["inclination_deg"])
    return circular_velocity(radius_pc, *mge, TRUTH["q"], inclination, 10 ** TRUTH["log10_mbh"])


def export_supermage(path, case, data, mge, flux_jykms):
    """Write cells as viscube does and SuperMAGE reads them, and the model in SuperMAGE's units."""
    npix, half = case.npix, case.npix // 2
    # Its rows are v = 0, -1, ..., -half; its columns u = -half, ..., half. Negative u are conjugates of (-u, -v).
    down, up = (-np.arange(half + 1)) % npix, np.arange(half + 1)

    def slab(plane, conjugate=lambda a: a):
        return np.concatenate([conjugate(plane[:, up, :0:-1]), plane[:, down, :]], axis=2)

    mask = slab(data["mask"])
    mask[:, 0, :half] = False  # the row v = 0 holds each baseline twice
    mean = np.where(mask, slab(data["mean"], np.conj), 0)
    error = np.where(mask, np.sqrt(slab(data["variance"])), 1)
    grid = (data["frequency_hz"], npix, case.cell_arcsec, case.image_npix, data.manifest.kernel)
    np.savez(
        path,
        vis_bin_re=mean.real,
        vis_bin_imag=mean.imag,
        std_bin_re=error,
        std_bin_imag=error,
        mask=mask,
        delta_u=data["u_wavelengths"][1],
        half_plane=True,
        **supermage_model(TRUTH, mge, *grid, flux_jykms),
    )


def supermage_model(truth, mge, frequency_hz, npix, cell_arcsec, image_npix, kernel, flux_jykms):
    """Return what forward_supermage.py needs for a model; `flux_jykms` is that within its cube."""
    return {
        "npix": npix,
        "fov_arcsec": npix * cell_arcsec,
        "chan_freq_hz": frequency_hz,
        "taper_map": taper(npix, cell_arcsec, kernel),
        "image_npix": image_npix,
        "rest_hz": REST_HZ,
        "dish_m": DISH_M,
        "distance_pc": truth["distance_mpc"] * 1e6,
        "mge_surface_density": mge[0],
        "mge_sigma_pc": mge[1],
        **{f"at_{name}": value for name, value in supermage_parameters(truth, truth, flux_jykms).items()},
    }


def supermage_parameters(values, truth, flux_jykms):
    """Take our parameters, numbers or arrays, to SuperMAGE's; its stars are those of `truth` times M_to_L.

    It takes differences of radio velocity for line-of-sight velocities: its velocities, widths and line flux are ours
    over 1 + z, its masses ours over the square.
    """
    shrink = 1 - values["vsys_kms"] / (C_M_S / 1e3)
    pc = truth["distance_mpc"] * 1e6 * np.pi / 648000
    return {
        "inclination": np.radians(values["inclination_deg"]),
        "sky_rot": np.radians(values["pa_deg"]),
        "line_broadening": values["sigma_gas_kms"] * shrink,
        "velocity_shift": values["vsys_kms"],
        "x0": -values["x0_arcsec"],
        "y0": values["y0_arcsec"],
        "scale": values["disc_scale_arcsec"] * pc,
        "qintr": values["q"],
        "M_to_L": 10 ** (values["log10_sigma_b"] - truth["log10_sigma_b"]) * shrink**2,
        "m_bh": values["log10_mbh"] + 2 * np.log10(shrink),
        "flux": flux_jykms * shrink,
    }


def export_kinms(path, case, mge, frequency_hz, flux_jykms):
    radius = np.r_[0, np.geomspace(1e-3, 25 * TRUTH["disc_scale_arcsec"], 3000)]
    # KinMS's channels are even in velocity: radio differences, smaller than line-of-sight velocities by 1 + z.
    shrink = 1 - TRUTH["vsys_kms"] / (C_M_S / 1e3)
    curve = speed(radius[1:], mge) * shrink
    names = ("x0_arcsec", "y0_arcsec", "vsys_kms", "inclination_deg", "pa_deg", "disc_scale_arcsec")
    np.savez(
        path,
        npix=case.npix,
        cell_arcsec=case.cell_arcsec,
        channels=case.channels,
        width_kms=case.width_kms,
        lowest_kms=C_M_S / 1e3 * (1 - frequency_hz[-1] / REST_HZ),
        radius_arcsec=radius,
        velocity_kms=np.r_[curve[0], curve],
        in_band_flux_jykms=flux_jykms * shrink,
        **{name: TRUTH[name] for name in names},
        sigma_gas_kms=TRUTH["sigma_gas_kms"] * shrink,
    )


if __name__ == "__main__":
    make_case(Path(sys.argv[1]))

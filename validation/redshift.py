"""Does the mass of a redshifted galaxy come back? Clouds by KinMS, exact Doppler shifts, fits with default settings.

    uv run --with kinms==3.0.14 python -m validation.redshift --folder FOLDER [--write]

One galaxy, the same on the sky and in velocity, is put at z = 0.005, 0.05 and 1.3. KinMS places clouds and gives
each its line-of-sight velocity; the frequency of each cloud is f_rest / ((1 + z)(1 + v / c)), its channel the one
that holds that frequency, and the visibilities of a channel are a non-uniform Fourier transform of its clouds.
Nothing of the cube that is fitted makes the data. The stars are the multi-Gaussian expansion that made the rotation
curve, with a free mass-to-light ratio, so that the redshift is the only thing tested. The folder keeps data and
fits: the same command resumes. --write puts the table in docs/redshift.md.
"""

from __future__ import annotations

import math
import sys
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import finufft
import numpy as np
from astropy.cosmology import FlatLambdaCDM
from kinematics import UvTrack, uv_track
from steelyard import fit
from steelyard_schemas import Galaxy, Observation, Posterior, Store, Visibilities, read_store, write_store

from validation.page import DOCS, ResultPage, table
from validation.thin_disc import circular_velocity  # the reference that shares no code with the library

PAGE = ResultPage(DOCS / "redshift.md", "validation.redshift", "--folder FOLDER", ("kinms==3.0.14",))
C_KMS = 299_792.458
ARCSEC = math.pi / 648_000
REST_HZ = 230.538e9
REDSHIFTS = (0.005, 0.05, 1.3)
COSMOLOGY = FlatLambdaCDM(70, 0.3)
NEAREST_MPC = 21.4
"""Distance at which the masses are those of MBH_MSUN and SURFACE; lengths and masses grow with distance."""
MBH_MSUN = 10**8.0
SURFACE_LSUN_PC2 = np.array([20000.0, 9000.0, 3000.0, 800.0])
SIGMA_ARCSEC = np.array([0.15, 0.6, 1.8, 5.0])
Q_INTRINSIC, INCLINATION_DEG, PA_DEG = 0.7, 65.0, 40.0
X0_ARCSEC, Y0_ARCSEC, SCALE_ARCSEC = 0.04, -0.06, 0.8
SIGMA_GAS_KMS, FLUX_JYKMS = 8.0, 6.0
N_CLOUDS = 2_000_000
N_CHANNELS, WIDTH_KMS = 64, 16.0
NOISE_JY, DISH_M = 0.05, 12.0
CELL_ARCSEC, NPIX = 0.1, 100
MOST_SIGMA = 2.0
COLUMNS = (
    *("z", "distance [Mpc]", "true log10 M_BH", "fitted", "pull", "largest pull"),
    *("radio differences", "converged", "chi2 / N"),
)


class Case(NamedTuple):
    """The galaxy at one redshift."""

    z: float
    distance_mpc: float
    """Angular-diameter distance."""

    @property
    def mbh_msun(self) -> float:
        """Mass of the black hole, the same for a rotation curve that is the same in km/s against arcsec."""
        return MBH_MSUN * self.distance_mpc / NEAREST_MPC

    @property
    def surface_lsun_pc2(self) -> np.ndarray:
        """Surface brightness of the Gaussians for a mass-to-light ratio of one."""
        return SURFACE_LSUN_PC2 * NEAREST_MPC / self.distance_mpc

    @property
    def q_obs(self) -> float:
        """Axis ratio of the Gaussians as seen."""
        inclination = math.radians(INCLINATION_DEG)
        return math.hypot(Q_INTRINSIC * math.sin(inclination), math.cos(inclination))

    def speed_kms(self, radius_arcsec: np.ndarray) -> np.ndarray:
        """Circular velocity, by quadrature."""
        pc = self.distance_mpc * 1e6 * ARCSEC
        return circular_velocity(
            radius_arcsec * pc,
            self.surface_lsun_pc2,
            SIGMA_ARCSEC * pc,
            Q_INTRINSIC,
            math.radians(INCLINATION_DEG),
            self.mbh_msun,
        )

    @property
    def frequency_hz(self) -> np.ndarray:
        """Channel centres, ascending, of equal width about the galaxy's own frequency."""
        middle = REST_HZ / (1 + self.z)
        return middle * (1 + WIDTH_KMS / C_KMS * (np.arange(N_CHANNELS) - (N_CHANNELS - 1) / 2))


def clouds(case: Case, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return east and north [arcsec] and line-of-sight velocity [km/s] of KinMS's clouds, shape (cloud,) each."""
    from validation.kinms_cube import KinMsModel  # needs KinMS

    radius = np.r_[0, np.geomspace(1e-4, 20 * SCALE_ARCSEC, 20_000)]
    speed = case.speed_kms(radius[1:])
    model = {
        "npix": NPIX,
        "cell_arcsec": CELL_ARCSEC,
        "channels": N_CHANNELS,
        "width_kms": WIDTH_KMS,
        "lowest_kms": -WIDTH_KMS * (N_CHANNELS - 1) / 2,
        "vsys_kms": 0.0,  # velocities in the galaxy's frame
        "inclination_deg": INCLINATION_DEG,
        "pa_deg": PA_DEG,
        "x0_arcsec": X0_ARCSEC,
        "y0_arcsec": Y0_ARCSEC,
        "sigma_gas_kms": SIGMA_GAS_KMS,
        "disc_scale_arcsec": SCALE_ARCSEC,
        "radius_arcsec": radius,
        "velocity_kms": np.r_[speed[0], speed],
        "in_band_flux_jykms": 1.0,
    }
    return KinMsModel(model, N_CLOUDS, seed).clouds()


def antennas(case: Case) -> np.ndarray:
    """Positions east, north, up [m] of 36 antennas on three spiral arms, the same in wavelengths at each redshift."""
    step = np.arange(36)
    radius = 0.04 ** (1 - step / 35)
    angle = 2 * np.pi / 3 * step + 2.2 * np.log(radius)
    wavelength_m = C_KMS * 1e3 * (1 + case.z) / REST_HZ
    reach_m = 0.45 / (CELL_ARCSEC * ARCSEC) * wavelength_m / 2
    return np.stack([reach_m * radius * np.cos(angle), reach_m * radius * np.sin(angle), np.zeros(36)], axis=1)


def observed(case: Case, seed: int) -> Store[Visibilities]:
    """Return noisy visibilities of the clouds."""
    east, north, velocity = clouds(case, seed)
    frequency = case.frequency_hz
    step_hz = frequency[1] - frequency[0]
    of_cloud = REST_HZ / ((1 + case.z) * (1 + velocity / C_KMS))
    channel = np.floor((of_cloud - frequency[0]) / step_hz + 0.5).astype(int)
    # Each cloud has the same line flux in Jy Hz; over the channel's width that is a flux density.
    flux_jy = FLUX_JYKMS / WIDTH_KMS / N_CLOUDS
    track = uv_track(antennas(case), -23.0229, -20.0, -0.5, 0.5, 120.0)
    vis = np.zeros((track.u_m.size, N_CHANNELS), complex)
    for k, f in enumerate(frequency):
        here = channel == k
        if not here.any():
            continue
        fwhm_arcsec = 1.13 * C_KMS * 1e3 / f / DISH_M / ARCSEC
        beam = np.exp(-4 * math.log(2) * (np.hypot(east[here], north[here]) / fwhm_arcsec) ** 2)
        u, v = (2 * np.pi * metres * f / (C_KMS * 1e3) for metres in (track.u_m, track.v_m))
        vis[:, k] = finufft.nufft2d3(
            east[here] * ARCSEC, north[here] * ARCSEC, (flux_jy * beam).astype(complex), u, v, isign=1, eps=1e-7
        )
    return _store(case, track, vis, np.random.default_rng(seed + 1))


def _store(case: Case, track: UvTrack, vis: np.ndarray, rng: np.random.Generator) -> Store[Visibilities]:
    vis = vis + NOISE_JY * (rng.standard_normal(vis.shape) + 1j * rng.standard_normal(vis.shape))
    observation = Observation(
        target=f"clouds at z = {case.z:g}",
        telescope="simulated",
        dish_diameter_m=DISH_M,
        phase_centre_ra_deg=0.0,
        phase_centre_dec_deg=-20.0,
        frequency_frame="LSRK",
        rest_frequency_hz=REST_HZ,
    )
    frequency = case.frequency_hz
    arrays = {
        **{name: np.asarray(values) for name, values in track._asdict().items()},
        "vis": vis.astype(np.complex64),
        "weight": np.full(vis.shape, NOISE_JY**-2, np.float32),
        "flag": np.zeros(vis.shape, bool),
        "frequency_hz": frequency,
        "channel_width_hz": np.full(frequency.shape, frequency[1] - frequency[0]),
    }
    return Store(Visibilities(observation=observation, source="KinMS clouds", history=()), arrays)


def galaxy_of(case: Case, data: str) -> Galaxy:
    """Return the galaxy file of a case: default priors; the stars' light is known, their mass is not."""
    return Galaxy.model_validate(
        {
            "name": f"clouds at z {case.z:g}",
            "distance": {"mpc": case.distance_mpc},
            "line": {"name": "CO(2-1)", "rest_frequency_hz": REST_HZ, "redshift": round(case.z, 3)},
            "data": {"path": data, "grid": {"cell_arcsec": CELL_ARCSEC, "npix": NPIX}},
            "stars": {
                "kind": "mge",
                "surface_brightness_lsun_pc2": case.surface_lsun_pc2.tolist(),
                "sigma_arcsec": SIGMA_ARCSEC.tolist(),
                "q_obs": [case.q_obs] * len(SIGMA_ARCSEC),
            },
            "priors": {"inclination_deg": {"kind": "sine", "low": 50.0, "high": 85.0}},
            "truth": {
                "log10_mbh": math.log10(case.mbh_msun),
                "mass_to_light": 1.0,
                "inclination_deg": INCLINATION_DEG,
                "pa_deg": PA_DEG,
                "vsys_kms": C_KMS * case.z / (1 + case.z),
                "x0_arcsec": X0_ARCSEC,
                "y0_arcsec": Y0_ARCSEC,
                "sigma_gas_kms": SIGMA_GAS_KMS,
                "disc_scale_arcsec": SCALE_ARCSEC,
                "flux_jykms": FLUX_JYKMS,
            },
        }
    )


def fitted(case: Case, folder: Path) -> Posterior:
    """Simulate and fit a case, or take the fit that the folder holds."""
    where = folder / f"z{case.z:g}"
    data, result = where / "clouds.zarr", where / "fit"
    if not data.exists():
        print(f"z = {case.z:g}: simulating", file=sys.stderr)
        where.mkdir(parents=True, exist_ok=True)
        write_store(data, observed(case, seed=7))
    fit(galaxy_of(case, "clouds.zarr"), result, base=where, note=lambda line: print(f"  {line}", file=sys.stderr))
    return read_store(result / "posterior.zarr", Posterior).manifest


def row(case: Case, posterior: Posterior) -> tuple[tuple[str, ...], float]:
    """Return a case's line of the table and the pull of its mass."""
    truth, of = posterior.galaxy.truth, {p.name: p for p in posterior.parameters}
    pulls = {name: (p.median - truth[name]) / p.sd for name, p in of.items()}
    mass, bias = of["log10_mbh"], 2 * math.log10(1 + case.z)
    worst = max(pulls, key=lambda name: abs(pulls[name]))
    cells = (
        f"{case.z:g}",
        f"{case.distance_mpc:.4g}",
        f"{truth['log10_mbh']:.3f}",
        f"{mass.median:.3f} +{mass.q84 - mass.median:.3f} -{mass.median - mass.q16:.3f}",
        f"{pulls['log10_mbh']:+.2f}",
        f"`{worst}` {pulls[worst]:+.2f}",
        f"{-bias:.3f} ({-bias / mass.sd:.1f})",
        "yes" if posterior.converged else "NO",
        f"{posterior.quality.chi2 / posterior.quality.n_data:.3f}",
    )
    return cells, pulls["log10_mbh"]


def main() -> int:
    """Run the check; exit 1 if a mass is further than two sigma from its truth."""
    parser = PAGE.parser(__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="where data and fits are kept")
    arguments = parser.parse_args()
    cases = [Case(z, float(COSMOLOGY.angular_diameter_distance(z).value)) for z in REDSHIFTS]
    rows, pulls = zip(*(row(case, fitted(case, arguments.folder)) for case in cases), strict=True)
    text = "\n".join([f"Clouds by KinMS {version('kinms')}.", "", *table(COLUMNS, rows)])
    print(text)
    if arguments.write:
        PAGE.write(text)
    return 1 if max(map(abs, pulls)) > MOST_SIGMA else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""How well a model of gridded visibilities can know what the gridder made of a sky, cell by cell.

    uv run python -m validation.fidelity [--data FOLDER] [--write]

Skies of known visibilities (a Gaussian off centre, a point source off centre, the rotating disc of mock_ngc4697 as
4e5 clouds) are sampled without noise where and when mock_ngc4697.ms was observed, by finufft's sum over the sky at
each sample, and gridded. Beside each cell's mean stands what a model says: the sky's visibility at the cell's
centre with the gridding taper, and that with the cell's response to where its samples lie
(`kinematics.interferometer.cell_response`). The difference is told in units of the cell's noise in mock_ngc4697.
--write puts the table into docs/fidelity.md.
"""

import json
import tarfile
import tempfile
from pathlib import Path

import finufft
import numpy as np
from kinematics import (
    MARGIN,
    MGE,
    BlackHole,
    ProjectedMge,
    SkyGrid,
    UvCells,
    axis_ratio_intrinsic,
    circular_velocity,
    pc_per_arcsec,
)
from steelyard.galaxy.grid import cell_moments_of
from steelyard_schemas import Store
from vis_gridder import GridSpec, grid, read_visibilities, taper
from vis_gridder.constants import ARCSEC, SPEED_OF_LIGHT_KMS, SPEED_OF_LIGHT_M_S

from validation import ROOT
from validation.page import DOCS, ResultPage, table

FIELDS_ARCSEC = (11.52, 15.36, 17.28, 23.04, 34.56)
CELL_ARCSEC = 0.12
REST_HZ = 230.538e9
CLOUDS = 400_000
PRECISION = 1e-9
COLUMNS = ("sky", "field [arcsec]", "taper: rms", "largest", "with response: rms", "largest", "where")
PAGE = ResultPage(DOCS / "fidelity.md", "validation.fidelity")


class Sky:
    """Point sources: positions [arcsec] to the east and north, and flux densities [Jy] in each channel."""

    def __init__(self, name, x_arcsec, y_arcsec, flux_jy, channel=None):
        self.name = name
        self.l_rad, self.m_rad = x_arcsec * ARCSEC, y_arcsec * ARCSEC
        self.flux_jy = np.broadcast_to(flux_jy, x_arcsec.shape)
        self.channel = channel  # None: the same in all channels

    def of_channel(self, k):
        """Return positions [rad] and flux densities [Jy] of the sources in a channel."""
        here = slice(None) if self.channel is None else self.channel == k
        return self.l_rad[here], self.m_rad[here], self.flux_jy[here]

    def visibilities(self, k, u, v, attenuation=lambda l_rad, m_rad: 1.0):
        """Return sum S exp(+2 pi i (u l + v m)) at u, v in wavelengths, any shape."""
        l_rad, m_rad, flux = self.of_channel(k)
        if not l_rad.size:
            return np.zeros(u.shape, complex)
        strength = (flux * attenuation(l_rad, m_rad)).astype(complex)
        at = (2 * np.pi * u.ravel(), 2 * np.pi * v.ravel())
        return finufft.nufft2d3(l_rad, m_rad, strength, *at, isign=1, eps=PRECISION).reshape(u.shape)


def disc(truth, frequency_hz):
    """Return the mock's disc as clouds: exponential, rotating in its stars' and its black hole's gravity."""
    rng = np.random.default_rng(0)
    radius = rng.gamma(2.0, truth["disc_scale_arcsec"], CLOUDS)
    azimuth = rng.uniform(0, 2 * np.pi, CLOUDS)
    inclination, pa = np.radians(truth["inc_deg"]), np.radians(truth["pa_deg"])
    stars = truth["stars"]
    scale = pc_per_arcsec(truth["distance_mpc"])
    mge = MGE(
        truth["ml"] * np.array(stars["surf"]),
        np.array(stars["sigma_arcsec"]) * scale,
        axis_ratio_intrinsic(np.array(stars["q"]), inclination),
    )
    table = np.geomspace(1e-3, 60.0, 400)
    speed = circular_velocity(table * scale, (ProjectedMge(mge, inclination), BlackHole(10.0 ** truth["log_mbh"])))
    v_c = np.interp(radius, table, np.asarray(speed))
    along, across = radius * np.cos(azimuth), radius * np.sin(azimuth) * np.cos(inclination)
    velocity = v_c * np.cos(azimuth) * np.sin(inclination) + rng.normal(0, truth["sigma_gas_kms"], CLOUDS)
    # The Doppler shift takes velocities in the galaxy's frame to observed over rest frequency.
    ratio = (1 - truth["vsys_kms"] / SPEED_OF_LIGHT_KMS) / (1 + velocity / SPEED_OF_LIGHT_KMS)
    x = truth["dx_arcsec"] + along * np.sin(pa) - across * np.cos(pa)
    y = truth["dy_arcsec"] + along * np.cos(pa) + across * np.sin(pa)
    step_hz = frequency_hz[1] - frequency_hz[0]
    channel = np.rint((ratio * REST_HZ - frequency_hz[0]) / step_hz).astype(int)
    width_kms = SPEED_OF_LIGHT_KMS * step_hz / REST_HZ / (1 - truth["vsys_kms"] / SPEED_OF_LIGHT_KMS)
    return Sky("rotating disc", x, y, truth["flux_jykms"] / width_kms / CLOUDS, channel)


def gaussian(flux_jy):
    """Return a Gaussian off centre, as points."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(0, 1.0 / 2.355, (2, CLOUDS // 10))
    return Sky("Gaussian, FWHM 1 arcsec, at (1.0, -0.5)", x + 1.0, y - 0.5, flux_jy / x.size)


def point(flux_jy):
    """Return a point source off centre."""
    return Sky("point source at (1.3, 0.8)", np.array([1.3]), np.array([0.8]), flux_jy)


def sampled(vis, sky):
    """Return the data set as it would be without noise under another sky."""
    data = np.empty_like(vis["vis"])
    for k, frequency in enumerate(vis["frequency_hz"]):
        scale = frequency / SPEED_OF_LIGHT_M_S
        data[:, k] = sky.visibilities(k, vis["u_m"] * scale, vis["v_m"] * scale)
    return Store(vis.manifest, {**vis.arrays, "vis": data})


def model(gridded, sky):
    """Return what a model says of the cells, without and with their response."""
    manifest = gridded.manifest
    npix, cell = manifest.npix, manifest.cell_arcsec
    step = 1 / (npix * cell * ARCSEC)
    fine = 64 * npix
    profile = taper(fine, cell * npix / fine, manifest.kernel)[fine // 2]
    profile = profile / profile[fine // 2]
    at = (np.arange(fine) - fine // 2) * cell * npix / fine * ARCSEC

    def attenuation(l_rad, m_rad):
        return np.interp(l_rad, at, profile) * np.interp(m_rad, at, profile)

    mask = gridded["mask"]
    wide = SkyGrid(npix, cell).divided(npix + 2 * MARGIN + 2)
    said = []
    for moments in (None, cell_moments_of(gridded)):
        cells = UvCells.of(mask, wide, moments)
        u, v = (step * each for each in cells.points.uv())
        vis = np.stack([sky.visibilities(k, u, v, attenuation) for k in range(len(mask))], axis=-1)
        said.append(cells.on_half_plane(cells.means_of(vis.astype(np.complex64)), npix))
    return said


def compare(gridded, sigma, sky):
    """Return for both models the rms and the largest error in sigma, and where it is."""
    mask = gridded["mask"]
    lines = []
    for said in model(gridded, sky):
        error = np.abs(np.where(mask, gridded["mean"] - said, 0)) / np.where(mask, sigma, 1)
        worst = np.unravel_index(np.argmax(error), error.shape)
        where = (
            f"channel {worst[0]}, u {gridded['u_wavelengths'][worst[2]] / 1e3:.1f} "
            f"v {gridded['v_wavelengths'][worst[1]] / 1e3:.1f} klambda, {gridded['count'][worst]} samples"
        )
        lines.append((np.sqrt(np.mean(error[mask] ** 2)), error[worst], where))
    return lines


def main():
    """Compare all skies on all fields; with --write, write the page."""
    parser = PAGE.parser(__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the mocks")
    arguments = parser.parse_args()
    truth = json.loads((arguments.data / "mock_ngc4697.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(arguments.data / "mock_ngc4697.ms.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        vis = read_visibilities(Path(folder) / "mock_ngc4697.ms")
    clouds = disc(truth, vis["frequency_hz"])
    brightest = np.bincount(clouds.channel[(clouds.channel >= 0) & (clouds.channel < truth["nchan"])]).max()
    brightest_jy = float(brightest * clouds.flux_jy[0])
    text = (
        "Error of a model of the cell means, in units of each cell's noise in mock_ngc4697: at the cells' centres "
        "with the taper, and with the response to where in each cell the samples lie. Gaussian and point source are "
        f"as bright as the disc's brightest channel, {1e3 * brightest_jy:.0f} mJy."
    )
    rows = []
    skies = [gaussian(brightest_jy), point(brightest_jy), clouds]
    data = {sky.name: sampled(vis, sky) for sky in skies}
    for field in FIELDS_ARCSEC:
        spec = GridSpec(CELL_ARCSEC, round(field / CELL_ARCSEC), rest_frequency_hz=REST_HZ, min_count=10**6)
        # All cells propagate the noise of the mock's own differences in time.
        sigma = np.sqrt(grid(vis, spec)["variance"])
        for sky in skies:
            (rms, largest, _), (rms_after, largest_after, where) = compare(grid(data[sky.name], spec), sigma, sky)
            errors = (f"{rms:.3f}", f"{largest:.2f}", f"{rms_after:.4f}", f"{largest_after:.3f}")
            rows.append((sky.name, f"{field:.1f}", *errors, where))
            print(*rows[-1], sep=" | ", flush=True)
    if arguments.write:
        PAGE.write("\n".join([text, "", *table(COLUMNS, rows)]))


if __name__ == "__main__":
    main()

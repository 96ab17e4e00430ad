"""Rotating gas discs in stellar and black-hole potentials, as line cubes and visibilities."""

from kinematics.constants import ARCSEC_RAD, C_KMS, G_PC_KMS2_MSUN, pc_per_arcsec
from kinematics.doppler import galaxy_velocity_kms, optical_velocity_kms, radio_velocity_kms, redshift
from kinematics.gas.absorber import Absorber, absorbed_flux
from kinematics.gas.dispersion import DISPERSIONS, Dispersion, ExponentialDispersion, dispersion_at
from kinematics.gas.geometry import DiscPlane, Geometry, disc_coordinates, disc_plane, line_of_sight_velocity
from kinematics.gas.profiles import PROFILES, Disc, ExponentialDisc, HoledDisc, RingDisc
from kinematics.gas.tabulated import TabulatedDisc
from kinematics.gas.warp import Warp, crowding, ring_through
from kinematics.grids import SkyGrid, VelocityGrid
from kinematics.interferometer.beam import Aperture, illuminated_aperture, primary_beam, primary_beam_at
from kinematics.interferometer.cell_response import MARGIN, CellMoments
from kinematics.interferometer.channel_blocks import expected_means_in_blocks
from kinematics.interferometer.observe import PointSource, observe, sample_visibilities
from kinematics.interferometer.point import attenuation_at, point_visibilities
from kinematics.interferometer.tracks import UvTrack, track_of, uv_track
from kinematics.interferometer.uv_cells import UvCells, expected_means, means_of_points
from kinematics.interferometer.visibilities import model_visibilities
from kinematics.mass.base import MASS, BlackHole, MassComponent, black_hole_velocity_squared, circular_velocity
from kinematics.mass.curve import RotationCurve, interpolate, log_radii
from kinematics.mass.flexible import LogProcess, flexible_mge
from kinematics.mass.gas_disc import ExponentialGas, exponential_disc_velocity_squared
from kinematics.mass.mge import (
    MGE,
    ProjectedMge,
    axis_ratio_intrinsic,
    axis_ratio_observed,
    mge_circular_velocity_squared,
)
from kinematics.mass.nfw import (
    H0_KMS_MPC,
    OMEGA_M,
    NfwHalo,
    hubble_kms_mpc,
    nfw_velocity_squared,
    virial_radius_pc,
)
from kinematics.render.cube import light_of_disc, render_cube
from kinematics.render.line import Subcells
from kinematics.render.pixel import BAND_LIMITED, BOX, BandLimited, Box, Pixel
from kinematics.render.spectral_response import SpectralResponse, smooth_channels, with_margin
from kinematics.render.supersampling import DEFAULT_LEVELS, Level, Square, finer

__all__ = [
    "ARCSEC_RAD",
    "BAND_LIMITED",
    "BOX",
    "C_KMS",
    "DEFAULT_LEVELS",
    "DISPERSIONS",
    "G_PC_KMS2_MSUN",
    "H0_KMS_MPC",
    "MARGIN",
    "MASS",
    "MGE",
    "OMEGA_M",
    "PROFILES",
    "Absorber",
    "Aperture",
    "BandLimited",
    "BlackHole",
    "Box",
    "CellMoments",
    "Disc",
    "DiscPlane",
    "Dispersion",
    "ExponentialDisc",
    "ExponentialDispersion",
    "ExponentialGas",
    "Geometry",
    "HoledDisc",
    "Level",
    "LogProcess",
    "MassComponent",
    "NfwHalo",
    "Pixel",
    "PointSource",
    "ProjectedMge",
    "RingDisc",
    "RotationCurve",
    "SkyGrid",
    "SpectralResponse",
    "Square",
    "Subcells",
    "TabulatedDisc",
    "UvCells",
    "UvTrack",
    "VelocityGrid",
    "Warp",
    "absorbed_flux",
    "attenuation_at",
    "axis_ratio_intrinsic",
    "axis_ratio_observed",
    "black_hole_velocity_squared",
    "circular_velocity",
    "crowding",
    "disc_coordinates",
    "disc_plane",
    "dispersion_at",
    "expected_means",
    "expected_means_in_blocks",
    "exponential_disc_velocity_squared",
    "finer",
    "flexible_mge",
    "galaxy_velocity_kms",
    "hubble_kms_mpc",
    "illuminated_aperture",
    "interpolate",
    "light_of_disc",
    "line_of_sight_velocity",
    "log_radii",
    "means_of_points",
    "mge_circular_velocity_squared",
    "model_visibilities",
    "nfw_velocity_squared",
    "observe",
    "optical_velocity_kms",
    "pc_per_arcsec",
    "point_visibilities",
    "primary_beam",
    "primary_beam_at",
    "radio_velocity_kms",
    "redshift",
    "render_cube",
    "ring_through",
    "sample_visibilities",
    "smooth_channels",
    "track_of",
    "uv_track",
    "virial_radius_pc",
    "with_margin",
]

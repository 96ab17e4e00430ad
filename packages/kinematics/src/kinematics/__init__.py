"""Rotating gas discs in stellar and black-hole potentials, as line cubes and visibilities."""

from kinematics.cell_response import MARGIN, CellResponse
from kinematics.constants import ARCSEC_RAD, C_KMS, G_PC_KMS2_MSUN, pc_per_arcsec
from kinematics.cube import DEFAULT_LEVELS, Level, render_cube
from kinematics.disc import Disc, ExponentialDisc, HoledDisc, RingDisc
from kinematics.geometry import Geometry, disc_coordinates
from kinematics.grids import SkyGrid, VelocityGrid
from kinematics.mge import MGE, axis_ratio_intrinsic, axis_ratio_observed, mge_circular_velocity_squared
from kinematics.observe import observe, sample_visibilities
from kinematics.potential import (
    black_hole_velocity_squared,
    circular_velocity,
    exponential_disc_velocity_squared,
)
from kinematics.rotation import RotationCurve, interpolate, log_radii
from kinematics.tracks import UvTrack, track_of, uv_track
from kinematics.visibilities import model_visibilities, primary_beam

__all__ = [
    "ARCSEC_RAD",
    "C_KMS",
    "DEFAULT_LEVELS",
    "G_PC_KMS2_MSUN",
    "MARGIN",
    "MGE",
    "CellResponse",
    "Disc",
    "ExponentialDisc",
    "Geometry",
    "HoledDisc",
    "Level",
    "RingDisc",
    "RotationCurve",
    "SkyGrid",
    "UvTrack",
    "VelocityGrid",
    "axis_ratio_intrinsic",
    "axis_ratio_observed",
    "black_hole_velocity_squared",
    "circular_velocity",
    "disc_coordinates",
    "exponential_disc_velocity_squared",
    "interpolate",
    "log_radii",
    "mge_circular_velocity_squared",
    "model_visibilities",
    "observe",
    "pc_per_arcsec",
    "primary_beam",
    "render_cube",
    "sample_visibilities",
    "track_of",
    "uv_track",
]

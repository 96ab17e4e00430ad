"""Read interferometric visibilities, measure their noise and grid them."""

from vis_gridder.grid.gridding import GridWarning, grid
from vis_gridder.grid.kernel import taper
from vis_gridder.grid.spec import GridSpec, suggest_grid
from vis_gridder.image_cube.cube import read_image_cube
from vis_gridder.imaging.dirty import Beam, dirty_beam, dirty_cube, fit_beam
from vis_gridder.imaging.fits_cube import write_fits
from vis_gridder.imaging.line_finder import line_channels, line_velocities
from vis_gridder.imaging.line_sign import LineSign, line_sign
from vis_gridder.imaging.moments import Moments, moments
from vis_gridder.imaging.plots.pictures import pictures
from vis_gridder.noise.estimate import estimate_noise
from vis_gridder.noise.result import Noise
from vis_gridder.noise.robust import robust_sigma
from vis_gridder.readers.common.fits_image import is_image_cube
from vis_gridder.readers.dispatch import open_visibilities, read_visibilities
from vis_gridder.readers.viscube.grid import is_viscube_grid, read_viscube_grid
from vis_gridder.spectral.prepare import Spectral, prepare
from vis_gridder.spectral.velocity import radio_velocity_kms
from vis_gridder.stream.data_summary import DataSummary, data_summary
from vis_gridder.stream.history import DataWarning, assumptions
from vis_gridder.stream.source import Block, Source, as_source, collect
from vis_gridder.stream.store import write_visibilities

__all__ = [
    "Beam",
    "Block",
    "DataSummary",
    "DataWarning",
    "GridSpec",
    "GridWarning",
    "LineSign",
    "Moments",
    "Noise",
    "Source",
    "Spectral",
    "as_source",
    "assumptions",
    "collect",
    "data_summary",
    "dirty_beam",
    "dirty_cube",
    "estimate_noise",
    "fit_beam",
    "grid",
    "is_image_cube",
    "is_viscube_grid",
    "line_channels",
    "line_sign",
    "line_velocities",
    "moments",
    "open_visibilities",
    "pictures",
    "prepare",
    "radio_velocity_kms",
    "read_image_cube",
    "read_viscube_grid",
    "read_visibilities",
    "robust_sigma",
    "suggest_grid",
    "taper",
    "write_fits",
    "write_visibilities",
]

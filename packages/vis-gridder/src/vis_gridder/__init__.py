"""Read interferometric visibilities, measure their noise and grid them."""

from vis_gridder.dirty import Beam, dirty_beam, dirty_cube, fit_beam
from vis_gridder.fits_cube import write_fits
from vis_gridder.gridding import GridWarning, grid
from vis_gridder.history import DataWarning, assumptions
from vis_gridder.image_cube import is_image_cube, read_image_cube
from vis_gridder.kernel import taper
from vis_gridder.line_sign import LineSign, line_sign
from vis_gridder.lines import line_channels, line_velocities
from vis_gridder.moments import Moments, moments
from vis_gridder.noise import Noise, estimate_noise
from vis_gridder.plots.pictures import pictures
from vis_gridder.readers import is_viscube_grid, open_visibilities, read_viscube_grid, read_visibilities
from vis_gridder.source import Block, Source, as_source, collect
from vis_gridder.spec import GridSpec, suggest_grid
from vis_gridder.spectral.prepare import Spectral, prepare
from vis_gridder.store import write_visibilities
from vis_gridder.survey import Survey, survey
from vis_gridder.velocity import radio_velocity_kms

__all__ = [
    "Beam",
    "Block",
    "DataWarning",
    "GridSpec",
    "GridWarning",
    "LineSign",
    "Moments",
    "Noise",
    "Source",
    "Spectral",
    "Survey",
    "as_source",
    "assumptions",
    "collect",
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
    "suggest_grid",
    "survey",
    "taper",
    "write_fits",
    "write_visibilities",
]

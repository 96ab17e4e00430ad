from .gridding.grid import GridWarning, grid
from .gridding.kernel import taper
from .gridding.spec import GridSpec, suggest_grid
from .image_cube.cube import read_image_cube
from .imaging.dirty import Beam, dirty_beam, dirty_cube, fit_beam
from .imaging.fits_cube import write_fits
from .imaging.line_finder import line_channels, line_velocities
from .imaging.line_sign import LineSign, line_sign
from .imaging.moments import Moments, moments
from .imaging.plots.pictures import pictures
from .noise.estimate import estimate_noise
from .noise.result import Noise
from .noise.robust import robust_sigma
from .readers.common.fits_image import is_image_cube
from .readers.dispatch import open_visibilities, read_visibilities
from .readers.viscube.grid import is_viscube_grid, read_viscube_grid
from .spectral.prepare import Spectral, prepare
from .spectral.velocity import radio_velocity_kms
from .stream.data_summary import DataSummary, data_summary
from .stream.history import DataWarning, assumptions
from .stream.source import Block, Source, as_source, collect
from .stream.store import write_visibilities

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

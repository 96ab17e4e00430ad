"""Read interferometric visibilities, measure their noise and grid them."""

from vis_gridder.dirty import Beam, dirty_beam, dirty_cube, fit_beam
from vis_gridder.fits_cube import write_fits
from vis_gridder.gridding import GridWarning, grid
from vis_gridder.kernel import taper
from vis_gridder.moments import Moments, moments
from vis_gridder.noise import Noise, estimate_noise
from vis_gridder.readers import read_visibilities
from vis_gridder.spec import GridSpec, suggest_grid
from vis_gridder.velocity import radio_velocity_kms

__all__ = [
    "Beam",
    "GridSpec",
    "GridWarning",
    "Moments",
    "Noise",
    "dirty_beam",
    "dirty_cube",
    "estimate_noise",
    "fit_beam",
    "grid",
    "moments",
    "radio_velocity_kms",
    "read_visibilities",
    "suggest_grid",
    "taper",
    "write_fits",
]

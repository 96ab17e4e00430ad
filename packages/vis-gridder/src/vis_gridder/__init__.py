"""Read interferometric visibilities, measure their noise and grid them."""

from vis_gridder.gridding import GridWarning, grid
from vis_gridder.kernel import taper
from vis_gridder.noise import Noise, estimate_noise
from vis_gridder.readers import read_visibilities
from vis_gridder.spec import GridSpec, suggest_grid

__all__ = [
    "GridSpec",
    "GridWarning",
    "Noise",
    "estimate_noise",
    "grid",
    "read_visibilities",
    "suggest_grid",
    "taper",
]

"""Reading visibilities from any format, recognised by content."""

from vis_gridder.readers.dispatch import open_visibilities, read_visibilities
from vis_gridder.readers.viscube_grid import is_viscube_grid, read_viscube_grid

__all__ = ["is_viscube_grid", "open_visibilities", "read_viscube_grid", "read_visibilities"]

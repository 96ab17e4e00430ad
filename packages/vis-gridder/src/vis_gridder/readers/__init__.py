"""Reading visibilities from any format, recognised by content."""

from vis_gridder.readers.dispatch import read_visibilities

__all__ = ["read_visibilities"]

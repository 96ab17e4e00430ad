"""Reading visibilities from any format, recognised by content."""

from vis_gridder.readers.dispatch import open_visibilities, read_visibilities

__all__ = ["open_visibilities", "read_visibilities"]

"""From a cube to visibilities: primary beam, uv cells, tracks, mock observations."""

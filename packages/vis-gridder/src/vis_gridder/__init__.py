"""Read interferometric visibilities, measure their noise and grid them."""

"""The gas disc: profiles of surface brightness and dispersion, orientation, warp, absorption."""

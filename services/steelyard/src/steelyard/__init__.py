"""Black-hole masses from interferometric visibilities: fit, report and command line."""

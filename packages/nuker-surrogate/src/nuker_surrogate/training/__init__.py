"""Training of surrogates: configuration, data, descent, ensembles, ablations and release."""

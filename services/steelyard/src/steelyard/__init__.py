"""Weigh supermassive black holes from radio interferometry: fit, report and command line."""

import lazy_loader

# `__init__.pyi` names the module of each: imported on first use, because JAX and matplotlib take seconds to load.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

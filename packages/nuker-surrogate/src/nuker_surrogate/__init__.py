"""Neural deprojection of the Nuker law into a multi-Gaussian expansion."""

import lazy_loader

# `__init__.pyi` names the module of each: imported on first use, because some take a second to load.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

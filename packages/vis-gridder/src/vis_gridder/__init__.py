"""Read interferometric visibilities, measure their noise and grid them."""

import lazy_loader

# `__init__.pyi` names the module of each: imported on first use, because some take a second to load.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

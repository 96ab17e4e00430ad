"""Gas disc: surface-brightness and dispersion profiles, orientation, warp, absorption."""

from kinematics.registry import import_laws

import_laws(__name__, __path__)

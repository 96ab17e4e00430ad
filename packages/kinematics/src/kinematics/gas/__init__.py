"""The gas disc: profiles of surface brightness and dispersion, orientation, warp, absorption."""

from kinematics.registry import import_laws

import_laws(__name__, __path__)

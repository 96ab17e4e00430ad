"""Mass components, each contributing a term to v_c^2, and the rotation curve."""

from kinematics.registry import import_laws

import_laws(__name__, __path__)

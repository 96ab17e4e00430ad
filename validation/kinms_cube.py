"""A disc by KinMS: its cube, and its clouds. Needs kinms and NumPy alone.

How its conventions map onto ours:

- its cube is [x, y, velocity], x to the west, velocities ascending; ours [channel, y, x], x to the east, descending;
- a cloud falls in pixel round(x / cell + npix / 2): for an odd number of pixels the phase centre is half a pixel off
  the middle of the central one, which `phaseCent` takes back;
- in the same way velocity v falls in channel round(v / dv + n / 2 + vOffset / dv), v from the systemic one;
- `posAng` is that of the receding half, north through east, `inc` in degrees, 0 face-on;
- `intFlux` is the flux that lies in its cube.
"""

import numpy as np
from kinms import KinMS


class KinMsModel:
    """Cube of a case by KinMS; `clouds` random points, of the given seed."""

    def __init__(self, case, clouds, seed=None):
        self._case = case
        npix, n = int(case["npix"]), int(case["channels"])
        cell, width = float(case["cell_arcsec"]), float(case["width_kms"])
        side = npix * cell
        self._clouds = KinMS(
            side, side, n * width, cell, width, [cell, cell, 0], nSamps=int(clouds), seed=seed, cleanOut=True
        )
        # The middle of pixel npix // 2, from npix / 2.
        shift = (npix // 2 - npix / 2) * cell
        self._centre = [shift - float(case["x0_arcsec"]), shift + float(case["y0_arcsec"])]
        self._odd = npix % 2
        self._offset = float(case["vsys_kms"]) - float(case["lowest_kms"]) - n * width / 2

    def __call__(self):
        """Return the cube [Jy per pixel] in our layout. For even npix the column furthest west is missing: zero."""
        ours = self._model().transpose(2, 1, 0)[::-1, :, ::-1]
        if not self._odd:
            # Its x index k is the east offset -(k - npix / 2); ours runs from -npix / 2, which it does not hold.
            ours = np.roll(ours, 1, axis=2)
            ours[:, :, 0] = 0
        return ours

    def clouds(self):
        """Return east and north of the phase centre [arcsec] and line-of-sight velocity [km/s] of all clouds."""
        case = self._case
        _, places, velocity = self._model(returnClouds=True)
        return case["x0_arcsec"] - places[:, 0], case["y0_arcsec"] + places[:, 1], velocity

    def _model(self, **options):
        case = self._case
        radius = case["radius_arcsec"]
        return self._clouds.model_cube(
            inc=float(case["inclination_deg"]),
            posAng=float(case["pa_deg"]),
            gasSigma=float(case["sigma_gas_kms"]),
            sbProf=np.exp(-radius / float(case["disc_scale_arcsec"])),
            sbRad=radius,
            velRad=radius,
            velProf=case["velocity_kms"],
            intFlux=float(case["in_band_flux_jykms"]),
            phaseCent=self._centre,
            vOffset=self._offset,
            **options,
        )

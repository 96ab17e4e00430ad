"""SuperMAGE's side of `forward.py`: its model of a case, and a worker that evaluates it.

Runs in an interpreter that has supermage, of which it uses the public classes with their defaults. How its
conventions map onto ours:

- gridded data are read by its own `load_raw_data` from a `.npz` in viscube's layout: rows of v = 0, -1, ...,
  columns of u = -npix // 2, ..., npix // 2 cells;
- with that layout and a forward transform of negative sign its x axis points to the west: x0 is minus ours, and
  `sky_rot` is the position angle of the receding half;
- `flux` is the line flux that lies in its cube behind the primary beam, ours that of the whole disc;
- lengths of the galaxy are in pc, masses of black holes in log10, angles in radians;
- `image_taper_map` is multiplied into the image as our taper is.
"""

import os
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from caskade import Param
from supermage.simulators.analytic_cube import AnalyticInverse
from supermage.simulators.intensity_models import ExponentialDisk2D
from supermage.simulators.velocity_models import MGEVelocityIntr
from supermage.simulators.visibility_cube import VisibilityCubePadded
from supermage.utils.likelihood import build_data_tensors, gaussian_loglike, load_raw_data

from benchmarks.peer_process import memory_mib, serve, settle_memory, timed

ARCSEC = np.pi / 648000
SOFTENING_PC = 0.01
"""Its table of radii is logarithmic from here on, so that it cannot be 0; far less than any subpixel."""


class SuperMageModel:
    """Visibilities of a case by SuperMAGE.

    Args:
        case: arrays and numbers of `benchmarks.forward_case.supermage_model`.
        mask: cells to compute, in its half-plane layout; all where None.
        image_npix: pixels along a side of its image.
        oversampling: subpixels along a side, and velocity bins of a channel.
        quantiles: of a line, each a delta function in velocity.

    """

    def __init__(self, case, mask=None, image_npix=None, oversampling=4, quantiles=8, dtype=torch.float32):
        options = {"device": "cpu", "dtype": dtype}
        npix = int(case["npix"])
        frequency = [float(f) for f in case["chan_freq_hz"]]
        n = case["mge_sigma_pc"].size
        curve = MGEVelocityIntr(n, soft=SOFTENING_PC, **options)
        curve.surf.to_static(torch.tensor(case["mge_surface_density"], dtype=dtype))
        curve.sigma.to_static(torch.tensor(case["mge_sigma_pc"], dtype=dtype))
        # One axis ratio for all Gaussians, as in its own models of one profile.
        ratio = Param("q", shape=())
        curve.ratio = ratio
        curve.qintr = lambda p: p.q.value * torch.ones(n, dtype=dtype)
        curve.qintr.link([ratio])
        disc = ExponentialDisk2D()
        cube = AnalyticInverse(
            disc,
            curve,
            frequency,
            float(case["fov_arcsec"]) / npix,
            int(image_npix or case["image_npix"]),
            line=float(case["rest_hz"]),
            oversamp_xy=oversampling,
            oversamp_v=oversampling,
            K_vel=quantiles,
            **options,
        )
        cube.distance_pc.to_static(torch.tensor(float(case["distance_pc"]), dtype=dtype))
        if mask is None:
            mask = np.ones((len(frequency), (npix + 1) // 2, npix), bool)
        dish = float(case["dish_m"])
        self._simulator = VisibilityCubePadded(
            cube,
            mask,
            frequency,
            npix,
            float(case["fov_arcsec"]) / npix,
            dish_diameter=dish if dish > 0 else None,
            line=float(case["rest_hz"]),
            image_taper_map=case["taper_map"],
            output_half_plane=True,
        )
        named = {
            "inclination": cube.inclination,
            "sky_rot": cube.sky_rot,
            "line_broadening": cube.line_broadening,
            "velocity_shift": cube.velocity_shift,
            "x0": cube.x0,
            "y0": cube.y0,
            "scale": disc.scale,
            "qintr": ratio,
            "M_to_L": curve.M_to_L,
            "m_bh": curve.m_bh,
            "flux": self._simulator.flux,
        }
        # The order in which its simulator takes them.
        names = {id(param): name for name, param in named.items()}
        self.names = [names[id(param)] for param in self._simulator.dynamic_params]
        self.truth = torch.tensor([float(case[f"at_{name}"]) for name in self.names], dtype=dtype)

    def __call__(self, values):
        """Return the visibilities in its half-plane layout."""
        return self._simulator.forward(values)


def our_half_plane(slab, npix):
    """Take its half plane, [channel, -v, u], to that of `rfft2`, [channel, v, u]."""
    half = npix // 2
    full = np.empty((slab.shape[0], npix, half + 1), slab.dtype)
    # v <= 0 are its rows; v > 0 are the conjugates of -v at -u.
    full[:, (-np.arange(half + 1)) % npix, :] = slab[:, :, half:]
    full[:, 1 : half + 1, :] = np.conj(slab[:, 1:, half::-1])
    return full


def main():
    torch.set_num_threads(os.cpu_count())
    path = Path(sys.argv[1])
    case = dict(np.load(path))

    def visibilities(path, **settings):
        with torch.no_grad():
            model = SuperMageModel(case, **settings)
            np.save(path, our_half_plane(model(model.truth).numpy(), int(case["npix"])))

    def versions():
        return {name: version(name) for name in ("supermage", "torch")}

    with_data = log_density(path, case) if "vis_bin_re" in case else {}
    serve({"visibilities": visibilities, "versions": versions, **with_data})


def log_density(path, case):
    """Return the commands that need data: the log-density with its gradient, and the memory that this took."""
    raw = load_raw_data(path, max_freq_index=None)
    data, inverse_error = build_data_tensors(raw, 1.0, "cpu")
    model = SuperMageModel(case, raw["data_mask"])
    held = {"before": settle_memory()}

    def settle():
        held["before"] = settle_memory()

    def evaluate():
        values = model.truth.clone().requires_grad_(True)
        visibilities = model(values)
        flat = torch.cat([visibilities.real.flatten(), visibilities.imag.flatten()])
        value = gaussian_loglike(flat, data, inverse_error)
        value.backward()
        return value.item(), values.grad.tolist()

    def answer():
        (value, gradient), seconds = timed(evaluate)
        return {"value": value, "gradient": dict(zip(model.names, gradient, strict=True)), "seconds": seconds}

    def memory():
        return {"peak_mib": (peak := memory_mib()[1]), "increase_mib": peak - held["before"]}

    return {"evaluate": answer, "memory": memory, "settle": settle}


if __name__ == "__main__":
    main()

"""SuperMAGE's side of `sampling.py`: its own `mala` on its own model, spared all that a user would have to find.

Given are a starting point and the preconditioner: mean and covariance of our posterior in its parameters. A few
Newton steps take the point to its own mode, a pilot of a few steps chooses the step size, and chains start from the
Gaussian about the mode; none of that is counted.
"""

import os
import sys

import numpy as np
import torch
from forward_supermage import SuperMageModel
from supermage.solvers.MCMC import mala
from supermage.utils.likelihood import build_data_tensors, gaussian_loglike, load_raw_data
from turns import serve, timed

NEWTON_STEPS, PILOT_STEPS = 8, 6
STEP_SIZES = (1.1, 0.8, 0.55, 0.4)
"""In whitened coordinates, the largest about the optimum of a Gaussian of eleven dimensions."""


class Target:
    """Its log-likelihood of whitened coordinates: parameters = mean + factor z."""

    def __init__(self, path, mean, factor):
        raw = load_raw_data(path, max_freq_index=None)
        self._data, self._inverse_error = build_data_tensors(raw, 1.0, "cpu")
        self._model = SuperMageModel(dict(np.load(path)), raw["data_mask"])
        order = [list(mean).index(name) for name in self._model.names]
        values = np.array(list(mean.values()))
        self._mean = torch.tensor(values[order], dtype=torch.float32)
        self._factor = torch.tensor(np.asarray(factor)[order], dtype=torch.float32)

    def __call__(self, z):
        """Flat priors: those of its examples are boxes far wider than this posterior."""
        visibilities = self._model(self._mean + self._factor @ z)
        return gaussian_loglike(
            torch.cat([visibilities.real.flatten(), visibilities.imag.flatten()]), self._data, self._inverse_error
        )

    def parameters(self, draws):
        """Draws (chain, draw, dim) of its parameters, by name, of whitened ones (draw, chain, dim)."""
        values = self._mean.numpy() + draws @ self._factor.numpy().T
        return {name: values[..., i].T for i, name in enumerate(self._model.names)}


def climb(target, dim):
    """Walk to the mode; in whitened coordinates the gradient is the Newton step, halved for safety."""
    z = torch.zeros(dim)
    for _ in range(NEWTON_STEPS):
        z = z.detach().requires_grad_(True)
        target(z).backward()
        z = z + 0.5 * z.grad
    return z.detach()


def main():
    torch.set_num_threads(os.cpu_count())
    path = sys.argv[1]

    def sample(mean, factor, chains, seconds, seed, out):
        torch.manual_seed(seed)
        target = Target(path, mean, factor)
        mode = climb(target, len(mean))
        init = mode + torch.randn(chains, len(mean))
        options = {"mass_matrix": None, "progress": False}
        # vmapped or one by one, whichever is faster on this machine.
        vmap = min((True, False), key=lambda on: timed(lambda: mala(target, init, 1, 0.1, use_vmap=on, **options))[1])
        pilots = {}
        for size in STEP_SIZES:
            (_, accepted, _), spent = timed(
                lambda size=size: mala(target, init, PILOT_STEPS, size, use_vmap=vmap, **options)
            )
            pilots[size] = float(accepted.mean()) * size**2  # mean squared jump
        best = max(pilots, key=pilots.get)
        n_steps = max(20, int(seconds / spent * (PILOT_STEPS + 1)))
        (draws, accepted, _), took = timed(lambda: mala(target, init, n_steps, best, use_vmap=vmap, **options))
        np.savez(out, **target.parameters(draws))
        return {
            "seconds": took,
            "n_gradients": (n_steps + 1) * chains,
            "acceptance": float(accepted.mean()),
            "step_size": best,
            "vmap": vmap,
            "mode": mode.tolist(),
        }

    serve({"sample": sample})


if __name__ == "__main__":
    main()

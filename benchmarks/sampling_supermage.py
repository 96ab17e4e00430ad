"""SuperMAGE's side of `sampling.py`: its own `mala` on its own model, spared all that a user would have to find.

Given are a starting point and the preconditioner: mean and covariance of our posterior in its parameters. Newton
steps take the point towards its own mode, and short pilots from there choose the step size that jumps farthest;
chains go on where the best of them ended. None of that is counted.
"""

import os
import sys

import numpy as np
import torch
from supermage.solvers.MCMC import mala
from supermage.utils.likelihood import build_data_tensors, gaussian_loglike, load_raw_data

from benchmarks.forward_supermage import SuperMageModel
from benchmarks.peer_process import serve, timed

NEWTON_STEPS, PILOT_STEPS = 30, 6
STEP_SIZES = (1.1, 0.7, 0.4, 0.2, 0.1, 0.05)
"""In whitened coordinates, the largest about the optimum of a Gaussian of eleven dimensions."""
START_SPREAD = 0.1
"""Scatter of the chains' starts about the mode: from one sigma, where log L is lower by tens, they return slowly."""


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
    """Walk uphill; in whitened coordinates the gradient is the Newton step. Return the highest point met."""
    z, best, highest = torch.zeros(dim), torch.zeros(dim), -float("inf")
    for _ in range(NEWTON_STEPS):
        z = z.detach().requires_grad_(True)
        value = target(z)
        value.backward()
        if value.item() > highest:
            highest, best = value.item(), z.detach()
        # Its likelihood is rough: a whole step may lead anywhere.
        z = z + z.grad * min(0.5, 1.0 / float(z.grad.norm()))
    return best


def main():
    torch.set_num_threads(os.cpu_count())
    path = sys.argv[1]

    def sample(mean, factor, chains, seconds, seed, out):
        torch.manual_seed(seed)
        target = Target(path, mean, factor)
        mode = climb(target, len(mean))
        init = mode + START_SPREAD * torch.randn(chains, len(mean))
        options = {"mass_matrix": None, "progress": False}
        # vmapped or one by one, whichever is faster on this machine.
        vmap = min((True, False), key=lambda on: timed(lambda: mala(target, init, 1, 0.1, use_vmap=on, **options))[1])
        pilots = {}
        for size in STEP_SIZES:
            (draws, accepted, _), spent = timed(
                lambda size=size: mala(target, init, PILOT_STEPS, size, use_vmap=vmap, **options)
            )
            pilots[size] = (float(accepted.mean()) * size**2, draws[-1])  # mean squared jump
        best = max(pilots, key=lambda size: pilots[size][0])
        start = torch.tensor(pilots[best][1])
        n_steps = max(20, int(seconds / spent * (PILOT_STEPS + 1)))
        (draws, accepted, _), took = timed(lambda: mala(target, start, n_steps, best, use_vmap=vmap, **options))
        np.savez(out, **target.parameters(draws))
        return {
            "seconds": took,
            "n_gradients": (n_steps + 1) * chains,
            "acceptance": float(accepted.mean()),
            "step_size": best,
            "vmap": vmap,
            "offset_sigma": float(mode.norm()),
        }

    serve({"sample": sample})


if __name__ == "__main__":
    main()

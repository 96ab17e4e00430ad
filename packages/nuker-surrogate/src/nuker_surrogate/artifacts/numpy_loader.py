"""Evaluation of a released surrogate with NumPy alone. Without JAX, copy this file: it imports nothing else here."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

HEADS = ("linear", "corrected", "normalised", "symexp", "direct")
INPUTS = ["alpha", "beta_minus_gamma", "gamma", "log10_r_b_pc", "log10_alpha"]


class NumpySurrogate:
    """Nuker parameters in, coefficients out, in float64; ``sigma_pc``: (n,) widths of the Gaussians [pc]."""

    def __init__(self, folder: str | Path) -> None:
        """Read an artifact folder. Raises ValueError if it is not an artifact, or differs from its manifest."""
        try:
            self.manifest = m = json.loads((Path(folder) / "manifest.json").read_bytes())
            packed = (Path(folder) / "weights.msgpack").read_bytes()
            if m["files"]["weights.msgpack"] != "sha256:" + hashlib.sha256(packed).hexdigest():
                raise ValueError("weights.msgpack was altered or damaged: copy the artifact again")
            form = (m["kind"], m["schema_version"], m["activation"], m["inputs"])
            if form != ("surrogate_artifact", "1.0", "silu", INPUTS) or m["head"] not in HEADS:
                raise ValueError("its form is unknown to this loader: copy a newer numpy_loader.py")
            self.sigma_pc, *self._inputs = (np.array(m[key]) for key in ("sigma_pc", "input_mean", "input_scale"))
            self._parts: dict[str, Any] = msgpack.unpackb(packed, object_hook=_array)
            self._R = np.concatenate([self._parts["cusp_R_pc"], self._parts["R_pc"], self.sigma_pc[1:]])
            parts = [self.sigma_pc, *self._inputs, *(p for p in self._parts.values() if isinstance(p, np.ndarray))]
            parts += [*self._parts["kernels"], *self._parts["biases"]]
            if not all(np.isfinite(p).all() for p in parts) or not np.all(self._R > 0) or not np.all(parts[0] > 0):
                raise ValueError("it holds numbers that are not finite, or widths that are not positive")
        except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"{folder}: cannot be read as a surrogate ({type(error).__name__}: {error})") from error

    def coefficients(self, alpha: Any, beta: Any, gamma: Any, r_b_pc: Any) -> np.ndarray:
        """Coefficients (..., n) for Sigma_b = 1; arguments broadcast. Raises ValueError outside the domain."""
        a, b, g, r = (np.asarray(x, np.float64)[..., None] for x in np.broadcast_arrays(alpha, beta, gamma, r_b_pc))
        for name, value in {"alpha": a, "beta_minus_gamma": b - g, "gamma": g, "r_b_pc": r}.items():
            low, high = (self.manifest["domain"][name][end] for end in ("low", "high"))
            if not np.all((value >= low * (1 - 2e-6)) & (value <= high * (1 + 2e-6))):  # single precision's rounding
                raise ValueError(f"{name} is outside the surrogate's domain [{low:g}, {high:g}]")
        p, head, log_x = self._parts, self.manifest["head"], np.log(self._R) - np.log(r)
        law = np.exp(-g * log_x - (b - g) * (np.logaddexp(0, a * log_x) - np.log(2)) / a)
        cusp, near, at_widths = np.split(law, np.cumsum([p["cusp_R_pc"].size, p["R_pc"].size]), axis=-1)
        slope = g + (b - g) * 0.5 * (1 + np.tanh(0.5 * a * (np.log(p["R_pc"]) - np.log(r))))
        cusp = cusp * p["cusp_weight"]
        linear = np.concatenate([cusp, near, near * slope], axis=-1) @ p["deconvolution"]
        scale = np.concatenate([cusp.sum(axis=-1, keepdims=True), at_widths], axis=-1)
        y = (np.concatenate([a, b - g, g, np.log10(r), np.log10(a)], axis=-1) - self._inputs[0]) / self._inputs[1]
        for i, (kernel, bias) in enumerate(zip(p["kernels"], p["biases"], strict=True)):
            y = (0.5 * y * (1 + np.tanh(0.5 * y)) if i else y) @ kernel + bias  # SiLU between the layers
        if head == "symexp":
            y = np.sign(y) * 1e-12 * np.expm1(np.log(10) * np.abs(y))
        if head in ("corrected", "normalised"):
            y = scale * y
        return linear if head == "linear" else y + linear if head == "corrected" else y


def _array(plain: dict[str, Any]) -> Any:
    return np.frombuffer(plain["data"], plain["dtype"]).reshape(plain["shape"]) if "dtype" in plain else plain

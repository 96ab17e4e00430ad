"""Saving and loading a trained surrogate as a `SurrogateArtifact`: a folder that proves what it holds.

``manifest.json`` says what it is and what its parts hash to, ``weights.msgpack`` holds plain arrays, and
``validation.zarr`` the errors behind the manifest's summary. Nothing is ever pickled.
"""

import re
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import zarr
from steelyard_schemas import ContractError, atomic_path, part_hash, read_model, write_model
from steelyard_schemas.surrogate import ErrorEnvelope, SurrogateArtifact

from nuker_surrogate.deconvolution import ProfileSampling
from nuker_surrogate.deprojection import Float
from nuker_surrogate.domain import DOMAIN, NAMES, from_box
from nuker_surrogate.evaluate import Key
from nuker_surrogate.heads import INPUTS, Standardisation, Weights
from nuker_surrogate.surrogate import Surrogate

SHIPPED = Path(__file__).parent / "artifacts"
_WEIGHTS, _VALIDATION, _MANIFEST = "weights.msgpack", "validation.zarr", "manifest.json"
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def save_surrogate(
    folder: Path,
    version: str,
    weights: Weights,
    sigma_pc: Float,
    training: dict[str, Any],
    box: Float,
    errors: dict[Key, Float],
    envelopes: tuple[ErrorEnvelope, ...],
) -> SurrogateArtifact:
    """Write an artifact, whole or not at all; returns its manifest.

    Args:
        folder: where; must not exist.
        version: semantic version.
        weights: of the network.
        sigma_pc: (n,) widths of the Gaussians [pc].
        training: configuration that reproduces the weights; `head` and `hidden` are taken from it.
        box: (n_points, 4) laws on which the errors were measured.
        errors: from `evaluate.worst_errors`.
        envelopes: from `evaluate.envelopes`.

    Raises:
        ContractError: the folder exists, or the manifest breaks its contract.
    """
    check_version(version)
    with atomic_path(Path(folder), overwrite=False) as temporary:
        temporary.mkdir()
        (temporary / _WEIGHTS).write_bytes(_pack(weights))
        _write_validation(temporary / _VALIDATION, box, errors)
        manifest = SurrogateArtifact(
            version=version,
            head=training["head"],
            hidden=tuple(training["hidden"]),
            activation="silu",
            inputs=INPUTS,
            input_mean=tuple(map(float, weights.standardisation.mean)),
            input_scale=tuple(map(float, weights.standardisation.scale)),
            sigma_pc=tuple(map(float, sigma_pc)),
            domain=DOMAIN,
            training=training,
            errors=envelopes,
            files={name: part_hash(temporary / name) for name in (_WEIGHTS, _VALIDATION)},
            created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            code_version=installed_version("nuker-surrogate"),
        )
        write_model(temporary / _MANIFEST, manifest)
    return manifest


def load_surrogate(which: str | Path | None = None) -> Surrogate:
    """Load a trained surrogate, after checking every hash of its manifest.

    Args:
        which: a version shipped with this package, e.g. ``"1.0.0"``; the path of an artifact folder; or None
            for the newest version shipped.

    Raises:
        ContractError: (a ValueError) no such artifact, a foreign folder, a part that is missing or altered, or a
            contract newer than this installation. One line says which.
    """
    folder = find_artifact(which)
    manifest = read_model(folder / _MANIFEST, SurrogateArtifact)
    for name, expected in manifest.files.items():
        part = folder / name
        if not part.exists():
            raise ContractError(folder, f"{name} is missing: copy the artifact again")
        if (found := part_hash(part)) != expected:
            raise ContractError(
                folder,
                f"{name} has hash {found[:18]}..., its manifest says {expected[:18]}...: it was altered or "
                "damaged; copy the artifact again",
            )
    if _WEIGHTS not in manifest.files:
        raise ContractError(folder, f"the manifest lists no {_WEIGHTS}")
    return Surrogate(manifest, _unpack(folder / _WEIGHTS, manifest))


def check_version(version: str) -> None:
    """Raise ValueError unless `version` is three numbers with dots."""
    if not _VERSION.fullmatch(version):
        raise ValueError(f"version {version!r} is not a semantic version such as 1.2.0")


def shipped_versions() -> tuple[str, ...]:
    """Versions shipped with this package, oldest first."""
    names = (path.name for path in SHIPPED.glob("*") if _VERSION.fullmatch(path.name))
    return tuple(sorted(names, key=lambda name: tuple(map(int, name.split(".")))))


def find_artifact(which: str | Path | None = None) -> Path:
    """Folder of a shipped version (the newest by default), or of a path. Raises ContractError if there is none."""
    versions = shipped_versions()
    if which is None or which == "latest":
        if not versions:
            raise ContractError(SHIPPED.name, "no surrogate is shipped with this package: name a path")
        return SHIPPED / versions[-1]
    if isinstance(which, str) and which in versions:
        return SHIPPED / which
    if isinstance(which, str) and _VERSION.fullmatch(which):
        raise ContractError(f"surrogate {which}", f"is not shipped; there is {', '.join(versions) or 'none'}")
    if not (Path(which) / _MANIFEST).is_file():
        raise ContractError(which, f"is not a surrogate artifact (no {_MANIFEST} in it)")
    return Path(which)


def _pack(weights: Weights) -> bytes:
    def plain(array: Any) -> dict[str, Any]:
        little = np.asarray(array)
        little = little.astype(little.dtype.newbyteorder("<"))
        return {"dtype": little.dtype.str, "shape": list(little.shape), "data": little.tobytes()}

    return msgpack.packb(
        {
            "kernels": [plain(kernel) for kernel in weights.kernels],
            "biases": [plain(bias) for bias in weights.biases],
            "R_pc": plain(weights.sampling.R_pc),
            "scale_matrix": plain(weights.sampling.scale_matrix),
            "deconvolution": plain(weights.deconvolution),
        }
    )


def _unpack(path: Path, manifest: SurrogateArtifact) -> Weights:
    def array(plain: dict[str, Any]) -> np.ndarray:
        return np.frombuffer(plain["data"], np.dtype(plain["dtype"])).reshape(plain["shape"])

    try:
        data = msgpack.unpackb(path.read_bytes())
        weights = Weights(
            Standardisation(np.array(manifest.input_mean), np.array(manifest.input_scale)),
            tuple(array(kernel) for kernel in data["kernels"]),
            tuple(array(bias) for bias in data["biases"]),
            ProfileSampling(array(data["R_pc"]), array(data["scale_matrix"])),
            array(data["deconvolution"]),
        )
    except Exception as error:  # msgpack and NumPy share no base for malformed input
        raise ContractError(path, f"holds no weights ({type(error).__name__}: {error})") from error
    widths = (len(manifest.inputs), *manifest.hidden, len(manifest.sigma_pc))
    if [kernel.shape for kernel in weights.kernels] != list(pairwise(widths)):
        raise ContractError(path, f"its layers do not have the manifest's widths {widths}")
    return weights


def _write_validation(path: Path, box: Float, errors: dict[Key, Float]) -> None:
    law = from_box(box)
    values = dict(zip(NAMES, (law.alpha, law.beta - law.gamma, law.gamma, law.r_b_pc), strict=True))
    values["circular_velocity_error"] = errors["circular_velocity", 1.0]
    values["surface_density_error"] = errors["surface_density", 1.0]
    group = zarr.open_group(path, mode="w", zarr_format=3)
    for spec in SurrogateArtifact.VALIDATION_ARRAYS:
        array = group.create_array(
            spec.name,
            shape=(len(box),),
            dtype=spec.dtype,
            dimension_names=spec.dims,
            attributes={"units": spec.unit, "long_name": spec.meaning},
        )
        array[...] = values[spec.name]

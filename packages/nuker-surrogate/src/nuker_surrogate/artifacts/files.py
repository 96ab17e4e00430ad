"""Files of an artifact: writing a trained surrogate as a `SurrogateArtifact`, and reading its weights.

``manifest.json`` describes the surrogate and lists the hashes of the other parts, ``weights.msgpack`` holds plain
arrays, and ``validation.zarr`` the errors that the manifest summarises. Nothing is pickled.
"""

from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from steelyard_schemas import (
    ContractError,
    atomic_path,
    member_files,
    pack_weights,
    part_hash,
    read_weights,
    write_model,
)
from steelyard_schemas.layout import add_array
from steelyard_schemas.surrogate import VALIDATION, WEIGHTS, ErrorEnvelope, SurrogateArtifact
from steelyard_schemas.validation import MANIFEST

from nuker_surrogate.artifacts.versions import check_version
from nuker_surrogate.expansion.accuracy import Key
from nuker_surrogate.expansion.heads import INPUTS, Standardisation, Weights
from nuker_surrogate.expansion.radial_features import RadialFeatures
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.domain import DOMAIN, NAMES, from_box

_PLAIN = ("R_pc", "cusp_R_pc", "cusp_weight", "deconvolution")


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
    """Write an artifact atomically and return its manifest.

    Args:
        folder: folder to write; must not exist.
        version: semantic version.
        weights: weights of the surrogate.
        sigma_pc: (n,) widths of the Gaussians [pc].
        training: settings that reproduce the weights; `head` and `hidden` are taken from it.
        box: (n_points, 4) laws on which the errors were measured.
        errors: errors of these laws, from `accuracy.worst_errors`.
        envelopes: their distribution, from `accuracy.envelopes`.

    Raises:
        ContractError: the folder exists, or the manifest breaks its contract.
    """
    check_version(version)
    with atomic_path(Path(folder), overwrite=False) as temporary:
        temporary.mkdir()
        (temporary / WEIGHTS).write_bytes(_pack(weights))
        _write_validation(temporary / VALIDATION, box, errors)
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
            files={name: part_hash(temporary / name) for name in (WEIGHTS, VALIDATION)},
            created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            code_version=installed_version("nuker-surrogate"),
        )
        write_model(temporary / MANIFEST, manifest)
    return manifest


def artifact_files(folder: Path, manifest: SurrogateArtifact) -> dict[str, int]:
    """List names and sizes [bytes] of the files of an artifact, its manifest last.

    Raises:
        ContractError: a part is a link, or contains links or devices.
    """
    files = {name: size for part in sorted(manifest.files) for name, size in member_files(folder, part).items()}
    return {**files, **member_files(folder, MANIFEST)}


def read_surrogate_weights(path: Path, manifest: SurrogateArtifact) -> Weights:
    """Read and check the weights of an artifact.

    Args:
        path: the weights file.
        manifest: of the artifact; it fixes the shapes.

    Raises:
        ContractError: an array is missing, unexpected or of another shape, or a radius is not positive.
    """
    found: dict[str, Any] = read_weights(path)
    names = {"kernels": tuple, "biases": tuple} | dict.fromkeys(_PLAIN, np.ndarray)
    if {name: type(value) for name, value in found.items()} != names:
        raise ContractError(path, f"holds no weights: expected the arrays {', '.join(names)}")
    n = len(manifest.sigma_pc)
    widths = (len(INPUTS), *manifest.hidden, n) if manifest.head != "linear" else ()
    R_pc, cusp_R_pc, cusp_weight, matrix = (found[name] for name in _PLAIN)
    expected = {
        "kernels": list(pairwise(widths)),
        "biases": [(width,) for width in widths[1:]],
        "cusp_weight": cusp_R_pc.shape,
        "deconvolution": (cusp_R_pc.size + 2 * R_pc.size, n),
    }
    for name, shapes in expected.items():
        value = found[name]
        shape = [part.shape for part in value] if isinstance(value, tuple) else value.shape
        if shape != shapes:
            raise ContractError(path, f"{name} do not have the manifest's widths: shape {shape}, expected {shapes}")
    if R_pc.ndim != 1 or cusp_R_pc.ndim != 1 or min(R_pc.min(initial=1), cusp_R_pc.min(initial=1)) <= 0:
        raise ContractError(path, "its radii are not positive numbers")
    return Weights(
        Standardisation(np.array(manifest.input_mean), np.array(manifest.input_scale)),
        found["kernels"],
        found["biases"],
        RadialFeatures(np.array(manifest.sigma_pc), R_pc, cusp_R_pc, cusp_weight),
        matrix,
    )


def _pack(weights: Weights) -> bytes:
    return pack_weights(
        {
            "kernels": [np.asarray(kernel) for kernel in weights.kernels],
            "biases": [np.asarray(bias) for bias in weights.biases],
            "R_pc": weights.features.R_pc,
            "cusp_R_pc": weights.features.cusp_radius_pc,
            "cusp_weight": weights.features.cusp_weight,
            "deconvolution": np.asarray(weights.deconvolution),
        }
    )


def _write_validation(path: Path, box: Float, errors: dict[Key, Float]) -> None:
    law = from_box(box)
    values = dict(zip(NAMES, (law.alpha, law.beta - law.gamma, law.gamma, law.r_b_pc), strict=True))
    values["circular_velocity_error"] = errors["circular_velocity", 1.0]
    values["surface_density_error"] = errors["surface_density", 1.0]
    group = zarr.open_group(path, mode="w", zarr_format=3)
    for spec in SurrogateArtifact.VALIDATION_ARRAYS:
        array = add_array(group, spec, (len(box),), len(box))
        array[...] = values[spec.name]

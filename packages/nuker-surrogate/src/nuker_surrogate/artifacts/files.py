"""Saving and loading a trained surrogate as a `SurrogateArtifact`: a folder that proves what it holds.

``manifest.json`` says what it is and what its parts hash to, ``weights.msgpack`` holds plain arrays, and
``validation.zarr`` the errors behind the manifest's summary. Nothing is ever pickled.
"""

import re
from collections.abc import Iterable
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
    part_problems,
    read_model,
    read_weights,
    safe_member,
    write_model,
)
from steelyard_schemas.layout import add_array
from steelyard_schemas.surrogate import VALIDATION, WEIGHTS, ErrorEnvelope, SurrogateArtifact
from steelyard_schemas.validate import MANIFEST

from nuker_surrogate.expansion.accuracy import Key
from nuker_surrogate.expansion.heads import INPUTS, Standardisation, Weights
from nuker_surrogate.expansion.radial_features import RadialFeatures
from nuker_surrogate.expansion.surrogate import Surrogate
from nuker_surrogate.law.deprojection import Float
from nuker_surrogate.law.domain import DOMAIN, NAMES, from_box

SHIPPED = Path(__file__).parent / "shipped"
_PLAIN = ("R_pc", "cusp_R_pc", "cusp_weight", "deconvolution")
_PAPERS_GRID = "1."  # the major version says which Gaussians: 2 has wider ones
_VERSION = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}")


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


def load_surrogate(which: str | Path | None = None, *, registry: str | Path | None = None) -> Surrogate:
    """Load a trained surrogate, after checking every hash of its manifest.

    Args:
        which: a version, e.g. ``"1.1.0"``, shipped with this package or else published in the registry; the path of
            an artifact folder; or None for the newest shipped with the 64 Gaussians of the paper (1.x). Only if
            `registry` is given is None the newest one published there: the environment alone must not change a fit.
        registry: path or URL of a registry; by default that of the environment variable STEELYARD_SURROGATES.

    Raises:
        ContractError: (a ValueError) no such artifact, a foreign folder, a part that is missing or altered, a
            contract newer than this installation, or a registry that cannot be reached. One line says which.
    """
    folder = find_artifact(which, registry=registry)
    manifest = read_model(safe_member(folder, MANIFEST), SurrogateArtifact)
    if isinstance(which, str) and _VERSION.fullmatch(which) and manifest.version != which:
        raise ContractError(folder, f"holds version {manifest.version}, not {which}: its folder was renamed")
    if problems := part_problems(folder, manifest):
        raise ContractError(folder, problems)
    return Surrogate(manifest, _read_weights(safe_member(folder, WEIGHTS), manifest))


def check_version(version: str) -> None:
    """Raise ValueError unless `version` is three numbers with dots."""
    if not _VERSION.fullmatch(version):
        raise ValueError(f"version {version!r} is not a semantic version such as 1.2.0")


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that are semantic versions, oldest first."""
    versions = filter(_VERSION.fullmatch, names)
    return tuple(sorted(versions, key=lambda name: tuple(map(int, name.split(".")))))


def shipped_versions() -> tuple[str, ...]:
    """Versions shipped with this package, oldest first."""
    return in_order(path.name for path in SHIPPED.glob("*"))


def find_artifact(which: str | Path | None = None, *, registry: str | Path | None = None) -> Path:
    """Folder of an artifact; arguments and errors as for `load_surrogate`, but nothing in it is checked."""
    versions = shipped_versions()
    newest = which is None or which == "latest"
    if newest and registry is None:
        if not versions:
            raise ContractError(SHIPPED.name, "no surrogate is shipped with this package: name a path")
        return SHIPPED / [version for version in versions if version.startswith(_PAPERS_GRID)][-1]
    if isinstance(which, str) and which in versions:
        return SHIPPED / which
    if which is None or newest or (isinstance(which, str) and _VERSION.fullmatch(which)):
        # Not at the top of the file: it imports this module.
        from nuker_surrogate.artifacts.remote import ENVIRONMENT, fetch, registry_url

        if registry_url(registry) is not None:
            return fetch(None if newest else str(which), registry)
        there = ", ".join(versions) or "none"
        raise ContractError(
            f"surrogate {which}", f"is not shipped; there is {there}; name a registry or set {ENVIRONMENT} for others"
        )
    if not (Path(which) / MANIFEST).is_file():
        raise ContractError(which, f"is not a surrogate artifact (no {MANIFEST} in it)")
    return Path(which)


def artifact_files(folder: Path, manifest: SurrogateArtifact) -> dict[str, int]:
    """Return names and sizes of the files that an artifact's manifest lists; the manifest itself comes last.

    Raises:
        ContractError: a part is a link, or there are links or devices in it.
    """
    files = {name: size for part in sorted(manifest.files) for name, size in member_files(folder, part).items()}
    return {**files, **member_files(folder, MANIFEST)}


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


def _read_weights(path: Path, manifest: SurrogateArtifact) -> Weights:
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


def _write_validation(path: Path, box: Float, errors: dict[Key, Float]) -> None:
    law = from_box(box)
    values = dict(zip(NAMES, (law.alpha, law.beta - law.gamma, law.gamma, law.r_b_pc), strict=True))
    values["circular_velocity_error"] = errors["circular_velocity", 1.0]
    values["surface_density_error"] = errors["surface_density", 1.0]
    group = zarr.open_group(path, mode="w", zarr_format=3)
    for spec in SurrogateArtifact.VALIDATION_ARRAYS:
        array = add_array(group, spec, (len(box),), len(box))
        array[...] = values[spec.name]

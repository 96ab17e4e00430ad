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

import msgpack
import numpy as np
import zarr
from steelyard_schemas import ContractError, atomic_path, part_hash, read_model, write_model
from steelyard_schemas.surrogate import ErrorEnvelope, SurrogateArtifact

from nuker_surrogate.deprojection import Float
from nuker_surrogate.domain import DOMAIN, NAMES, from_box
from nuker_surrogate.evaluate import Key
from nuker_surrogate.features import RadialFeatures
from nuker_surrogate.heads import INPUTS, Standardisation, Weights
from nuker_surrogate.surrogate import Surrogate

SHIPPED = Path(__file__).parent / "artifacts"
MANIFEST = "manifest.json"
_WEIGHTS, _VALIDATION = "weights.msgpack", "validation.zarr"
_PAPERS_GRID = "1."  # the major version says which Gaussians: 2 has wider ones
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
    manifest = read_model(folder / MANIFEST, SurrogateArtifact)
    if isinstance(which, str) and _VERSION.fullmatch(which) and manifest.version != which:
        raise ContractError(folder, f"holds version {manifest.version}, not {which}: its folder was renamed")
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
        from nuker_surrogate.registry import ENVIRONMENT, fetch, registry_url

        if registry_url(registry) is not None:
            return fetch(None if newest else str(which), registry)
        there = ", ".join(versions) or "none"
        raise ContractError(
            f"surrogate {which}", f"is not shipped; there is {there}; name a registry or set {ENVIRONMENT} for others"
        )
    if not (Path(which) / MANIFEST).is_file():
        raise ContractError(which, f"is not a surrogate artifact (no {MANIFEST} in it)")
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
            "R_pc": plain(weights.features.R_pc),
            "cusp_R_pc": plain(weights.features.cusp_radius_pc),
            "cusp_weight": plain(weights.features.cusp_weight),
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
            RadialFeatures(
                np.array(manifest.sigma_pc), array(data["R_pc"]), array(data["cusp_R_pc"]), array(data["cusp_weight"])
            ),
            array(data["deconvolution"]),
        )
    except Exception as error:  # msgpack and NumPy share no base for malformed input
        raise ContractError(path, f"holds no weights ({type(error).__name__}: {error})") from error
    widths = (len(manifest.inputs), *manifest.hidden, len(manifest.sigma_pc)) if manifest.head != "linear" else ()
    if [kernel.shape for kernel in weights.kernels] != list(pairwise(widths)):
        raise ContractError(path, f"its layers do not have the manifest's widths {widths}")
    if weights.deconvolution.shape != (weights.features.n_features, len(manifest.sigma_pc)):
        raise ContractError(path, f"its linear map has shape {weights.deconvolution.shape}, not that of its features")
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

"""Opening a surrogate by version or path: shipped with this package, published in a registry, or in a folder."""

from pathlib import Path

from steelyard_schemas import ContractError, part_problems, read_model, safe_member
from steelyard_schemas.surrogate import WEIGHTS, SurrogateArtifact
from steelyard_schemas.validation import MANIFEST

from nuker_surrogate.artifacts.files import read_surrogate_weights
from nuker_surrogate.artifacts.remote import ENVIRONMENT, fetch, registry_url
from nuker_surrogate.artifacts.versions import is_version, shipped_folder, shipped_versions
from nuker_surrogate.expansion.surrogate import Surrogate

_PAPERS_GRID = "1."  # the major version identifies the grid of Gaussians: 1 is the paper's, 2 spans a wider range


def load_surrogate(which: str | Path | None = None, *, registry: str | Path | None = None) -> Surrogate:
    """Load a trained surrogate, after checking every hash of its manifest.

    Args:
        which: a version, e.g. ``"1.1.0"``, shipped with this package or else published in the registry; the path of
            an artifact folder; or None for the newest version shipped with the 64 Gaussians of the paper (1.x). If
            `registry` is given, None is the newest version published there; the environment variable alone never
            changes the default, so that it cannot change a fit.
        registry: path or URL of a registry; by default that of the environment variable STEELYARD_SURROGATES.

    Raises:
        ContractError: (a ValueError) no such artifact, a folder that is not an artifact, a part that is missing or
            altered, a contract newer than this installation, or a registry that cannot be reached.
    """
    folder = find_artifact(which, registry=registry)
    manifest = read_model(safe_member(folder, MANIFEST), SurrogateArtifact)
    if isinstance(which, str) and is_version(which) and manifest.version != which:
        raise ContractError(folder, f"holds version {manifest.version}, not {which}: its folder was renamed")
    if problems := part_problems(folder, manifest):
        raise ContractError(folder, problems)
    return Surrogate(manifest, read_surrogate_weights(safe_member(folder, WEIGHTS), manifest))


def find_artifact(which: str | Path | None = None, *, registry: str | Path | None = None) -> Path:
    """Find the folder of an artifact without checking its content; arguments and errors as for `load_surrogate`."""
    versions = shipped_versions()
    newest = which is None or which == "latest"
    if newest and registry is None:
        if not versions:
            raise ContractError("nuker-surrogate", "no surrogate is shipped with this package: name a path")
        return shipped_folder([version for version in versions if version.startswith(_PAPERS_GRID)][-1])
    if isinstance(which, str) and which in versions:
        return shipped_folder(which)
    if which is None or newest or (isinstance(which, str) and is_version(which)):
        if registry_url(registry) is not None:
            return fetch(None if newest else str(which), registry)
        shipped = ", ".join(versions) or "none"
        raise ContractError(
            f"surrogate {which}",
            f"is not shipped; shipped versions: {shipped}; for others name a registry or set {ENVIRONMENT}",
        )
    if not (Path(which) / MANIFEST).is_file():
        raise ContractError(which, f"is not a surrogate artifact (it contains no {MANIFEST})")
    return Path(which)

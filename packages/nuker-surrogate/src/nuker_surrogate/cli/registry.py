"""The commands that publish, list and show artifacts."""

from pathlib import Path
from typing import Annotated

import typer
from steelyard_schemas import plain, stopped_at_once

from nuker_surrogate.artifacts.versions import in_order, shipped_versions
from nuker_surrogate.cli.options import Artifact, Json, Registry
from nuker_surrogate.cli.tables import print_errors, print_json


def publish(
    artifact: Annotated[Path, typer.Argument(help="Folder of the artifact, as `train` wrote it.")],
    registry: Registry = None,
    json: Json = False,
) -> None:
    """Check an artifact and copy it into a registry, where its version never changes again."""
    with stopped_at_once():  # loads JAX; help does without
        from nuker_surrogate.artifacts import publish as publishing
        from nuker_surrogate.artifacts.remote import registry_url

    version, url = publishing.publish(artifact, registry), registry_url(registry)
    if json:
        print_json({"version": version, "registry": url})
    else:
        print(plain(f"published {version} in {url}"))


def list_versions(registry: Registry = None, json: Json = False) -> None:
    """List the versions shipped with this package or published in a registry, oldest first."""
    from nuker_surrogate.artifacts.remote import published_versions, registry_url

    url = registry_url(registry)
    places = {"shipped": shipped_versions(), f"published in {url}": published_versions(url) if url else ()}
    versions = in_order({version for found in places.values() for version in found})
    if json:
        print_json(list(versions))
        return
    for version in versions:
        print(plain(f"{version:10} " + ", ".join(place for place, found in places.items() if version in found)))


def show(artifact: Artifact = None, registry: Registry = None, json: Json = False) -> None:
    """Show domain, training settings and measured errors of a surrogate, after checking its hashes."""
    with stopped_at_once():
        from nuker_surrogate.artifacts.open import load_surrogate

    manifest = load_surrogate(artifact, registry=registry).manifest
    if json:
        print_json(manifest.model_dump(mode="json"))
        return
    print(plain(f"surrogate {manifest.version}: {manifest.head} head, hidden layers {manifest.hidden}"))
    print(plain(f"made {manifest.created_utc} by nuker-surrogate {manifest.code_version}"))
    for name, interval in manifest.domain:
        print(f"  {name.replace('_minus_', ' - '):14} {interval.low:g} to {interval.high:g}")
    sigma = manifest.sigma_pc
    print(f"  {len(sigma)} Gaussians of width {sigma[0]:g} to {sigma[-1]:g} pc")
    print(plain("trained with " + ", ".join(f"{key} {value}" for key, value in manifest.training.items())))
    print_errors({f"surrogate {manifest.version}": manifest.errors})

"""Galaxy inside another document, with its own version and migrations."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from steelyard_schemas.galaxy import Galaxy
from steelyard_schemas.versions import Step, brought_to_date

__all__ = ["GALAXY_MIGRATIONS", "GalaxyDocument"]


def _mass_components(data: dict[str, Any]) -> dict[str, Any]:
    """Move halo and gas self-gravity, separate options up to 1.2, into the list of mass components."""
    data = {**data, "schema_version": "1.3"}
    mass: list[Any] = []
    disc = data.get("disc")
    if isinstance(disc, dict) and "self_gravity" in disc:
        data["disc"] = {name: value for name, value in disc.items() if name != "self_gravity"}
        if disc["self_gravity"] is True:
            mass.append({"kind": "gas_disc"})
        elif disc["self_gravity"] is not False:
            data["disc"] = disc  # invalid, left for validation to report
    if (halo := data.pop("halo", None)) is not None:
        mass.append({"kind": "nfw", **halo} if isinstance(halo, dict) else halo)
    return {**data, "mass": mass} if mass else data


GALAXY_MIGRATIONS: dict[str, Step] = {
    # 1.1 adds a halo, tabulated discs, a dispersion that varies, warps, spectral response and choice of primary beam;
    # the default of each is what 1.0 was.
    "1.0": lambda data: {**data, "schema_version": "1.1"},
    # 1.2 only adds the redshift of the line and a central absorber, optional.
    "1.1": lambda data: {**data, "schema_version": "1.2"},
    # 1.3 lists all mass components in one place.
    "1.2": _mass_components,
}
"""Pure function that migrates a galaxy (plain data) to the next version, by version."""


def _migrated(value: Any) -> Any:
    """Migrate a galaxy, as plain data, to the current version."""
    if not isinstance(value, dict):
        return value
    return brought_to_date("galaxy", value, GALAXY_MIGRATIONS, Galaxy.model_fields["schema_version"].default)


GalaxyDocument = Annotated[
    Galaxy,
    BeforeValidator(_migrated),
    WithJsonSchema(
        {
            "type": "object",
            "description": "a document of kind 'galaxy', of any version",
            "properties": {"kind": {"const": "galaxy"}, "schema_version": {"type": "string"}},
            "required": ["kind", "schema_version"],
        }
    ),
]
"""Field type for a galaxy; new versions of the galaxy do not change the containing contract."""

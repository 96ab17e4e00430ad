"""Write the reference of the galaxy file: `python -m steelyard_schemas.reference docs/galaxy_file.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from steelyard_schemas.galaxy import Data, Disc, Galaxy, Grid, Likelihood, Line, SamplerSettings
from steelyard_schemas.ingredients import (
    Absorber,
    BlackHole,
    DispersionLaw,
    Distance,
    Flexibility,
    GasProfile,
    Ingredient,
    LineFlux,
    MassComponent,
    Orientation,
    Parameter,
    ProfileTable,
    Stars,
    Warp,
    kinds,
)
from steelyard_schemas.priors import Fixed, LogUniform, Normal, Sine, Uniform

__all__ = ["galaxy_reference", "main"]

TABLES: dict[str, type[BaseModel]] = {
    "[distance]": Distance,
    "[line]": Line,
    "[data]": Data,
    "[data.grid]": Grid,
    "[disc]": Disc,
    "[disc.table]": ProfileTable,
    "[disc.warp]": Warp,
    "[absorber]": Absorber,
    "[likelihood]": Likelihood,
    "[sampler]": SamplerSettings,
}
"""Tables of the galaxy file that have one form; those of families follow from their records."""


def galaxy_reference() -> str:
    """Return the reference page in Markdown."""
    current = Galaxy.model_fields["schema_version"].default
    blocks = [
        "# The galaxy file",
        f"Every entry of a galaxy file, version {current}. This page is written from the contract by "
        "`python -m steelyard_schemas.reference docs/galaxy_file.md`.",
        f'A file begins with `kind = "galaxy"`, `schema_version = "{current}"` and the `name` of the galaxy.',
        "## Tables",
    ]
    for heading, model in TABLES.items():
        blocks += [f"### `{heading}`", _summary(model), _entries(model)]
    blocks += ["### `[stars]`", "The law of the stars, chosen by its `kind`.", *_family(Stars)]
    blocks += ["### `[stars.flexibility]`", _summary(Flexibility), _entries(Flexibility)]
    blocks += [
        "### `[[mass]]`",
        "Mass components beside stars and black hole; each entry is one of these, chosen by its `kind`.",
        *_family(MassComponent),
    ]
    blocks += [
        "## Parameters and their priors",
        "`[priors]` takes one entry per parameter. A parameter belongs to an ingredient; a galaxy has the parameters "
        "of the ingredients that it is made of. Priors marked `from the data` are set when the fit starts, and the "
        "report lists them.",
    ]
    for title, records in _ingredients():
        blocks += [f"### {title}", *_parameters(records)]
    blocks += ["## Kinds of priors", _priors()]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _ingredients() -> list[tuple[str, dict[str, type[Ingredient]]]]:
    """Return headings, each with its records by the entry of the file that chooses them."""
    return [
        ("Black hole", {"": BlackHole}),
        (
            "Stars",
            {f'stars.kind = "{kind}"': record for kind, record in kinds(Stars).items()}
            | {"[stars.flexibility]": Flexibility},
        ),
        ("Mass components", {f'[[mass]] kind = "{kind}"': record for kind, record in kinds(MassComponent).items()}),
        ("Orientation", {"": Orientation, "[disc.warp]": Warp}),
        ("Profile of the gas", {f'disc.profile = "{kind}"': r for kind, r in kinds(GasProfile).items()}),
        ("Velocity dispersion", {f'disc.dispersion = "{kind}"': r for kind, r in kinds(DispersionLaw).items()}),
        ("Flux, absorption and distance", {"": LineFlux, "[absorber]": Absorber, "[distance]": Distance}),
    ]


def _family(family: type[Ingredient]) -> Iterable[str]:
    for kind, record in kinds(family).items():
        yield f'`kind = "{kind}"`: {_summary(record)}'
        yield _entries(record)


def _parameters(records: dict[str, type[Ingredient]]) -> Iterable[str]:
    for entry, record in records.items():
        chosen = f"`{entry}`: " if entry else ""
        yield chosen + _summary(record)
        rows = [(f"`{p.name}`", p.unit, p.meaning, _default_prior(p)) for p in record.parameters]
        yield _table(("parameter", "unit", "meaning", "default prior"), rows)


def _entries(model: type[BaseModel]) -> str:
    rows = [
        (f"`{name}`", _type(field), _default(field), field.description or "")
        for name, field in model.model_fields.items()
        if name != "kind" or model is Likelihood
    ]
    return _table(("entry", "type", "default", "meaning"), rows)


def _priors() -> str:
    rows = []
    for prior in (Uniform, LogUniform, Sine, Normal, Fixed):
        names = [name for name in prior.model_fields if name != "kind"]
        rows.append((f'`kind = "{prior.model_fields["kind"].default}"`', ", ".join(names), _summary(prior)))
    return _table(("prior", "entries", "meaning"), rows)


def _summary(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").split())


def _type(field: FieldInfo) -> str:
    return _type_name(field.annotation)


def _type_name(annotation: Any) -> str:
    simple = {str: "text", float: "number", int: "integer", bool: "true or false", type(None): ""}
    if annotation in simple:
        return simple[annotation]
    if get_origin(annotation) is Literal:
        return ", ".join(f'"{word}"' for word in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "list of numbers"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return ", ".join(name for part in get_args(annotation) if (name := _type_name(part)))


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or isinstance(field.default, BaseModel):
        return "none"
    return f'"{field.default}"' if isinstance(field.default, str) else f"{field.default:g}"


def _default_prior(parameter: Parameter) -> str:
    prior = parameter.prior
    if prior is None:
        return "see `[distance]`"
    if callable(prior):
        return "from the data"
    bounds = [f"{name} = {value:g}" for name, value in prior if name != "kind" and value is not None]
    return f"{prior.kind}, {', '.join(bounds)}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    rows = list(rows)
    if not rows:
        return ""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def main(page: str) -> None:
    """Write the page."""
    Path(page).write_text(galaxy_reference())


if __name__ == "__main__":
    main(*sys.argv[1:])

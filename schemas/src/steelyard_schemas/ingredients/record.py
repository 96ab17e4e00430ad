"""Records of ingredients, and families of alternative records."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import Field

from steelyard_schemas.contract import Part
from steelyard_schemas.ingredients.parameter import Parameter

__all__ = ["Ingredient", "kinds", "one_kind", "one_record", "records"]


class Ingredient(Part):
    """Ingredient of a galaxy: a table of the galaxy file and its parameters.

    Members of a family derive from one class and differ in the literal `kind`.
    """

    title: ClassVar[str]
    """Short name for legends and tables."""
    parameters: ClassVar[tuple[Parameter, ...]] = ()

    @property
    def summary(self) -> str:
        """Short description of this choice, for tables that compare fits."""
        return self.title


def records[T: Ingredient](family: type[T]) -> tuple[type[T], ...]:
    """Return the members of a family in order of declaration."""
    return tuple(family.__subclasses__())


def kinds(family: type[Ingredient]) -> dict[str, type[Ingredient]]:
    """Return the members of a family by the keyword used in a galaxy file."""
    return {member.model_fields["kind"].default: member for member in records(family)}


def one_record(family: type[Ingredient]) -> Any:
    """Return the annotation of a field that holds one member of a family, discriminated by `kind`."""
    return Annotated[Union[records(family)], Field(discriminator="kind")]  # noqa: UP007 (a computed union)


def one_kind(family: type[Ingredient]) -> Any:
    """Return the annotation of a field that names one member of a family."""
    return Literal[*kinds(family)]

"""The record of an ingredient, and families of records that one place of the galaxy file chooses from."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import Field

from steelyard_schemas.contract import Part
from steelyard_schemas.ingredients.parameter import Parameter

__all__ = ["Ingredient", "kinds", "one_kind", "one_record", "records"]


class Ingredient(Part):
    """What a galaxy is made of: a table of the galaxy file and the parameters that it brings.

    Members of a family derive from one class and differ in `kind`, a literal.
    """

    title: ClassVar[str]
    """Short name for legends and tables."""
    parameters: ClassVar[tuple[Parameter, ...]] = ()

    @property
    def summary(self) -> str:
        """Short description of this choice, for tables that compare fits."""
        return self.title


def records[T: Ingredient](family: type[T]) -> tuple[type[T], ...]:
    """Return the members of a family, in the order of their declaration."""
    return tuple(family.__subclasses__())


def kinds(family: type[Ingredient]) -> dict[str, type[Ingredient]]:
    """Return the members of a family by the word that chooses them in a galaxy file."""
    return {member.model_fields["kind"].default: member for member in records(family)}


def one_record(family: type[Ingredient]) -> Any:
    """Return the annotation of a field that holds one member of a family, told apart by its `kind`."""
    return Annotated[Union[records(family)], Field(discriminator="kind")]  # noqa: UP007 (a computed union)


def one_kind(family: type[Ingredient]) -> Any:
    """Return the annotation of a field that names one member of a family."""
    return Literal[*kinds(family)]

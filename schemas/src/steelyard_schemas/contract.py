"""Base classes of contracts: frozen models with kind and version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from steelyard_schemas.arrays import ArraySpec

__all__ = ["Contract", "Part", "StoreContract"]


class Part(BaseModel):
    """Part of a contract: frozen, without unknown fields or non-finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Contract(Part):
    """A versioned contract. Subclasses fix `kind` and `schema_version` as literals."""

    kind: str
    schema_version: str

    ARRAYS: ClassVar[tuple[ArraySpec, ...]] = ()
    ARRAYS_IF: ClassVar[Mapping[str, tuple[ArraySpec, ...]]] = {}
    """Further arrays that are present if the boolean field of this name is true."""

    def array_specs(self) -> tuple[ArraySpec, ...]:
        """Return the specifications of the arrays that a store of this model must contain."""
        return self.ARRAYS + tuple(
            spec for field, specs in self.ARRAYS_IF.items() if getattr(self, field) for spec in specs
        )


class StoreContract(Contract):
    """A contract whose arrays lie beside it; `content_hash` ties the two together."""

    content_hash: str = ""

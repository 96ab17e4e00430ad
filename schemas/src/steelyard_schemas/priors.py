"""Priors as written in a galaxy file."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steelyard_schemas.contract import Part

__all__ = ["Fixed", "LogUniform", "Normal", "Prior", "Sine", "Uniform"]


class _Bounded(Part):
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low = {self.low:g} must be below high = {self.high:g}")
        return self


class Uniform(_Bounded):
    """Constant density between `low` and `high`."""

    kind: Literal["uniform"] = "uniform"


class LogUniform(_Bounded):
    """Constant density in the logarithm, between `low` > 0 and `high`."""

    kind: Literal["log_uniform"] = "log_uniform"
    low: float = Field(gt=0)


class Sine(_Bounded):
    """Density proportional to the sine, for an angle in degrees: a randomly oriented disc."""

    kind: Literal["sine"] = "sine"
    low: float = Field(ge=0, lt=90)
    high: float = Field(gt=0, le=90)


class Normal(Part):
    """Gaussian, truncated at `low` and `high` if given."""

    kind: Literal["normal"] = "normal"
    mean: float
    sd: float = Field(gt=0)
    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low = {self.low:g} must be below high = {self.high:g}")
        return self


class Fixed(Part):
    """Fixed value, not sampled."""

    kind: Literal["fixed"] = "fixed"
    value: float


Prior = Annotated[Uniform | LogUniform | Sine | Normal | Fixed, Field(discriminator="kind")]

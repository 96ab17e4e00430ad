"""Arguments and options that several commands share."""

from typing import Annotated

import typer

Artifact = Annotated[
    str | None, typer.Argument(help="Version or path; the newest version with the paper's 64 Gaussians by default.")
]
Registry = Annotated[
    str | None,
    typer.Option(help="Path or URL (s3://..., gs://...) of a registry; STEELYARD_SURROGATES by default."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Points = Annotated[int, typer.Option(help="Number of fresh laws on which the errors are measured.", min=1)]
LinearExamples = Annotated[int, typer.Option(help="Number of laws for the solution of the linear map.")]
Examples = Annotated[int, typer.Option(help="Number of training laws of a network.")]

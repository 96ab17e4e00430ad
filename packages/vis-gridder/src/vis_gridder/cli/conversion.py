"""The `convert` command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from steelyard_schemas import ContractError, one_line_errors, plain

from vis_gridder.cli.console import printed_warnings, progress_of, refuse_existing
from vis_gridder.cli.option_groups import with_option_groups
from vis_gridder.cli.options import File, OverwriteOption, Selection

__all__ = ["convert"]


@with_option_groups
def convert(
    file: File,
    out: Annotated[Path, typer.Option("--out", "-o", help="Store to write, e.g. target.zarr")],
    selection: Selection,
    overwrite: OverwriteOption = False,
) -> None:
    """Write one field and spectral window as a Visibilities store, Stokes I, block by block.

    Example: vis-gridder convert target.ms --spw 0 -o target.zarr
    """
    from vis_gridder.stream.store import write_visibilities  # loads Zarr; help does without

    with one_line_errors(), printed_warnings():
        refuse_existing(out, overwrite=overwrite)
        sources = selection.open([file])
        if len(sources) > 1:
            raise ContractError(file, f"has {len(sources)} spectral windows that fit; choose one by --spw")
        with progress_of(f"writing {out.name}") as progress:
            write_visibilities(out, sources[0], overwrite=overwrite, progress=progress)
    print(f"{plain(out)}: {sources[0].n_rows} rows, {sources[0].frequency_hz.size} channels")

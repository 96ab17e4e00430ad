"""The options of the commands, in groups, and what they mean for the library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from steelyard_schemas import ContractError

from vis_gridder.constants import DEFAULT_BETA, DEFAULT_MIN_COUNT

if TYPE_CHECKING:  # readers and gridding take a second to load; help does without
    from vis_gridder.gridding.spec import GridSpec
    from vis_gridder.readers.measurement_set.columns import DataColumn
    from vis_gridder.spectral.prepare import Spectral
    from vis_gridder.stream.data_summary import DataSummary
    from vis_gridder.stream.source import Source

__all__ = [
    "File",
    "Files",
    "GridOptions",
    "ImageOptions",
    "JsonOption",
    "OutputOptions",
    "OverwriteOption",
    "RestOption",
    "Selection",
    "SpectralOptions",
    "is_image",
]

FILE_HELP = "Measurement Set, UVFITS, viscube .npz, text table, Visibilities store, or one FITS image cube"
File = Annotated[Path, typer.Argument(help=FILE_HELP)]
Files = Annotated[list[Path], typer.Argument(help=FILE_HELP + "; several are gridded together")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else")]
RestOption = Annotated[float | None, typer.Option(help="Rest frequency of the line, if not the file's own")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace existing files")]


@dataclass(frozen=True)
class Selection:
    """The part of a data set to read."""

    field: Annotated[str | None, typer.Option(help="Field (source), by name or number: NGC1332, or 0,3, or all")] = (
        None
    )
    spw: Annotated[str | None, typer.Option(help="Spectral windows (IFs), by name or number: 0,2 or all")] = None
    scan: Annotated[str | None, typer.Option(help="Scans, e.g. 3,5~9")] = None
    observation: Annotated[int | None, typer.Option(help="Observation of a Measurement Set, by number")] = None
    column: Annotated[
        str | None,
        typer.Option(help="Column of a Measurement Set: data or corrected; default: corrected if all rows have it"),
    ] = None

    def open(self, files: Sequence[Path], *, allow_mixed_widths: bool = False) -> list[Source]:
        """Open the selected part of each file; see `open_visibilities`."""
        from vis_gridder.readers.dispatch import open_visibilities

        column = _column(self.column)
        return [
            source
            for file in files
            for source in open_visibilities(
                file,
                field=self.field,
                spw=self.spw,
                scan=self.scan,
                observation=self.observation,
                column=column,
                allow_mixed_widths=allow_mixed_widths,
            )
        ]


@dataclass(frozen=True)
class GridOptions:
    """The grid; what is left out is suggested from the data."""

    cell_arcsec: Annotated[float | None, typer.Option(help="Image pixel size; suggested if left out")] = None
    npix: Annotated[int | None, typer.Option(help="Image pixels along a side; suggested if left out")] = None
    velocity_min_kms: Annotated[
        float | None, typer.Option(help="Drop channels below this velocity (radio definition)")
    ] = None
    velocity_max_kms: Annotated[
        float | None, typer.Option(help="Drop channels above this velocity (radio definition)")
    ] = None
    rest_frequency_hz: RestOption = None
    beta: Annotated[float, typer.Option(help="Shape of the Kaiser-Bessel kernel")] = DEFAULT_BETA
    min_count: Annotated[
        int, typer.Option(help="Minimum visibilities per cell (single channel) to measure noise from scatter")
    ] = DEFAULT_MIN_COUNT

    @property
    def is_complete(self) -> bool:
        """True if nothing has to be suggested."""
        return self.cell_arcsec is not None and self.npix is not None

    def spec(self, found: DataSummary | None) -> GridSpec:
        """Return the grid; `found` is needed where pixel size or number are left out."""
        from vis_gridder.gridding.spec import GridSpec, suggest_grid

        if self.cell_arcsec is not None and self.npix is not None:
            chosen = GridSpec(cell_arcsec=self.cell_arcsec, npix=self.npix)
        else:
            assert found is not None
            chosen = suggest_grid(found, cell_arcsec=self.cell_arcsec)
        return replace(
            chosen,
            npix=chosen.npix if self.npix is None else self.npix,
            velocity_min_kms=self.velocity_min_kms,
            velocity_max_kms=self.velocity_max_kms,
            rest_frequency_hz=self.rest_frequency_hz,
            beta=self.beta,
            min_count=self.min_count,
        )


@dataclass(frozen=True)
class SpectralOptions:
    """Frame, channels and continuum."""

    frame: Annotated[
        str | None,
        typer.Option(help="LSRK, BARY, TOPO, or file; default: TOPO data are converted to LSRK, others stay"),
    ] = None
    channel_width_kms: Annotated[float | None, typer.Option(help="Average to channels of this width")] = None
    continuum_kms: Annotated[
        list[str] | None,
        typer.Option(help="Line-free range LOW:HIGH for continuum subtraction (repeatable)"),
    ] = None
    continuum_order: Annotated[int, typer.Option(help="Order of the continuum polynomial (0-3)")] = 1

    def spectral(self, rest_frequency_hz: float | None) -> Spectral:
        """Return the options as the library takes them."""
        from vis_gridder.spectral.prepare import Spectral

        return Spectral(
            frame=_frame(self.frame),
            channel_width_kms=self.channel_width_kms,
            rest_frequency_hz=rest_frequency_hz,
            continuum_kms=tuple(_velocity_range(text, "--continuum-kms") for text in self.continuum_kms or ()),
            continuum_order=self.continuum_order,
        )


@dataclass(frozen=True)
class ImageOptions:
    """Options that only image cubes take."""

    line_free_kms: Annotated[
        list[str] | None,
        typer.Option(help="Line-free range LOW:HIGH of an image cube, to measure its noise (repeatable)"),
    ] = None
    dish_diameter_m: Annotated[
        float | None, typer.Option(help="Antenna diameter, for cubes without primary-beam correction")
    ] = None

    @property
    def given(self) -> bool:
        """True if any of them was given."""
        return bool(self.line_free_kms) or self.dish_diameter_m is not None

    def ranges_kms(self) -> list[tuple[float, float]]:
        """Return the line-free ranges (low, high), km/s."""
        return [_velocity_range(text, "--line-free-kms") for text in self.line_free_kms or ()]


@dataclass(frozen=True)
class OutputOptions:
    """Files to write."""

    out: Annotated[Path, typer.Option("--out", "-o", help="Store to write, e.g. target_grid.zarr")]
    dirty_fits: Annotated[Path | None, typer.Option(help="Also write the dirty cube to this FITS file")] = None
    plot: Annotated[Path | None, typer.Option(help="Folder for plots of beam, moments, uv coverage and noise")] = None
    overwrite: OverwriteOption = False
    as_json: JsonOption = False


def is_image(files: Sequence[Path], selection: Selection, **others: Any) -> bool:
    """Return whether the data are an image cube.

    Args:
        files: all files of the command.
        selection: options that an image cube does not take, as are `others`.
        others: values of further options by name.

    Raises:
        ContractError: several files of which one is an image cube, or options that it does not take.

    """
    from vis_gridder.readers.common.fits_image import is_image_cube

    images = [file for file in files if is_image_cube(file)]
    if not images:
        return False
    if len(files) > 1:
        raise ContractError(images[0], "is an image cube, which has its own noise and beam; grid it alone")
    given = {**asdict(selection), **others}
    if refused := [f"--{name.replace('_', '-')}" for name, value in given.items() if value not in (None, [])]:
        raise ContractError(images[0], f"is an image cube: leave out {', '.join(refused)}")
    return True


def _column(text: str | None) -> DataColumn | None:
    known: dict[str | None, DataColumn | None] = {None: None, "data": "data", "corrected": "corrected"}
    if text not in known:
        raise ContractError("--column", f"is {text}; choose data or corrected")
    return known[text]


def _frame(text: str | None) -> Any:
    known = {"lsrk": "LSRK", "bary": "BARY", "topo": "TOPO", "file": "file"}
    if text is not None and text.lower() not in known:
        raise ContractError("--frame", f"is {text}; choose LSRK, BARY, TOPO or file")
    return None if text is None else known[text.lower()]


def _velocity_range(text: str, option: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise ContractError(option, f"is {text!r}; write LOW:HIGH in km/s, e.g. 900:1100") from error
    return low, high

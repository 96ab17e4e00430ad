"""Command line: `vis-gridder info`, `grid`, `convert`."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from steelyard_schemas import (
    ContractError,
    GriddedVisibilities,
    GuardedCommands,
    Store,
    one_line_errors,
    plain,
    write_store,
)
from typer.core import TyperGroup

from vis_gridder.advice import advise, advise_image
from vis_gridder.grid.gridding import grid
from vis_gridder.grid.spec import DEFAULT_BETA, DEFAULT_MIN_COUNT, GridSpec, suggest_grid
from vis_gridder.image_cube.cube import is_image_cube, read_image_cube
from vis_gridder.imaging.dirty import dirty_beam, dirty_cube, fit_beam
from vis_gridder.imaging.fits_cube import write_fits
from vis_gridder.imaging.plots.pictures import PICTURES, pictures
from vis_gridder.readers.dispatch import open_visibilities
from vis_gridder.readers.measurement_set.columns import DataColumn
from vis_gridder.spectral.prepare import Spectral, prepare
from vis_gridder.stream.data_summary import survey
from vis_gridder.stream.history import DataWarning, assumptions
from vis_gridder.stream.source import Source
from vis_gridder.stream.store import write_visibilities

__all__ = ["app", "main", "told_warnings"]


class _Commands(GuardedCommands, TyperGroup):
    """All commands behind one guard."""


app = typer.Typer(
    cls=_Commands,
    help="Read interferometric visibilities, measure their noise and grid them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

FILE_HELP = "Measurement Set, UVFITS, viscube .npz, text table, Visibilities store, or one FITS image cube"
File = Annotated[Path, typer.Argument(help=FILE_HELP)]
Files = Annotated[list[Path], typer.Argument(help=FILE_HELP + "; several are gridded together")]
FieldOption = Annotated[str | None, typer.Option(help="Field (source), by name or number: NGC1332, or 0,3, or all")]
SpwOption = Annotated[str | None, typer.Option(help="Spectral windows (IFs), by name or number: 0,2 or all")]
ScanOption = Annotated[str | None, typer.Option(help="Scans, e.g. 3,5~9")]
ObservationOption = Annotated[int | None, typer.Option(help="Observation of a Measurement Set, by number")]
ColumnOption = Annotated[
    str | None,
    typer.Option(help="Column of a Measurement Set: data or corrected; default: corrected if all rows have it"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else there")]
RestOption = Annotated[float | None, typer.Option(help="Rest frequency of the line, if not the file's own")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what is there")]


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback for (done, in all): a bar on a terminal, a plain line at the end otherwise."""
    label, console = plain(label), Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(label, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    start = time.perf_counter()
    yield lambda done, total: None
    print(f"{label}: {time.perf_counter() - start:.1f} s", file=sys.stderr)


@contextmanager
def told_warnings() -> Iterator[None]:
    """Print warnings about the data as lines, each once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DataWarning)
        try:
            yield
        finally:
            # What is odd about data often explains the error that ends the command.
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                print(f"warning: {plain(message)}", file=sys.stderr)


def _names(files: list[Path]) -> str:
    return " + ".join(file.name for file in files)


def _free(*targets: Path | None, overwrite: bool) -> None:
    for target in targets:
        if target is not None and target.exists() and not overwrite:
            raise ContractError(target, "exists already; choose another name or give --overwrite")


@app.command()
def info(
    files: Files,
    field: FieldOption = None,
    spw: SpwOption = None,
    scan: ScanOption = None,
    observation: ObservationOption = None,
    column: ColumnOption = None,
    rest_frequency_hz: RestOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what files hold, their noise, where the line is, and a grid that suits them.

    Example: vis-gridder info target.ms --spw 0
    """
    with one_line_errors():
        if _is_image(files, {"field": field, "spw": spw, "scan": scan, "observation": observation, "column": column}):
            with told_warnings():
                facts = advise_image(files[0], rest_frequency_hz)
            print(json.dumps(facts)) if as_json else _print_facts(facts)
            return
        with told_warnings():
            sources = [
                source
                for file in files
                for source in open_visibilities(
                    file,
                    field=field,
                    spw=spw,
                    scan=scan,
                    observation=observation,
                    column=_column(column),
                    allow_mixed_widths=True,
                )
            ]
            with _progress(f"reading {_names(files)}") as progress:
                facts = advise(sources, rest_frequency_hz, progress)
    if as_json:
        print(json.dumps(facts))
    else:
        _print_facts(facts)


def _print_facts(facts: dict[str, Any]) -> None:
    for key, value in facts.items():
        if key in ("history", "assumptions"):
            for line in value:
                print(f"{key:>28}  {plain(line)}")
        elif isinstance(value, list):
            print(f"{key:>28}  {' to '.join(f'{v:.9g}' for v in value)}")
        else:
            print(f"{key:>28}  {f'{value:.9g}' if isinstance(value, float) else plain(value)}")


@app.command("grid")
def grid_command(
    files: Files,
    out: Annotated[Path, typer.Option("--out", "-o", help="Store to write, e.g. target_grid.zarr")],
    cell_arcsec: Annotated[float | None, typer.Option(help="Image pixel size; suggested if left out")] = None,
    npix: Annotated[int | None, typer.Option(help="Image pixels along a side; suggested if left out")] = None,
    velocity_min_kms: Annotated[float | None, typer.Option(help="Drop channels below (radio definition)")] = None,
    velocity_max_kms: Annotated[float | None, typer.Option(help="Drop channels above")] = None,
    rest_frequency_hz: RestOption = None,
    field: FieldOption = None,
    spw: SpwOption = None,
    scan: ScanOption = None,
    observation: ObservationOption = None,
    column: ColumnOption = None,
    frame: Annotated[
        str | None, typer.Option(help="LSRK, BARY, TOPO, or file; without it TOPO becomes LSRK, others stay")
    ] = None,
    channel_width_kms: Annotated[float | None, typer.Option(help="Average to channels of this width")] = None,
    continuum_kms: Annotated[
        list[str] | None, typer.Option(help="Velocities without line, LOW:HIGH; repeat it. Their continuum goes")
    ] = None,
    continuum_order: Annotated[int, typer.Option(help="Of the continuum's polynomial, 0 to 3")] = 1,
    beta: Annotated[float, typer.Option(help="Shape of the Kaiser-Bessel kernel")] = DEFAULT_BETA,
    min_count: Annotated[
        int, typer.Option(help="Fewest visibilities for scatter, were there one channel")
    ] = DEFAULT_MIN_COUNT,
    line_free_kms: Annotated[
        list[str] | None,
        typer.Option(help="Of an image cube: velocities without line, LOW:HIGH, to measure its noise; repeat it"),
    ] = None,
    dish_diameter_m: Annotated[
        float | None, typer.Option(help="Of an image cube not corrected for the primary beam: of its antennas")
    ] = None,
    dirty_fits: Annotated[Path | None, typer.Option(help="Write the dirty cube there too, as FITS")] = None,
    plot: Annotated[Path | None, typer.Option(help="Folder for pictures: beam, moments, uv coverage, noise")] = None,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Grid files to a store of uv cells with their noise; several files go on one grid.

    A restored FITS image cube becomes such a store by its Fourier transform and that of its beam; of the options
    it takes --npix (pixels of the image), velocities, --line-free-kms, --dish-diameter-m and those of the output.

    Example: vis-gridder grid target.ms --cell-arcsec 0.1 --npix 144 --rest-frequency-hz 230.538e9 -o target.zarr
    """
    with one_line_errors(), told_warnings():
        pages = [plot / f"{name}.png" for name in PICTURES] if plot else []
        _free(out, dirty_fits, *pages, overwrite=overwrite)
        unfit = {
            "field": field,
            "spw": spw,
            "scan": scan,
            "observation": observation,
            "column": column,
            "frame": frame,
            "cell_arcsec": cell_arcsec,
            "channel_width_kms": channel_width_kms,
            "continuum_kms": continuum_kms,
        }
        if _is_image(files, unfit):
            with _progress(f"transforming {_names(files)}"), told_warnings():
                gridded = read_image_cube(
                    files[0],
                    npix=npix,
                    velocity_min_kms=velocity_min_kms,
                    velocity_max_kms=velocity_max_kms,
                    line_free_kms=[_range(text, "--line-free-kms") for text in line_free_kms or ()],
                    rest_frequency_hz=rest_frequency_hz,
                    dish_diameter_m=dish_diameter_m,
                )
            _write(gridded, out, dirty_fits, plot, overwrite, as_json)
            return
        if line_free_kms or dish_diameter_m is not None:
            raise ContractError(_names(files), "holds visibilities: leave out --line-free-kms and --dish-diameter-m")
        spectral = Spectral(
            frame=_frame(frame),
            channel_width_kms=channel_width_kms,
            rest_frequency_hz=rest_frequency_hz,
            continuum_kms=tuple(_range(text) for text in continuum_kms or ()),
            continuum_order=continuum_order,
        )
        found = [
            open_visibilities(
                file,
                field=field,
                spw=spw,
                scan=scan,
                observation=observation,
                column=_column(column),
                allow_mixed_widths=channel_width_kms is not None,
            )
            for file in files
        ]
        sources = prepare([source for opened in found for source in opened], spectral)
        spec = _spec(sources, cell_arcsec, npix, files)
        spec = replace(
            spec,
            velocity_min_kms=velocity_min_kms,
            velocity_max_kms=velocity_max_kms,
            rest_frequency_hz=rest_frequency_hz,
            beta=beta,
            min_count=min_count,
        )
        with _progress(f"gridding {_names(files)}") as progress, told_warnings():
            gridded = grid(sources, spec, progress=progress)
        _write(gridded, out, dirty_fits, plot, overwrite, as_json)


def _write(
    gridded: Store[GriddedVisibilities],
    out: Path,
    dirty_fits: Path | None,
    plot: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    written = write_store(out, gridded, overwrite=overwrite)
    _report(written, out, as_json)  # before what may fail without harm to the store
    if dirty_fits is not None:
        _write_dirty(dirty_fits, gridded, overwrite)
    if plot is not None:
        with _progress("drawing"):
            pictures(gridded, plot, overwrite=overwrite)
        if not as_json:
            print(f"  pictures in {plain(plot)}")


def _is_image(files: list[Path], unfit: dict[str, Any]) -> bool:
    """Tell whether the data are an image cube, and refuse what it cannot be given."""
    images = [file for file in files if is_image_cube(file)]
    if images and len(files) > 1:
        raise ContractError(images[0], "is an image cube, whose noise and beam are its own; give it alone")
    if images and (
        refused := [f"--{name.replace('_', '-')}" for name, wish in unfit.items() if wish not in (None, [])]
    ):
        raise ContractError(images[0], f"is an image cube: leave out {', '.join(refused)}")
    return bool(images)


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


def _range(text: str, option: str = "--continuum-kms") -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise ContractError(option, f"is {text!r}; write LOW:HIGH in km/s, e.g. 900:1100") from error
    return low, high


def _spec(sources: list[Source], cell_arcsec: float | None, npix: int | None, files: list[Path]) -> GridSpec:
    """Return the grid wanted; what is left open is suggested, which takes a pass over the data."""
    if cell_arcsec is not None and npix is not None:
        return GridSpec(cell_arcsec=cell_arcsec, npix=npix)
    with _progress(f"reading {_names(files)}") as progress:
        suggested = suggest_grid(survey(sources, progress), cell_arcsec=cell_arcsec)
    return suggested if npix is None else replace(suggested, npix=npix)


def _write_dirty(path: Path, gridded: Store[GriddedVisibilities], overwrite: bool) -> None:
    middle = gridded.manifest.npix // 2
    beams = dirty_beam(gridded)
    # One beam for the header: of the channel in the middle of those that hold data.
    full = [beam for beam in beams if beam[middle, middle] > 0]
    beam = fit_beam(full[len(full) // 2], gridded.manifest.cell_arcsec)
    write_fits(path, dirty_cube(gridded), gridded, beam=beam, overwrite=overwrite)


def _report(gridded: Store[GriddedVisibilities], out: Path, as_json: bool) -> None:
    manifest, noise = gridded.manifest, gridded.manifest.noise
    if as_json:
        filled = float(gridded["mask"].mean())
        print(json.dumps({"store": str(out), "filled_fraction": filled, **manifest.model_dump(mode="json")}))
        return
    print(f"{plain(out)}: {gridded['mask'].shape[0]} channels, {manifest.npix} x {manifest.npix} pixels")
    print(f"  {noise.n_used} visibility-channels used, {noise.n_flagged} flagged, {noise.n_outside} beyond the edge")
    print(f"  {noise.visibility_noise_jy:.4g} Jy noise of a visibility, weights scaled by {noise.weight_scale:.4g}")
    print(f"  {noise.n_cells_scatter} cells with variance from scatter, {noise.n_cells_propagated} propagated")
    print(f"  frequencies in {plain(manifest.observation.frequency_frame)}")
    for line in assumptions(manifest.history):
        print(f"  {plain(line)}")


@app.command()
def convert(
    file: File,
    out: Annotated[Path, typer.Option("--out", "-o", help="Store to write, e.g. target.zarr")],
    field: FieldOption = None,
    spw: SpwOption = None,
    scan: ScanOption = None,
    observation: ObservationOption = None,
    column: ColumnOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write one field and spectral window as a Visibilities store, Stokes I, block by block.

    Example: vis-gridder convert target.ms --spw 0 -o target.zarr
    """
    with one_line_errors(), told_warnings():
        _free(out, overwrite=overwrite)
        sources = open_visibilities(
            file, field=field, spw=spw, scan=scan, observation=observation, column=_column(column)
        )
        if len(sources) > 1:
            raise ContractError(file, f"has {len(sources)} spectral windows that fit; choose one by --spw")
        with _progress(f"writing {out.name}") as progress:
            write_visibilities(out, sources[0], overwrite=overwrite, progress=progress)
    print(f"{plain(out)}: {sources[0].n_rows} rows, {sources[0].frequency_hz.size} channels")


def main() -> None:
    """Run the command."""
    app()

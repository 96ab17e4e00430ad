"""Command line: `vis-gridder info FILE` and `vis-gridder grid FILE -o OUT.zarr`."""

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
from steelyard_schemas import ContractError, GriddedVisibilities, Store, Visibilities, write_store

from vis_gridder.dirty import dirty_beam, dirty_cube, fit_beam
from vis_gridder.fits_cube import write_fits
from vis_gridder.gridding import GridWarning, grid
from vis_gridder.noise import time_difference_noise
from vis_gridder.readers import read_visibilities
from vis_gridder.spec import DEFAULT_BETA, DEFAULT_MIN_COUNT, longest_baseline_wavelengths, suggest_grid
from vis_gridder.velocity import radio_velocity_kms

__all__ = ["app", "main"]

app = typer.Typer(
    help="Read interferometric visibilities, measure their noise and grid them.",
    no_args_is_help=True,
    add_completion=False,
)

File = Annotated[Path, typer.Argument(help="Measurement Set, UVFITS (.gz too), viscube .npz or Visibilities store")]
FieldOption = Annotated[str | None, typer.Option(help="Field (source), by name or number")]
SpwOption = Annotated[str | None, typer.Option(help="Spectral window (IF), by name or number")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else there")]
RestOption = Annotated[float | None, typer.Option(help="Rest frequency of the line, if not the file's own")]


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn what is wrong with the data or the disk into one line and exit code 1."""
    try:
        yield
    except (ContractError, OSError) as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        raise typer.Exit(1) from error


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback for (done, in all): a bar on a terminal, a plain line at the end otherwise."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(label, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    start = time.perf_counter()
    yield lambda done, total: None
    print(f"{label}: {time.perf_counter() - start:.1f} s", file=sys.stderr)


def _read(file: Path, field: str | None, spw: str | None) -> Store[Visibilities]:
    with _progress(f"reading {file.name}") as progress:
        return read_visibilities(file, field=field, spw=spw, progress=progress)


@app.command()
def info(
    file: File,
    field: FieldOption = None,
    spw: SpwOption = None,
    rest_frequency_hz: RestOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what a file holds, its noise, and a grid that suits it.

    Example: vis-gridder info target.ms --spw 0
    """
    with _one_line_errors():
        facts = _facts(_read(file, field, spw), rest_frequency_hz)
    if as_json:
        print(json.dumps(facts))
    else:
        _print_facts(facts)


def _facts(vis: Store[Visibilities], rest_frequency_hz: float | None) -> dict[str, Any]:
    manifest, frequency = vis.manifest, vis["frequency_hz"]
    rest_hz = rest_frequency_hz or manifest.observation.rest_frequency_hz
    noise = time_difference_noise(vis)
    suggested = suggest_grid(vis)
    velocity = None if rest_hz is None else radio_velocity_kms(frequency, rest_hz)
    return {
        "source": manifest.source,
        **manifest.observation.model_dump(),
        "rest_frequency_hz": rest_hz,
        "rows": vis["u_m"].size,
        "channels": frequency.size,
        "frequency_hz": [float(frequency[0]), float(frequency[-1])],
        "channel_width_hz": float(vis["channel_width_hz"].mean()),
        "velocity_kms": None if velocity is None else [float(velocity.min()), float(velocity.max())],
        "flagged_fraction": float(vis["flag"].mean()),
        "longest_baseline_wavelengths": longest_baseline_wavelengths(vis),
        "visibility_noise_jy": None if noise is None else 1.0 / (noise.weight_scale * _typical_weight(vis)) ** 0.5,
        "weight_scale": None if noise is None else noise.weight_scale,
        "suggested_cell_arcsec": suggested.cell_arcsec,
        "suggested_npix": suggested.npix,
        "history": list(manifest.history),
    }


def _typical_weight(vis: Store[Visibilities]) -> float:
    return float(vis["weight"][~vis["flag"]].mean())


def _print_facts(facts: dict[str, Any]) -> None:
    for key, value in facts.items():
        if key == "history":
            for line in value:
                print(f"{'history':>28}  {line}")
        elif isinstance(value, list):
            print(f"{key:>28}  {' to '.join(f'{v:.9g}' for v in value)}")
        else:
            print(f"{key:>28}  {f'{value:.9g}' if isinstance(value, float) else value}")


@app.command("grid")
def grid_command(
    file: File,
    out: Annotated[Path, typer.Option("--out", "-o", help="Store to write, e.g. target_grid.zarr")],
    cell_arcsec: Annotated[float | None, typer.Option(help="Image pixel size; suggested if left out")] = None,
    npix: Annotated[int | None, typer.Option(help="Image pixels along a side; suggested if left out")] = None,
    velocity_min_kms: Annotated[float | None, typer.Option(help="Drop channels below (radio definition)")] = None,
    velocity_max_kms: Annotated[float | None, typer.Option(help="Drop channels above")] = None,
    rest_frequency_hz: RestOption = None,
    field: FieldOption = None,
    spw: SpwOption = None,
    beta: Annotated[float, typer.Option(help="Shape of the Kaiser-Bessel kernel")] = DEFAULT_BETA,
    min_count: Annotated[int, typer.Option(help="Fewest visibilities for scatter")] = DEFAULT_MIN_COUNT,
    dirty_fits: Annotated[Path | None, typer.Option(help="Write the dirty cube there too, as FITS")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there")] = False,
    as_json: JsonOption = False,
) -> None:
    """Grid a file to a store of uv cells with their noise.

    Example: vis-gridder grid target.ms --cell-arcsec 0.1 --npix 144 --rest-frequency-hz 230.538e9 -o target.zarr
    """
    with _one_line_errors():
        for target in (out, dirty_fits):
            if target is not None and target.exists() and not overwrite:
                raise ContractError(target, "exists already; choose another name or give --overwrite")
        vis = _read(file, field, spw)
        suggested = suggest_grid(vis, cell_arcsec=cell_arcsec)
        spec = replace(
            suggested,
            npix=suggested.npix if npix is None else npix,
            velocity_min_kms=velocity_min_kms,
            velocity_max_kms=velocity_max_kms,
            rest_frequency_hz=rest_frequency_hz,
            beta=beta,
            min_count=min_count,
        )
        with _progress(f"gridding {file.name}") as progress, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", GridWarning)
            gridded = grid(vis, spec, progress=progress)
        for warning in caught:
            print(f"warning: {warning.message}", file=sys.stderr)
        written = write_store(out, gridded, overwrite=overwrite)
        if dirty_fits is not None:
            _write_dirty(dirty_fits, gridded, overwrite)
    _report(written, out, as_json)


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
    print(f"{out}: {gridded['mask'].shape[0]} channels, {manifest.npix} x {manifest.npix} pixels")
    print(f"  {noise.n_used} visibility-channels used, {noise.n_flagged} flagged, {noise.n_outside} beyond the edge")
    print(f"  {noise.visibility_noise_jy:.4g} Jy noise of a visibility, weights scaled by {noise.weight_scale:.4g}")
    print(f"  {noise.n_cells_scatter} cells with variance from scatter, {noise.n_cells_propagated} propagated")


def main() -> None:
    """Run the command."""
    app()

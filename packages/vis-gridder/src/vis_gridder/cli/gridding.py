"""The `grid` command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard_schemas import ContractError, one_line_errors, plain

from vis_gridder.cli.console import file_names, printed_warnings, progress_of, refuse_existing
from vis_gridder.cli.option_groups import with_option_groups
from vis_gridder.cli.options import (
    Files,
    GridOptions,
    ImageOptions,
    OutputOptions,
    Selection,
    SpectralOptions,
    is_image,
)
from vis_gridder.stream.history import assumptions

if TYPE_CHECKING:  # gridding and imaging take a second to load; help does without
    from steelyard_schemas import GriddedVisibilities, Store

__all__ = ["grid_command"]


@with_option_groups
def grid_command(
    files: Files,
    cells: GridOptions,
    selection: Selection,
    channels: SpectralOptions,
    image: ImageOptions,
    output: OutputOptions,
) -> None:
    """Grid files to a store of uv cells with their noise; several files go on one grid.

    A restored FITS image cube becomes such a store by its Fourier transform and that of its beam. It takes --npix
    (pixels of the image), the velocity options, --line-free-kms, --dish-diameter-m and the output options.

    Example: vis-gridder grid target.ms --cell-arcsec 0.1 --npix 144 --rest-frequency-hz 230.538e9 -o target.zarr
    """
    from vis_gridder.imaging.plots.pictures import PICTURES

    with one_line_errors(), printed_warnings():
        pages = [output.plot / f"{name}.png" for name in PICTURES] if output.plot else []
        refuse_existing(output.out, output.dirty_fits, *pages, overwrite=output.overwrite)
        if is_image(
            files,
            selection,
            frame=channels.frame,
            cell_arcsec=cells.cell_arcsec,
            channel_width_kms=channels.channel_width_kms,
            continuum_kms=channels.continuum_kms,
        ):
            gridded = _grid_image(files[0], cells, image)
        elif image.given:
            raise ContractError(
                file_names(files), "holds visibilities: leave out --line-free-kms and --dish-diameter-m"
            )
        else:
            gridded = _grid_visibilities(files, cells, selection, channels)
        _write(gridded, output)


def _grid_image(file: Path, cells: GridOptions, image: ImageOptions) -> Store[GriddedVisibilities]:
    from vis_gridder.image_cube.cube import read_image_cube

    with progress_of(f"transforming {file.name}"), printed_warnings():
        return read_image_cube(
            file,
            npix=cells.npix,
            velocity_min_kms=cells.velocity_min_kms,
            velocity_max_kms=cells.velocity_max_kms,
            line_free_kms=image.ranges_kms(),
            rest_frequency_hz=cells.rest_frequency_hz,
            dish_diameter_m=image.dish_diameter_m,
        )


def _grid_visibilities(
    files: list[Path], cells: GridOptions, selection: Selection, channels: SpectralOptions
) -> Store[GriddedVisibilities]:
    from vis_gridder.gridding.grid import grid
    from vis_gridder.spectral.prepare import prepare
    from vis_gridder.stream.data_summary import data_summary

    spectral = channels.spectral(cells.rest_frequency_hz)
    opened = selection.open(files, allow_mixed_widths=channels.channel_width_kms is not None)
    sources = prepare(opened, spectral)
    found = None
    if not cells.is_complete:
        with progress_of(f"reading {file_names(files)}") as progress:
            found = data_summary(sources, progress)
    spec = cells.spec(found)
    with progress_of(f"gridding {file_names(files)}") as progress, printed_warnings():
        return grid(sources, spec, progress=progress)


def _write(gridded: Store[GriddedVisibilities], output: OutputOptions) -> None:
    from steelyard_schemas import write_store

    from vis_gridder.imaging.plots.pictures import pictures

    written = write_store(output.out, gridded, overwrite=output.overwrite)
    _report(written, output)  # first, because failures of plots and FITS files leave the store intact
    if output.dirty_fits is not None:
        _write_dirty(output.dirty_fits, gridded, output.overwrite)
    if output.plot is not None:
        with progress_of("drawing"):
            pictures(gridded, output.plot, overwrite=output.overwrite)
        if not output.as_json:
            print(f"  pictures in {plain(output.plot)}")


def _write_dirty(path: Path, gridded: Store[GriddedVisibilities], overwrite: bool) -> None:
    from vis_gridder.imaging.dirty import dirty_beam, dirty_cube, fit_beam
    from vis_gridder.imaging.fits_cube import write_fits

    middle = gridded.manifest.npix // 2
    beams = dirty_beam(gridded)
    # The header has room for one beam: that of the middle one of the channels with data.
    full = [beam for beam in beams if beam[middle, middle] > 0]
    beam = fit_beam(full[len(full) // 2], gridded.manifest.cell_arcsec)
    write_fits(path, dirty_cube(gridded), gridded, beam=beam, overwrite=overwrite)


def _report(gridded: Store[GriddedVisibilities], output: OutputOptions) -> None:
    manifest, noise = gridded.manifest, gridded.manifest.noise
    if output.as_json:
        filled = float(gridded["mask"].mean())
        facts = {"store": str(output.out), "filled_fraction": filled, **manifest.model_dump(mode="json")}
        print(json.dumps(facts))
        return
    print(f"{plain(output.out)}: {gridded['mask'].shape[0]} channels, {manifest.npix} x {manifest.npix} pixels")
    print(f"  {noise.n_used} visibility-channels used, {noise.n_flagged} flagged, {noise.n_outside} beyond the edge")
    print(f"  {noise.visibility_noise_jy:.4g} Jy noise of a visibility, weights scaled by {noise.weight_scale:.4g}")
    print(f"  {noise.n_cells_scatter} cells with variance from scatter, {noise.n_cells_propagated} propagated")
    print(f"  frequencies in {plain(manifest.observation.frequency_frame)}")
    for line in assumptions(manifest.history):
        print(f"  {plain(line)}")

"""Pictures of gridded data as PNG files: uv coverage, noise, dirty beam, moment maps."""

from __future__ import annotations

from pathlib import Path

from steelyard_schemas import ContractError, GriddedVisibilities, Store, atomic_path

__all__ = ["PICTURES", "pictures"]

PICTURES = ("overview", "uv_coverage", "noise", "dirty_beam", "moments")
"""File names without suffix."""
DPI = 150


def pictures(gridded: Store[GriddedVisibilities], folder: str | Path, *, overwrite: bool = False) -> list[Path]:
    """Write pictures of gridded data to a folder and return their paths, that of the overview first.

    `overview.png` holds all panels; `uv_coverage.png`, `noise.png`, `dirty_beam.png` and `moments.png` hold them by
    subject. East is to the left, and so is u. The moments are those of the dirty cube over the channels in
    which `line_channels` finds a line, or over all where it finds none.

    Args:
        gridded: cell means and their variance.
        folder: made where it does not exist.
        overwrite: replace pictures that are there.

    Raises:
        ContractError: matplotlib is not installed, a picture exists and `overwrite` is false, or the store holds no
            data.

    """
    try:
        from vis_gridder.imaging.plots.figures import make_figures
    except ModuleNotFoundError as error:
        raise ContractError("pictures", 'need matplotlib; pip install "vis-gridder[plot]"') from error
    paths = {name: Path(folder) / f"{name}.png" for name in PICTURES}
    if not overwrite and (there := [path for path in paths.values() if path.exists()]):
        raise ContractError(there[0], "exists already; choose another folder or allow overwriting")
    for name, figure in make_figures(gridded).items():
        with atomic_path(paths[name], overwrite=overwrite) as temporary:
            figure.savefig(temporary, format="png", dpi=DPI)
    return list(paths.values())

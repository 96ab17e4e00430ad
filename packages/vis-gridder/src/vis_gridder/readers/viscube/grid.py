"""The `.npz` files of gridded visibilities that viscube's users make and SuperMAGE reads."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from steelyard_schemas import ContractError, GriddedVisibilities, Kernel, NoiseReport, Store, read_npz

from vis_gridder.constants import ARCSEC
from vis_gridder.gridding.kernel import taper
from vis_gridder.readers.common.axis import spectral_axis
from vis_gridder.readers.common.untimed import NOT_IN_THE_FILE, UNKNOWN
from vis_gridder.readers.viscube.errors import error_dof, pool_channels

__all__ = ["is_viscube_grid", "read_viscube_grid"]

CELLS = ("vis_bin_re", "vis_bin_imag", "std_bin_re", "std_bin_imag", "mask")
NEEDED = ("npix", "fov_arcsec", "delta_u", "chan_freq_hz", *CELLS)
OPTIONAL = ("half_plane", "window", "window_m", "window_beta", "taper_map")
KAISER_BESSEL = ("kb", "kaiser", "kaiser_bessel")
PILLBOX = ("pillbox", "boxcar")
"""Window names of viscube 0.4.8, in lower case, with underscores."""
AGAIN = "grid again by viscube's grid_cube_all_stats_nonoverlap with m=1"
SAME_UV_CELL = 1e-4
"""Relative difference of delta_u and 1 / fov_arcsec that rounding explains (206265 arcsec in a radian: 1e-6)."""
SAME_TAPER = 1e-3
"""Difference of two tapers with peak 1 that no likelihood notices."""
SAME_CELL = 1e-3
"""Largest difference of a cell from the conjugate of its mirror image, in units of its error."""
CANCELLED = 1e-6
"""Fraction of a cell's error below which an imaginary part is rounding left by cancellation."""
MOST_ASYMMETRIC = 1e-3
"""Fraction of cells that may differ more: a sample right on an edge goes up on either side of the origin."""


def is_viscube_grid(path: str | Path) -> bool:
    """Return whether a file is a `.npz` of gridded visibilities, from the names of its arrays."""
    if not Path(path).is_file() or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return {"vis_bin_re.npy", "vis_bin_imag.npy"} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
        return False


def read_viscube_grid(path: str | Path) -> Store[GriddedVisibilities]:
    """Read a `.npz` gridded by viscube, as SuperMAGE 1.0.3 takes it (`utils/likelihood.py`, `load_raw_data`).

    The file's cells are `[channel, row, column]` of an odd number of pixels, u = (column - npix // 2) delta_u and
    v = -(row - npix // 2) delta_u; half-plane files hold the rows from npix // 2 on, older ones the whole plane
    with every baseline twice. Here each counts once, on the half plane of `GriddedVisibilities`. All channels are
    read (SuperMAGE leaves out the last one unless told otherwise). Cells that are masked, or whose error is NaN or
    not positive, hold no data here.

    The variance is the mean of those of the real and of the imaginary part. The file does not tell from how many
    visibilities these are estimated; how much the two differ does (`error_dof`). Every cell counts as one visibility.
    Nor are target, telescope, dish, phase centre and frame in the file: they are "unknown" or None, as in
    `open_viscube`. Without a dish a model has no primary beam.

    Args:
        path: the file.

    Raises:
        ContractError: arrays are damaged, missing, misshapen or contradict each other, the number of pixels is
            even, or the gridding kernel is wider than one cell or unknown.

    """
    path = Path(path)
    arrays = _load(path)
    npix, cell_arcsec = _pixels(path, arrays), _cell_arcsec(path, arrays)
    kernel = _kernel(path, arrays)
    _check_taper(path, arrays, npix, cell_arcsec, kernel)
    axis = spectral_axis(path, arrays["chan_freq_hz"])
    cells, history = _half_plane(path, arrays, npix, axis.frequency_hz.size)
    mean, variance_re, variance_im, mask = (a[axis.order] for a in cells)
    if not mask.any():
        raise ContractError(
            path, "has no cell with data and a finite, positive error; look at its mask and std_bin_re"
        )
    variance = 0.5 * (variance_re + variance_im)
    single_dof = error_dof(variance_re, variance_im, mask)
    variance, dof, pooled = pool_channels(variance, single_dof, mask)
    if pooled:
        history.append("pooled the errors of each cell over channels: they differ by chance and by the channel alone")
    history = [
        f"read a .npz gridded by viscube to {npix} x {npix} pixels of {cell_arcsec:g} arcsec",
        *history,
        "assumed one visibility in each cell: the file does not give their number",
        "assumed Jy, and standard deviations in std_bin_re and std_bin_imag, as viscube writes them",
        "measured the degrees of freedom of the errors from how those of real and imaginary parts differ: "
        f"{np.median(single_dof[mask]):.3g} (median, before pooling)",
        *NOT_IN_THE_FILE,
    ]
    statistics = {
        "mean": mean.astype(np.complex64),
        "variance": variance.astype(np.float32),
        "dof": dof.astype(np.float32),
        "count": mask.astype(np.int32),
        "mask": mask,
    }
    manifest = GriddedVisibilities(
        observation=UNKNOWN,
        npix=npix,
        cell_arcsec=cell_arcsec,
        channel_width_hz=float(axis.width_hz.mean()),
        kernel=kernel,
        noise=NoiseReport.of_cells(variance, mask),
        source=path.name,
        history=tuple(history),
    )
    store = Store(manifest, statistics | _axes(npix, cell_arcsec, axis.frequency_hz))
    store.check(path)
    return store


def _axes(npix: int, cell_arcsec: float, frequency_hz: np.ndarray) -> dict[str, np.ndarray]:
    """Return the coordinates of the cells."""
    pixel_rad = cell_arcsec * ARCSEC
    return {
        "frequency_hz": frequency_hz,
        "u_wavelengths": np.fft.rfftfreq(npix, pixel_rad),
        "v_wavelengths": np.fft.fftfreq(npix, pixel_rad),
    }


def _load(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays that are known here; whatever else a user has put into the file is not touched."""
    arrays = read_npz(path, "write it again", (*NEEDED, *OPTIONAL))
    if missing := [name for name in NEEDED if name not in arrays]:
        raise ContractError(path, f"lacks the array {', '.join(missing)} of viscube's gridded files")
    for name, array in arrays.items():
        if name != "window" and array.dtype.kind not in "biuf":
            raise ContractError(path, f"has {name} of type {array.dtype}, expected numbers")
    return arrays


def _number(path: Path, arrays: Mapping[str, np.ndarray], name: str) -> float:
    """Return a positive number."""
    array = arrays[name]
    if array.size != 1 or not (np.isfinite(value := float(array.item())) and value > 0):
        raise ContractError(path, f"has {name} = {array.ravel()[:3].tolist()}, expected one positive number")
    return value


def _pixels(path: Path, arrays: Mapping[str, np.ndarray]) -> int:
    number = _number(path, arrays, "npix")
    npix = int(number)
    if npix != number or npix < 9:
        raise ContractError(path, f"has npix = {number:g}, expected a whole number of 9 or more")
    if npix % 2 == 0:
        raise ContractError(
            path,
            f"has npix = {npix}: viscube's cells of an even grid lie between those of an FFT; {AGAIN} and npix odd",
        )
    return npix


def _cell_arcsec(path: Path, arrays: Mapping[str, np.ndarray]) -> float:
    """Return the pixel size; raise ContractError if delta_u and fov_arcsec contradict each other."""
    npix = _pixels(path, arrays)
    delta_u = _number(path, arrays, "delta_u")
    # Twelve digits, for delta_u is a difference of edges that carries their rounding.
    cell_arcsec = float(f"{1.0 / (npix * delta_u * ARCSEC):.12g}")
    field_arcsec = _number(path, arrays, "fov_arcsec")
    if abs(field_arcsec / (npix * cell_arcsec) - 1.0) > SAME_UV_CELL:
        raise ContractError(
            path,
            f"has delta_u = {delta_u:g}, which makes a field of {npix * cell_arcsec:.6g} arcsec, but fov_arcsec = "
            f"{field_arcsec:g}; correct the wrong one",
        )
    return cell_arcsec


def _kernel(path: Path, arrays: Mapping[str, np.ndarray]) -> Kernel:
    if "window" not in arrays:
        raise ContractError(
            path, f"does not give its gridding kernel (window, window_m, window_beta); add them or {AGAIN}"
        )
    window = str(arrays["window"].item() if arrays["window"].size == 1 else arrays["window"])
    name = window.lower().replace("-", "_")
    if name not in (*KAISER_BESSEL, *PILLBOX):
        raise ContractError(path, f"is gridded with the window '{window}', which is not known here; {AGAIN}")
    if name in KAISER_BESSEL and (lacking := [key for key in ("window_m", "window_beta") if key not in arrays]):
        raise ContractError(
            path, f"lacks {' and '.join(lacking)} of its Kaiser-Bessel window; add what it was made with"
        )
    width = _number(path, arrays, "window_m") if "window_m" in arrays else 1.0
    if width != 1.0:
        raise ContractError(
            path, f"is gridded with window_m = {width:g}: cells that share visibilities share their noise; {AGAIN}"
        )
    if name in PILLBOX:
        return Kernel(width_cells=1.0, beta=0.0)
    beta = arrays["window_beta"]
    if beta.size != 1 or not (np.isfinite(beta.item()) and beta.item() >= 0):
        raise ContractError(path, f"has window_beta = {beta.ravel()[:3].tolist()}, expected one number of 0 or more")
    return Kernel(width_cells=1.0, beta=float(beta.item()))


def _check_taper(path: Path, arrays: Mapping[str, np.ndarray], npix: int, cell_arcsec: float, kernel: Kernel) -> None:
    """Raise ContractError if the file's taper is there and not that of its window."""
    if "taper_map" not in arrays:
        return
    theirs, ours = arrays["taper_map"], taper(npix, cell_arcsec, kernel)
    if theirs.shape != ours.shape:
        raise ContractError(path, f"has taper_map of shape {theirs.shape}, expected {ours.shape}")
    if not np.abs(theirs - ours).max() < SAME_TAPER:
        raise ContractError(
            path,
            f"has a taper_map that is not that of its window (Kaiser-Bessel, m = 1, beta = {kernel.beta:g}); "
            "correct window_beta, or leave taper_map out",
        )


class _Cells(NamedTuple):
    """Values of the cells of a file, zero where `mask` is false."""

    mean: np.ndarray
    variance_re: np.ndarray
    variance_im: np.ndarray
    mask: np.ndarray


def _half_plane(path: Path, arrays: Mapping[str, np.ndarray], npix: int, n_channels: int) -> tuple[_Cells, list[str]]:
    """Return the cells on our half plane, [channel, v, u], and what was done."""
    half = bool(np.any(arrays["half_plane"])) if "half_plane" in arrays else False
    expected = (n_channels, (npix + 1) // 2 if half else npix, npix)
    for name in CELLS:
        if arrays[name].shape != expected:
            what = "half-plane" if half else "full-plane"
            raise ContractError(
                path, f"has {name} of shape {arrays[name].shape}, expected {expected} of a {what} file"
            )
    mean = arrays["vis_bin_re"] + 1j * arrays["vis_bin_imag"]
    std_re, std_im = (arrays[name].astype(float) for name in ("std_bin_re", "std_bin_imag"))
    mask = arrays["mask"].astype(bool)
    with np.errstate(invalid="ignore"):
        usable = mask & np.isfinite(mean) & np.isfinite(std_re) & np.isfinite(std_im) & (std_re > 0) & (std_im > 0)
    history = []
    if np.any(mask & ~usable):
        n_lost = np.count_nonzero(mask & ~usable)
        history.append(f"left out {n_lost} cells whose mean or error is NaN, or whose error is not positive")
    mean, variance_re, variance_im = (np.where(usable, a, 0) for a in (mean, std_re**2, std_im**2))
    cells = _Cells(mean, variance_re, variance_im, usable)
    if not half:
        _check_conjugates(path, cells)
        cells = _Cells(*(a[:, npix // 2 :] for a in cells))
        history.append("took one half of a whole plane, after a check that the other is its conjugate")
    cells = _Cells(*(_to_rfft(a) for a in cells))
    # Where conjugates were gridded with the originals, the imaginary part is rounding and the variance half of true.
    zero = (slice(None), 0, 0)
    cancelled = cells.mask[zero] & (np.abs(cells.mean[zero].imag) < CANCELLED * np.sqrt(cells.variance_re[zero]))
    if np.any(cancelled):
        for array in cells:
            array[cancelled, 0, 0] = 0
        history.append(
            "left out the cell of zero baseline, where visibilities were averaged with their own conjugates"
        )
    return cells, history


def _check_conjugates(path: Path, cells: _Cells) -> None:
    """Raise ContractError unless the cells of a whole plane are conjugates of their mirror images."""
    mean, _, variance, mask = cells
    apart = np.abs(mean - mean[:, ::-1, ::-1].conj()) > SAME_CELL * np.sqrt(variance)
    apart &= mask
    centre = mask.shape[1] // 2
    apart[:, centre, centre] = False
    fraction = int(np.count_nonzero(apart)) / max(int(np.count_nonzero(mask)), 1)
    if fraction > MOST_ASYMMETRIC:
        raise ContractError(
            path,
            f"holds the whole plane, but {100 * fraction:.2g} % of its cells are not the conjugates of their mirror "
            "images; grid again after viscube's hermitian_augment",
        )


def _to_rfft(slab: np.ndarray) -> np.ndarray:
    """Take rows v = 0, -1, ... and columns of all u to rows of all v and columns u >= 0, in the order of `rfft2`."""
    n_channels, n_rows, npix = slab.shape
    centre = npix // 2
    plane = np.zeros((n_channels, npix, n_rows), slab.dtype)
    plane[:, 0] = slab[:, 0, centre:]
    plane[:, :centre:-1, 1:] = slab[:, 1:, centre + 1 :]
    # All with u <= 0 and v < 0 is moved to the opposite side, the column u = 0 with it.
    mirrored = slab[:, 1:, centre::-1]
    plane[:, 1 : centre + 1] = mirrored.conj() if np.iscomplexobj(slab) else mirrored
    return plane

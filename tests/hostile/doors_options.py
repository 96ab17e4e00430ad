"""Options of commands: numbers that are none, or that ask for more than there is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .case import GRID, Build, Case, take

SIMULATE = ["steelyard", "simulate", "toy.toml", "--antennas", "antennas.cfg", "--out", "out.zarr"]
SIMULATIONS = {
    "hours": ("inf", "nan", "0", "-1", "1e300", "x"),
    "integration-s": ("0", "nan", "-30", "1e-300", "inf"),
    "channels": ("1000000000", "1", "-1", "9223372036854775808", "2.5"),
    "channel-width-kms": ("0", "nan", "inf", "-10", "1e300"),
    "declination-deg": ("nan", "inf", "91"),
    "noise-jy": ("nan", "inf", "-1", "1e-300", "1e300"),
    "seed": ("-1", "9223372036854775808", "1" + 5000 * "0"),
}
GRIDS = {
    "npix": ("100000", "1000000000", "0", "-16", "7.5", "9223372036854775808"),
    "cell-arcsec": ("1e-300", "0", "-1", "nan", "inf", "1e300"),
    "velocity-min-kms": ("inf", "nan", "1e300"),
    "rest-frequency-hz": ("0", "nan", "-1", "inf", "230.5"),
    "channel-width-kms": ("0", "nan", "-5", "1e-300", "inf"),
    "continuum-kms": ("x", "nan:nan", "1:2:3", "5:1", "-inf:inf"),
    "continuum-order": ("-1", "1000000"),
    "beta": ("nan", "inf", "-1e300", "1e300"),
    "min-count": ("-1", "0", "9223372036854775808"),
    "field": ("9" * 5000, "\x1b[2J", "-1"),
    "spw": ("0~99999999999", "\x1b[2J", "9" * 5000),
    "scan": ("5~1", "\x1b[2J", "x"),
    "observation": ("-1", "9223372036854775808"),
    "column": ("model", "\x1b[2J"),
    "frame": ("\x1b[2J", "GALACTO"),
    "line-free-kms": ("x",),
    "dish-diameter-m": ("nan",),
}
"""Options of `grid`: of the selection on a Measurement Set, others on what is read fastest."""
SELECTION = ("field", "spw", "scan", "observation", "column", "frame")
IMAGES = {
    "npix": ("100000000", "0", "-1"),
    "dish-diameter-m": ("nan", "0", "-12", "1e-300", "inf"),
    "line-free-kms": ("x", "nan:nan", "5:1", "1:2:3", "1e300:1e301"),
    "velocity-min-kms": ("inf", "nan"),
    "cell-arcsec": ("1",),
    "rest-frequency-hz": ("nan", "-1"),
}


def cases() -> Iterator[Case]:
    """Yield the cases of this door."""
    for option, values in SIMULATIONS.items():
        for value in values:
            noise = [] if option == "noise-jy" else ["--noise-jy", "0.1"]
            argv = [*SIMULATE, *noise, f"--{option}={value}"]
            yield Case("options", f"simulate --{option} {value[:20]!r}", _with(argv, "toy.toml", "antennas.cfg"))
    for option, values in GRIDS.items():
        for value in values:
            data = "target.ms" if option in SELECTION else "target.npz"
            argv = ["vis-gridder", "grid", data, *GRID, f"--{option}={value}"]
            yield Case("options", f"grid --{option} {value[:20]!r}", _with(argv, data))
    for option, values in IMAGES.items():
        for value in values:
            argv = ["vis-gridder", "grid", "image.fits", "--out", "out.zarr", f"--{option}={value}"]
            yield Case("options", f"grid of an image --{option} {value[:20]!r}", _with(argv, "image.fits"))
    for argv in (
        ["steelyard", "\x1b[2J"],
        ["steelyard", "fit"],
        ["steelyard", "fit", "toy.toml", "--\x1b[2J"],
        ["steelyard", "compare", "toy.toml", "--models", "--proposals", "-1"],
        ["steelyard", "survey", "run", "sample.csv", "--workers", "0"],
        ["steelyard", "survey", "run", "sample.csv", "--cpus-per-worker", "nan"],
        ["steelyard", "surrogate", "train", "out", "--version", "../.."],
        ["steelyard", "surrogate", "train", "out", "--n-sigma", "-1"],
        ["steelyard", "surrogate", "train", "out", "--points", "0"],
        ["steelyard", "surrogate", "train", "out", "--hidden", "x"],
        ["steelyard", "surrogate", "train", "out", "--head", "corrected", "--hidden", "1000000000000"],
        ["steelyard", "surrogate", "train", "out", "--n-sigma", "1000000000000"],
        ["steelyard", "surrogate", "evaluate", "--points", "-1"],
    ):
        yield Case("options", " ".join(argv).replace("\x1b", "ESC"), _with(argv, "toy.toml", "sample.csv"))


def _with(argv: list[str], *files: str) -> Build:
    def build(folder: Path, valid: Path) -> list[str]:
        for file in files:
            take(folder, valid, file)
        return argv

    return build

"""The gridder beside viscube's on the same visibilities, and its time and memory as the data grow, in one run.

    uv run --with viscube==0.4.8 python -m benchmarks.gridding [--write] [--largest 1e9]

First, 80 channels of 74,100 visibilities (39 antennas, 100 integrations) onto 135 x 135 pixels: `vis_gridder.grid`,
noise estimate included, `viscube.grid_cube_all_stats_nonoverlap` with the noise handed to it, and the same sums by
NumPy's bincount. They alternate, ours five times to their one; the median and the fastest count. The means are
compared in double precision where both keep the cell. Then streams of 1e6 to 1e9 visibility-channels, made block by
block, each in a process of its own whose peak memory is read at the end; the time to make the blocks alone is taken
off.
--write puts the tables into benchmarks/gridding.md.
"""

import argparse
import contextlib
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from steelyard_schemas import Observation, Store, Visibilities
from vis_gridder import GridSpec, grid
from vis_gridder.constants import ARCSEC, SPEED_OF_LIGHT_M_S
from vis_gridder.gridding.cell_statistics import CellScatter, CellStatistics, GroupNoise
from vis_gridder.gridding.kernel import kaiser_bessel
from vis_gridder.gridding.one_pass import one_pass
from vis_gridder.stream.source import Block, Source, as_source

from benchmarks.peer_process import memory_mib, run_module
from validation.page import ResultPage, table

PAGE = ResultPage(Path(__file__).with_suffix(".md"), "benchmarks.gridding", peers=("viscube==0.4.8",))
ROUNDS = 5
CELL_ARCSEC, NPIX, CHANNELS = 0.1, 135, 80
ANTENNAS, INTEGRATIONS, SCAN = 39, 100, 50
INTEGRATION_S = 6.0
FREQUENCY_HZ = 230e9 + 1e7 * np.arange(CHANNELS)
OBSERVATION = Observation(
    target="benchmark",
    telescope="ALMA",
    dish_diameter_m=12.0,
    phase_centre_ra_deg=0.0,
    phase_centre_dec_deg=-30.0,
    frequency_frame="LSRK",
    rest_frequency_hz=230.538e9,
)
SPEC = GridSpec(cell_arcsec=CELL_ARCSEC, npix=NPIX)


class Track:
    """Rows of an array of random stations that the Earth turns, integration by integration."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        reach_m = SPEED_OF_LIGHT_M_S / FREQUENCY_HZ[-1] / (2 * CELL_ARCSEC * ARCSEC)
        station = rng.normal(0, 1, (ANTENNAS, 2))
        self.first, self.second = np.triu_indices(ANTENNAS, 1)
        baseline = station[self.first] - station[self.second]
        self.baseline = baseline * (0.97 * reach_m / np.hypot(*baseline.T).max())
        self.n = len(baseline)

    def rows(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return the row arrays of some integrations."""
        integration = np.arange(start, stop)
        angle = 2 * np.pi * integration[:, None] * INTEGRATION_S / 86164.0
        east, north = self.baseline.T
        n = len(integration)
        return {
            "u_m": (east * np.cos(angle) - north * np.sin(angle)).ravel(),
            "v_m": (0.8 * (east * np.sin(angle) + north * np.cos(angle))).ravel(),
            "w_m": np.zeros(n * self.n),
            "time_mjd_s": np.repeat(5e9 + INTEGRATION_S * integration, self.n),
            "antenna1": np.tile(self.first, n).astype(np.int32),
            "antenna2": np.tile(self.second, n).astype(np.int32),
            "scan": np.repeat(1 + integration // SCAN, self.n).astype(np.int32),
        }


def in_memory() -> Store:
    track, rng = Track(), np.random.default_rng(1)
    rows = track.rows(0, INTEGRATIONS)
    shape = (rows["u_m"].size, CHANNELS)
    noise = rng.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]
    arrays = rows | {
        "vis": (noise + 3.0).astype(np.complex64),
        "weight": rng.uniform(0.5, 1.5, shape).astype(np.float32),
        "flag": np.zeros(shape, bool),
        "frequency_hz": FREQUENCY_HZ,
        "channel_width_hz": np.full(CHANNELS, 1e7),
    }
    return Store(Visibilities(observation=OBSERVATION, source="benchmark"), arrays)


def stream(n_samples: float) -> Source:
    """Return a stream of about so many visibility-channels; the samples of all blocks are the same noise."""
    track, rng = Track(), np.random.default_rng(2)
    per_block = 20
    integrations = max(2, round(n_samples / CHANNELS / track.n))
    shape = (per_block * track.n, CHANNELS)
    noise = rng.standard_normal((*shape, 2), np.float32).view(np.complex64)[..., 0]
    weight, flag = np.ones(shape, np.float32), np.zeros(shape, bool)

    def blocks():
        for start in range(0, integrations, per_block):
            rows = track.rows(start, min(start + per_block, integrations))
            n = rows["u_m"].size
            yield Block(**rows, vis=noise[:n], weight=weight[:n], flag=flag[:n])

    return Source(
        observation=OBSERVATION,
        name="stream",
        frequency_hz=FREQUENCY_HZ,
        channel_width_hz=np.full(CHANNELS, 1e7),
        n_rows=integrations * track.n,
        start_mjd_s=5e9,
        blocks=blocks,
    )


def one_size(n_samples: float) -> dict[str, float]:
    """Grid one stream and tell time and peak memory; run in a process of its own."""
    grid(stream(2e5), SPEC)  # compiled code is loaded
    source = stream(n_samples)
    began = time.perf_counter()
    for _ in source.blocks():
        pass
    made = time.perf_counter() - began
    began = time.perf_counter()
    gridded = grid(source, SPEC)
    took = time.perf_counter() - began
    _, peak = memory_mib()
    return {"samples": gridded.manifest.noise.n_used, "seconds": took - made, "making": made, "peak_mib": peak}


def double_means(vis: Store) -> tuple[np.ndarray, np.ndarray]:
    """Return cell means in double precision and counts, [channel, v, u]: `grid` without its last rounding."""
    done = one_pass(as_source(vis), SPEC, range(CHANNELS))
    statistics_of = CellStatistics.empty((CHANNELS, NPIX, NPIX // 2 + 1), np.complex128)
    noise = done.noise
    groups = GroupNoise(
        noise.variance_per_weight, noise.dof, np.zeros(noise.dof.size, int), noise.channel_factor[None]
    )
    scatter = CellScatter(np.zeros((NPIX, NPIX // 2 + 1, 2)), noise.channel_factor)
    for cells in done.cells:
        cells.finish(statistics_of, groups, scatter)
    return statistics_of.mean, statistics_of.n_samples


def viscube_input(vis: Store) -> dict[str, np.ndarray]:
    from viscube import hermitian_augment

    scale = FREQUENCY_HZ[:, None] / SPEED_OF_LIGHT_M_S
    u, v = scale * vis["u_m"], scale * vis["v_m"]
    data, weight = vis["vis"].T.astype(complex), vis["weight"].T.astype(float)
    sigma = 1 / np.sqrt(weight)
    uu, vv, re, im, w, s_re, s_im = hermitian_augment(u, v, data, weight, sigma, sigma)
    return {
        "frequencies": FREQUENCY_HZ,
        "uu": uu,
        "vv": vv,
        "vis_re": re,
        "vis_imag": im,
        "weight": w,
        "invvar_group_re": s_re**-2,
        "invvar_group_im": s_im**-2,
        "npix": NPIX,
        "fov_arcsec": NPIX * CELL_ARCSEC,
        "n_aug": u.shape[1],
    }


def viscube_grid(arguments: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return viscube's cell means and counts on our half plane."""
    from viscube import grid_cube_all_stats_nonoverlap

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        re, im, _, _, counts, _, _ = grid_cube_all_stats_nonoverlap(**arguments)
    # Its rows run from the largest v to the smallest; ours as fftfreq, with u from zero up.
    rows = NPIX // 2 - np.rint(np.fft.fftfreq(NPIX) * NPIX).astype(int)
    half = (slice(None), rows, slice(NPIX // 2, None))
    return (re + 1j * im)[half], counts[half]


def bincount_grid(vis: Store) -> None:
    """The same sums by NumPy, one channel at a time."""
    field = SPEC.field_rad
    for channel in range(CHANNELS):
        scale = FREQUENCY_HZ[channel] / SPEED_OF_LIGHT_M_S * field
        x, y, d = vis["u_m"] * scale, vis["v_m"] * scale, vis["vis"][:, channel].astype(complex)
        w = vis["weight"][:, channel].astype(float)
        flip = x < 0
        x, y, d = np.where(flip, -x, x), np.where(flip, -y, y), np.where(flip, d.conj(), d)
        iu, iv = np.floor(x + 0.5), np.floor(y + 0.5)
        wk = w * kaiser_bessel(x - iu, SPEC.kernel) * kaiser_bessel(y - iv, SPEC.kernel)
        cell = ((iv.astype(int) % NPIX) * (NPIX // 2 + 1)) + iu.astype(int)
        for weights in (
            wk,
            wk * d.real,
            wk * d.imag,
            w,
            w * d.real,
            w * d.imag,
            w * np.abs(d) ** 2,
            wk * wk / w,
            None,
        ):
            np.bincount(cell, weights, NPIX * (NPIX // 2 + 1))


def timed(routes):
    """Run (name, function, calls a round) by turns; return the last results, and medians and fastest times."""
    results, times = {}, {name: [] for name, _, _ in routes}
    for _ in range(ROUNDS):
        for name, function, calls in routes:
            for _ in range(calls):
                began = time.perf_counter()
                results[name] = function()
                times[name].append(time.perf_counter() - began)
    return results, [(name, statistics.median(t), min(t)) for name, t in times.items()]


def beside_viscube() -> list[str]:
    vis = in_memory()
    n = vis["vis"].size
    grid(vis, SPEC)  # compiled code is loaded
    arguments = viscube_input(vis)
    results, rows = timed(
        [
            ("vis_gridder.gridding", lambda: grid(vis, SPEC), 5),
            ("numpy.bincount, sums only", lambda: bincount_grid(vis), 1),
            ("viscube.grid_cube_all_stats_nonoverlap", lambda: viscube_grid(arguments), 1),
        ]
    )
    gridded, _, (theirs_mean, theirs_count) = results.values()
    ours = rows[0][1]
    mean, count = double_means(vis)
    both = (count > 0) & (theirs_count > 0)
    both[:, 0, 0] = False
    scale = np.abs(mean[both])
    difference = np.abs(mean[both] - theirs_mean[both])
    lines = [
        f"{CHANNELS} channels x {vis['u_m'].size} visibilities onto {NPIX} x {NPIX} pixels",
        "",
        *table(
            ("route", "median [s]", "fastest [s]", "ns per visibility and channel", "times ours"),
            [
                (name, f"{median:.3f}", f"{best:.3f}", f"{median / n * 1e9:.1f}", f"{median / ours:.1f}")
                for name, median, best in rows
            ],
        ),
        f"Cells that both keep: {np.count_nonzero(both)} of {np.count_nonzero(count)} of ours; means differ by at "
        f"most {difference.max():.1e} of {scale.max():.2g} Jy ({(difference / scale).max():.1e} relative). "
        "The cell (0, 0) is left out: it mixes a baseline with its conjugate, each code in its own way.",
    ]
    assert np.array_equal(count > 0, gridded["mask"])
    return lines


def growth(largest: float) -> list[str]:
    lines = [
        f"Streams of {CHANNELS} channels onto {NPIX} x {NPIX} pixels, scans of {SCAN} integrations",
        "",
    ]
    head = ("visibility-channels", "gridding [s]", "ns each", "making the blocks [s]", "peak memory [MiB]")
    rows = []
    size = 1e6
    while size <= largest * 1.001:
        own = {"stdout": subprocess.PIPE, "text": True}
        found = json.loads(run_module("benchmarks.gridding", "--one-size", size, **own).stdout)
        print(found, file=sys.stderr)
        each_ns = found["seconds"] / found["samples"] * 1e9
        times = f"{found['seconds']:.2f}", f"{each_ns:.1f}", f"{found['making']:.2f}"
        rows.append((f"{found['samples']:.3g}", *times, f"{found['peak_mib']:.0f}"))
        size *= 10
    return [*lines, *table(head, rows)]


def main() -> None:
    parser = PAGE.parser(__doc__)
    parser.add_argument("--largest", type=float, default=1e9, help="visibility-channels of the largest stream")
    parser.add_argument("--one-size", type=float, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one_size:
        print(json.dumps(one_size(arguments.one_size)))
        return
    head = [
        f"{platform.machine()}, {os.cpu_count()} cores",
        "",
    ]
    text = "\n".join([*head, *beside_viscube(), "", *growth(arguments.largest)]) + "\n"
    print(text)
    if arguments.write:
        PAGE.write(text)


if __name__ == "__main__":
    main()

"""The page of the calibration: rank plots with simultaneous bands, coverage, and the cost of approximations."""

import json
from functools import cache

import numpy as np
from arviz_stats.ecdf_utils import ecdf_pit
from matplotlib.figure import Figure
from steelyard_schemas.ingredients import PARAMETERS

from validation.calibration.fits import N_RANKED, QUANTILES
from validation.page import DOCS, ResultPage, table

LEVELS = (0.50, 0.68, 0.95)
BAND = 0.95
MASS = "log10_mbh"
STUDIED = {"student_t": "Student t", "gaussian": "Gaussian", "gaussian_x2": "Gaussian, errors x 2"}
"""Likelihoods of the study, and their names on the page; the last is the paper's."""

PAGE = ResultPage(DOCS / "calibration.md", "validation.calibration", "--folder FOLDER")


def read_records(folder, part, kind):
    """All records of a part, in the order of their data sets."""
    return [json.loads(path.read_text()) for path in sorted((folder / f"{part}-{kind}").glob("[0-9]*.json"))]


def uniform_values(records, name):
    """Rank statistics as numbers that are uniform in (0, 1) if all is well: (rank + u) / (draws + 1), u uniform.

    The u are the same at every call, so that a page can be made again.
    """
    ranks = np.array([record["parameters"][name]["rank"] for record in records])
    u = np.random.default_rng([len(records), sum(name.encode())]).uniform(size=len(ranks))
    return (ranks + u) / (N_RANKED + 1)


@cache
def band(n, level=BAND):
    """Points, and lower and upper end of the band that holds all of the ECDF of n uniform numbers with `level`.

    Simultaneous, by simulation (Saeilynoja, Buerkner & Vehtari 2022), by ArviZ.
    """
    points, _, low, high = ecdf_pit(np.linspace(0.01, 0.99, n), level, 4000, rng=np.random.default_rng(1))
    return points, low, high


def within_band(values):
    """Whether the ECDF stays in the simultaneous 95 % band."""
    points, low, high = band(len(values))
    ecdf = np.searchsorted(np.sort(values), points, side="right") / len(values)
    inside = (ecdf >= low - 1e-12) & (ecdf <= high + 1e-12)
    return bool(np.all(inside[1:-1]))


def coverage(records, name, level):
    """Share of central intervals that hold the truth, and its standard error."""
    below = np.array([record["parameters"][name]["below"] for record in records])
    share = float(np.mean(np.abs(below - 0.5) <= level / 2))
    return share, float(np.sqrt(level * (1 - level) / len(below)))


def coverages(records, name):
    """Cells of a table: coverage at all levels."""
    shares = [coverage(records, name, level) for level in LEVELS]
    return [f"{100 * share:.1f} +- {100 * error:.1f} %" for share, error in shares]


def relative_width(records, name, prior_sd):
    """Median posterior standard deviation over that of the prior: 1 where the data tell nothing."""
    return float(np.median([record["parameters"][name]["sd"] for record in records]) / prior_sd)


def half_width(records, name):
    """Median over data sets of half the 68 % interval."""
    low, high = QUANTILES.index(0.16), QUANTILES.index(0.84)
    quantiles = np.array([record["parameters"][name]["quantiles"] for record in records])
    return float(np.median(quantiles[:, high] - quantiles[:, low]) / 2)


def rank_figure(records, names):
    """ECDF less the diagonal of every parameter's ranks, in its simultaneous band."""
    columns = 5
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(2.2 * columns, 1.9 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    points, low, high = band(len(records))
    for axes, name in zip(panels, names, strict=False):
        values = np.sort(uniform_values(records, name))
        ecdf = np.searchsorted(values, points, side="right") / len(values)
        color = "#2e86ab" if within_band(values) else "#d1495b"
        axes.fill_between(points, low - points, high - points, color="0.88", linewidth=0)
        axes.axhline(0, color="0.6", linewidth=0.6)
        axes.step(points, ecdf - points, where="post", color=color, linewidth=1.2)
        axes.set_title(PARAMETERS[name].label, fontsize=10)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    figure.supxlabel("rank of the truth, as a fraction", fontsize=10)
    figure.supylabel("ECDF less uniform", fontsize=10)
    return figure


def coverage_figure(parts):
    """Coverage of central intervals of log10 M_BH at all levels; `parts` is label -> records."""
    figure = Figure(figsize=(5.0, 4.4), layout="constrained")
    axes = figure.subplots()
    levels = np.linspace(0.02, 0.98, 49)
    smallest = min(len(records) for records in parts.values())
    sd = np.sqrt(levels * (1 - levels) / smallest)
    axes.fill_between(levels, -2 * sd, 2 * sd, color="0.9", linewidth=0, label=f"2 sigma of {smallest} data sets")
    for (label, records), color in zip(parts.items(), ("#2e86ab", "#d1495b", "#3a7d44"), strict=False):
        shares = [coverage(records, MASS, level)[0] for level in levels]
        axes.plot(levels, shares - levels, color=color, label=label)
    axes.axhline(0, color="0.6", linewidth=0.6)
    axes.set(xlabel=r"nominal level of the interval of $\log_{10} M_{\rm BH}$", ylabel="coverage less nominal")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


def rank_section(records, names, prior_sd, title, picture):
    """Lines of the page for one part of rank statistics."""
    outside = [name for name in names if not within_band(uniform_values(records, name))]
    failed = sum(not record["converged"] for record in records)
    seconds = np.median([sum(record["seconds"].values()) for record in records])
    verdict = (
        "The ranks of all parameters stay within their bands."
        if not outside
        else f"Outside their bands: {', '.join(f'`{name}`' for name in outside)} "
        f"(of {len(names)} parameters that are calibrated, {0.05 * len(names):.1f} are expected to be)."
    )
    lines = [
        f"## {title}",
        "",
        f"{len(records)} data sets, {failed} of them not converged; median {seconds:.0f} s for each fit.",
        verdict,
        "Grey: simultaneous 95 % bands of each panel. Relative width: the median posterior standard deviation over",
        "the prior's. Where it is one the data tell nothing, and ranks are those of the truths drawn from the prior.",
        "",
        f"![ranks]({picture})",
        "",
    ]
    head = ("parameter", *(f"{level:.0%} interval holds the truth" for level in LEVELS), "relative width", "in band")
    rows = []
    for name in names:
        width, inside = relative_width(records, name, prior_sd[name]), "no" if name in outside else "yes"
        rows.append((f"`{name}`", *coverages(records, name), f"{width:.2f}", inside))
    return [*lines, *table(head, rows)]


def study_section(study, picture):
    """Lines of the page that compare likelihoods on the same data."""
    common = set.intersection(*(set(records) for records in study.values()))
    rows = {kind: [records[id_] for id_ in sorted(common)] for kind, records in study.items()}
    exact = half_width(rows["student_t"], MASS)
    lines = [
        "## What approximate likelihoods cost",
        "",
        f"{len(common)} data sets whose cell variances are estimated from the few visibilities of each cell and",
        "channel; each is fitted three times. Of log10 M_BH: how often its intervals hold the truth, and the median",
        "half of the 68 % interval, also relative to that of the exact likelihood, Student t.",
        "",
        f"![coverage]({picture})",
        "",
    ]
    head = ("likelihood", *(f"{level:.0%} holds" for level in LEVELS), "width [dex]", "relative", "not converged")
    cells = []
    for kind, records in rows.items():
        width, failed = half_width(records, MASS), sum(not record["converged"] for record in records)
        widths = f"{width:.3f}", f"{width / exact:.2f}"
        cells.append((STUDIED[kind], *coverages(records, MASS), *widths, str(failed)))
    return [*lines, *table(head, cells)], rows


def study_records(folder, kinds):
    """Records of the study by likelihood and data set."""
    return {
        kind: {path.stem: json.loads(path.read_text()) for path in (folder / f"study-{kind}").glob("[0-9]*.json")}
        for kind in kinds
    }


def write_page(folder, prior_sd, page, least=20):
    """Write the result of a page and its figures from the records in a folder; parts of fewer than `least` wait.

    `prior_sd` has the prior's standard deviation of each parameter.
    """
    names = tuple(prior_sd)
    pictures = page.path.parent / "img" / "calibration"
    pictures.mkdir(parents=True, exist_ok=True)
    lines = []
    for part, title in (("prior", "Truths from the prior"), ("posterior", "Truths from the posterior of one galaxy")):
        records = read_records(folder, part, "student_t")
        if len(records) >= least:
            rank_figure(records, names).savefig(pictures / f"{part}.png", dpi=110)
            lines += rank_section(records, names, prior_sd, title, f"img/calibration/{part}.png")
    study = study_records(folder, STUDIED)
    if min(len(records) for records in study.values()) >= least:
        section, rows = study_section(study, "img/calibration/coverage.png")
        coverage_figure({STUDIED[kind]: records for kind, records in rows.items()}).savefig(
            pictures / "coverage.png", dpi=110
        )
        lines += section
    page.write("\n".join(lines))

"""Page of a survey: masses against reference values, pulls, and failures with their reasons."""

from __future__ import annotations

import base64
import io
from collections import Counter
from pathlib import Path

import jinja2
import numpy as np
from matplotlib.figure import Figure
from steelyard_schemas import atomic_path

from steelyard.survey.folder import SurveyFolder
from steelyard.survey.masses import MassRow, mass_rows, pull_summary

__all__ = ["write_survey_report"]

MOST_ROWS = 5000
DATA, MODEL = "#2e86ab", "#d1495b"


def write_survey_report(survey: SurveyFolder, *, against: str | None = None) -> Path:
    """Write `report.html`, a self-contained page, in a survey's folder.

    Args:
        survey: folder of a finished or running survey.
        against: column of the sample with log10 reference masses [Msun]; by default the [truth] of mocks.

    Raises:
        ContractError: the folder contains no survey, or the sample no such column.

    """
    rows = mass_rows(survey, against)
    measured = [row for row in rows if row.verdict == "measured"]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("steelyard.survey", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    text = environment.get_template("survey.html.j2").render(
        title=survey.path.name,
        against=against or "truth",
        rows=rows[:MOST_ROWS],
        n_hidden=max(0, len(rows) - MOST_ROWS),
        failures=[row for row in rows if row.status in ("failed", "damaged")][:MOST_ROWS],
        unconverged=[row for row in rows if row.status == "not_converged"][:MOST_ROWS],
        counts=Counter(row.status for row in rows),
        total=len(rows),
        pulls_all=pull_summary(row.pull for row in rows),
        pulls_measured=pull_summary(row.pull for row in measured),
        n_measured=len(measured),
        figure=_figure(rows, against or "truth"),
        pages={row.output for row in rows if (survey.job_folder(row.output) / "report.html").exists()},
    )
    with atomic_path(survey.report, overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return survey.report


def _figure(rows: list[MassRow], against: str) -> str | None:
    """Draw masses against references, and the pulls; None if there is nothing to compare."""
    known = [
        (row.reference, row.log10_mbh, row.sd, row.reference_sd, row.pull, row.verdict)
        for row in rows
        if row.pull is not None
    ]
    if not known:
        return None
    x, y, y_sd, x_sd, pulls = np.array([row[:5] for row in known], float).T
    measured = np.array([row[5] == "measured" for row in known])
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for chosen, colour, label in ((measured, DATA, "measured"), (~measured, "0.6", "not measured")):
        if chosen.any():
            left.errorbar(
                x[chosen], y[chosen], y_sd[chosen], x_sd[chosen], fmt="o", ms=4, lw=1, color=colour, label=label
            )
    ends = np.array([min(x.min(), y.min()) - 0.3, max(x.max(), y.max()) + 0.3])
    left.plot(ends, ends, color=MODEL, lw=1)
    left.set(xlabel=rf"$\log_{{10}} M_{{\rm BH}}/M_\odot$, {against}", ylabel=r"$\log_{10} M_{\rm BH}/M_\odot$, fit")
    left.legend(frameon=False)
    reach = max(4.0, float(np.abs(pulls).max()) + 0.5)
    bins = np.linspace(-reach, reach, 25)
    right.hist(pulls, bins=bins, color=DATA, alpha=0.85)
    grid = np.linspace(-reach, reach, 200)
    normal = np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi)
    right.plot(grid, normal * len(pulls) * (bins[1] - bins[0]), color=MODEL, label="standard normal")
    right.set(xlabel="pull", ylabel="galaxies")
    right.legend(frameon=False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return base64.b64encode(buffer.getvalue()).decode()

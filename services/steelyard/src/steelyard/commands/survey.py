"""Commands `steelyard survey`: fit many galaxies, on this machine or a cluster."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from steelyard_schemas import ContractError, stopped_at_once

from steelyard.console import (
    NOT_CONVERGED,
    FitProgress,
    one_line_errors,
    plain_console,
    print_json,
    report_warnings,
    say,
)

if TYPE_CHECKING:
    from steelyard.cluster.run import Cluster, SampleFiles
    from steelyard.survey.folder import SurveyFolder

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Folder = Annotated[Path, typer.Argument(help="Folder of a survey")]
Address = Annotated[
    str | None,
    typer.Option(help="Ray cluster to join: ray://HOST:10001, HOST:6379 or auto (default RAY_ADDRESS)"),
]
Workers = Annotated[
    int | None, typer.Option(help="Number of galaxies fitted at a time (default: as many as fit)", min=1)
]
Cpus = Annotated[float, typer.Option("--cpus-per-worker", help="CPU share of a worker", min=0)]
Gpus = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-worker",
        help="GPU share of a worker, e.g. 0.25 for four per GPU (default 1 if there are GPUs)",
        min=0,
    ),
]
Reports = Annotated[bool, typer.Option("--reports/--no-reports", help="Also write a page for each galaxy")]
Dashboard = Annotated[bool, typer.Option("--dashboard", help="Serve Ray's dashboard on http://127.0.0.1:8265")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait for another driver of the folder to finish")]
Against = Annotated[
    str | None,
    typer.Option(help="Column of log10 reference masses [Msun] for the report; errors in COLUMN_sd, if present"),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output")
]


@app.command("run")
def run_command(
    sample: Annotated[Path, typer.Argument(help="Table of galaxies: .csv, .parquet or .toml")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder (default SAMPLE-survey)")] = None,
    defaults: Annotated[
        Path | None, typer.Option(help="TOML file with default values for the rows, laid out like a galaxy file")
    ] = None,
    address: Address = None,
    workers: Workers = None,
    cpus: Cpus = 1.0,
    gpus: Gpus = None,
    reports: Reports = True,
    against: Against = None,
    dashboard: Dashboard = False,
    wait: Wait = False,
    as_json: JsonOption = False,
) -> None:
    """Fit every galaxy of a sample. Without --address, Ray is started on this machine.

    Finished galaxies are skipped unless their row has changed. If interrupted, rerun the same command to resume.
    Exit code 0 if every galaxy converged, 3 if any did not converge or failed.

    Example: steelyard survey run sample.csv --defaults shared.toml --out sample-survey
    """
    from steelyard.cluster.run import Cluster, SampleFiles

    cluster = Cluster(address, workers, cpus, gpus, dashboard)
    folder = out or sample.with_name(f"{sample.stem}-survey")
    _drive(folder, SampleFiles(sample, defaults), cluster, against, reports=reports, wait=wait, as_json=as_json)


@app.command("resume")
def resume_command(
    folder: Folder,
    address: Address = None,
    workers: Workers = None,
    cpus: Cpus = 1.0,
    gpus: Gpus = None,
    reports: Reports = True,
    against: Against = None,
    dashboard: Dashboard = False,
    wait: Wait = False,
    as_json: JsonOption = False,
) -> None:
    """Resume a survey from its folder: continue fits from their checkpoints and retry failed galaxies.

    Example: steelyard survey resume sample-survey
    """
    from steelyard.cluster.run import Cluster

    cluster = Cluster(address, workers, cpus, gpus, dashboard)
    _drive(folder, None, cluster, against, reports=reports, wait=wait, as_json=as_json)


def _drive(
    folder: Path,
    sample: SampleFiles | None,
    cluster: Cluster,
    against: str | None,
    *,
    reports: bool,
    wait: bool,
    as_json: bool,
) -> None:
    with stopped_at_once():
        from steelyard.cluster.run import run_survey
        from steelyard.survey.folder import SurveyFolder
        from steelyard.survey.summary import survey_state
        from steelyard.survey.watch import SurveyWatch

    survey = SurveyFolder(folder)
    with one_line_errors(), SurveyWatch(survey, quiet=as_json) as watch, report_warnings(watch):
        began = time.monotonic()
        tally = run_survey(folder, watch, sample=sample, cluster=cluster, reports=reports, wait=wait)
    # The result comes first, so that later failures cannot hide it.
    state = survey_state(survey)
    if not as_json:
        print(
            f"{state.total} galaxies: {state.converged} converged, {state.not_converged} did not, "
            f"{state.failed} failed"
        )
    page = None
    try:
        page = _report(survey, against)
    except Exception as error:
        watch.note(f"warning: the survey's report was not written: {' '.join(str(error).split())}")
    if as_json:
        facts = {"lost_workers": tally.lost_workers, "wall_s": time.monotonic() - began}
        print_json({**state.as_json(), **facts, "report": None if page is None else str(page)})
    elif page is not None:
        say(f"report: {page}")
    if state.converged < state.total:
        raise typer.Exit(NOT_CONVERGED)


def _report(survey: SurveyFolder, against: str | None) -> Path:
    from steelyard.survey.report import write_survey_report

    return write_survey_report(survey, against=against)


@app.command("status")
def status_command(folder: Folder, as_json: JsonOption = False) -> None:
    """Show the progress of a survey.

    Example: steelyard survey status sample-survey
    """
    from steelyard.survey.folder import SurveyFolder
    from steelyard.survey.summary import survey_state
    from steelyard.survey.watch import status_table

    with one_line_errors():
        state = survey_state(SurveyFolder(folder))
    if as_json:
        print_json(state.as_json())
        return
    say(f"driver: {state.driver or 'none'}")
    say(
        f"{state.total} galaxies: {state.converged} converged, {state.not_converged} did not, {state.failed} failed, "
        f"{len(state.at_work)} at work, {state.waiting} waiting"
        + (f", {state.damaged} damaged" if state.damaged else "")
    )
    if state.at_work:
        plain_console().print(status_table(state.at_work))
    for name, reason in state.failures.items():
        say(f"{name}: {reason}")


@app.command("report")
def report_command(folder: Folder, against: Against = None) -> None:
    """Rewrite the survey's page from the galaxies finished so far.

    Example: steelyard survey report sample-survey --against log10_mbh_literature
    """
    from steelyard.survey.folder import SurveyFolder

    with one_line_errors():
        survey = SurveyFolder(folder)
        if not survey.about.exists():
            raise ContractError(folder, "holds no survey: start one with `steelyard survey run`")
        say(_report(survey, against))


@app.command("relation")
def relation_command(
    folder: Folder,
    covariate: Annotated[
        str, typer.Option(help="Column such as log10 of a velocity dispersion; errors in COLUMN_sd, if present")
    ],
    as_json: JsonOption = False,
) -> None:
    """Sample the intrinsic relation of log10 M_BH to a column: intercept, slope and scatter.

    Exit code 0 if the chains converged, 3 if not.

    Example: steelyard survey relation sample-survey --covariate log10_sigma_kms
    """
    with stopped_at_once():
        from steelyard.survey.folder import SurveyFolder
        from steelyard.survey.relation import fit_relation, read_masses

    with one_line_errors(), FitProgress() as progress, report_warnings(progress):
        relation = fit_relation(read_masses(SurveyFolder(folder), covariate), covariate)
    if as_json:
        print_json(relation.as_json())
    else:
        say(f"log10(M_BH / Msun) = a + b ({covariate} - {relation.pivot:.4g}), {relation.n_galaxies} galaxies")
        for name, (low, middle, high) in (
            ("a", relation.intercept),
            ("b", relation.slope),
            ("intrinsic scatter [dex]", relation.scatter),
        ):
            print(f"{name} = {middle:.3f} +{high - middle:.3f} -{middle - low:.3f}")
        for name in relation.thin_galaxies:
            say(f"warning: few draws of {name} overlap the relation: its weight is uncertain; sample it longer")
        if not relation.converged:
            print("NOT CONVERGED: do not quote these numbers")
    if not relation.converged:
        raise typer.Exit(NOT_CONVERGED)

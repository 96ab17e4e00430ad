"""Command `steelyard compare`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from steelyard_schemas import plain, stopped_at_once

from steelyard.console import (
    NOT_CONVERGED,
    FitProgress,
    one_line_errors,
    plain_console,
    print_json,
    report_warnings,
    say,
)
from steelyard.process import settle_process

if TYPE_CHECKING:
    from steelyard_schemas.posterior import BlackHole

    from steelyard.comparison.evidence import ModelComparison
    from steelyard.comparison.fits import Comparison

__all__ = ["compare_command"]


def compare_command(
    paths: Annotated[list[Path], typer.Argument(help="Folders of fits; with --models, one galaxy file")],
    models: Annotated[bool, typer.Option("--models", help="Compute the Bayes factor for a black hole")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="With --models: folder for both fits (default NAME-models)")
    ] = None,
    proposals: Annotated[
        int, typer.Option(help="With --models: likelihood evaluations per evidence", min=100)
    ] = 1000,
    figure: Annotated[
        Path | None,
        typer.Option("--figure", help="Without --models: file for a plot of the mass posteriors (.png, .pdf)"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output")
    ] = False,
) -> None:
    """Compare finished fits, or fit models with and without a black hole and compare them.

    Exit code 0 if every fit converged and, with --models, the evidences are reliable; 3 otherwise. If interrupted,
    rerun the same command to resume.

    Example: steelyard compare agn-in-fit agn-out-fit nuker-fit --figure masses.png

    Example: steelyard compare --models ngc4697.toml
    """
    if not models:
        with one_line_errors():
            if out is not None:
                raise ValueError("--out needs --models")
            # Imported late: --help needs no JAX.
            from steelyard.comparison.fits import compare

            comparison = compare(paths)
            _print_fits(comparison, as_json=as_json)
            if figure is not None:
                from steelyard.comparison.figure import draw_masses

                draw_masses(comparison, figure)
        if not comparison.all_converged:
            raise typer.Exit(NOT_CONVERGED)
        return
    with one_line_errors(), FitProgress(quiet=as_json) as progress, report_warnings(progress):
        if len(paths) != 1 or figure is not None:
            raise ValueError("--models takes exactly one galaxy file and no --figure")
        settle_process()
        with stopped_at_once():
            from steelyard.comparison.evidence import compare_models
            from steelyard.compiled import keep_compiled

        if not_kept := keep_compiled():
            progress.note(not_kept)
        found = compare_models(paths[0], out, n_proposals=proposals, progress=progress, note=progress.note)
    _print_models(found, as_json=as_json)
    if not found.is_reliable:
        raise typer.Exit(NOT_CONVERGED)


def _print_fits(comparison: Comparison, *, as_json: bool) -> None:
    if as_json:
        rows = [
            {**asdict(row), "black_hole": row.black_hole.model_dump(mode="json"), "unconstrained": row.unconstrained}
            for row in comparison.rows
        ]
        print_json({"same_data": comparison.same_data, "all_converged": comparison.all_converged, "fits": rows})
        return
    console = plain_console()
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0), pad_edge=False)
    columns = ("fit", "log10 M_BH", "shift", "sigma", "chi2/n", "converged", "model")
    for column in columns:
        numbers = column in ("log10 M_BH", "shift", "sigma", "chi2/n")
        table.add_column(column, justify="right" if numbers else "left", no_wrap=numbers, overflow="fold")
    for row in comparison.rows:
        table.add_row(
            plain(Path(row.folder).resolve().name),
            _mass(row.black_hole),
            "" if row.shift_dex is None else f"{row.shift_dex:+.3f}",
            "" if row.shift_sigma is None else f"{row.shift_sigma:+.1f}",
            f"{row.chi2_per_datum:.4f}",
            "yes" if row.converged else "NO",
            f"{row.stars}, {row.likelihood}",
        )
    console.print(table)
    for row in comparison.rows:
        if not row.converged:
            say(f"{row.folder}: NOT CONVERGED: do not quote these numbers")
    if not comparison.same_data:
        console.print("the fits use different gridded data: their chi-squares cannot be compared")
    for row in comparison.rows:
        if row.unconstrained:
            say(f"{row.folder}: unconstrained (posterior follows the prior): {', '.join(row.unconstrained)}")


def _mass(hole: BlackHole) -> str:
    match hole.verdict:
        case "measured":
            up, down = hole.log10_mbh_q84 - hole.log10_mbh, hole.log10_mbh - hole.log10_mbh_q16
            return f"{hole.log10_mbh:.3f} +{up:.3f} -{down:.3f}"
        case "upper_limit":
            return f"< {hole.log10_mbh_upper95:.2f} (95 %)"
        case "unconstrained":
            return "unconstrained"
        case _:
            return f"{hole.log10_mbh:.3f}, fixed"


def _print_models(found: ModelComparison, *, as_json: bool) -> None:
    if as_json:
        facts = {
            "log_bayes_factor": found.log_bayes_factor,
            "error": found.error,
            "delta_chi2": found.delta_chi2,
            "verdict": found.verdict,
            "is_reliable": found.is_reliable,
        }
        print_json({**facts, **asdict(found)})
        return
    console = plain_console()
    table = Table(box=None, header_style="bold")
    for column in ("model", "ln evidence", "overlap", "chi2", "state"):
        table.add_column(column, justify="left" if column in ("model", "state") else "right")
    for one in (found.with_black_hole, found.without_black_hole):
        state = "converged" if one.converged else "NOT CONVERGED"
        evidence = f"{one.log_evidence:.2f} +- {one.error:.2f}"
        table.add_row(one.folder.replace("_", " "), evidence, f"{one.overlap:.2f}", f"{one.chi2:.1f}", state)
    console.print(table)
    console.print(
        f"ln Bayes factor of a black hole: {found.log_bayes_factor:+.2f} +- {found.error:.2f}", style="bold"
    )
    console.print(f"{found.verdict}; a black hole lowers chi-square by {found.delta_chi2:.1f}")
    console.print("it depends on the prior of log10_mbh: for a measured mass, doubling the range lowers it by 0.69")
    if not found.is_reliable:
        console.print(
            "NOT RELIABLE: do not quote this number. Raise sampler.max_steps until both fits converge, then "
            "sampler.target_ess and --proposals until errors are below 1 and overlaps above 0.01",
            soft_wrap=True,
        )

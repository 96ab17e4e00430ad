"""Command line of Steelyard. Each command is thin: it reads its input, calls one function and prints."""

from __future__ import annotations

from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import nuker_surrogate.cli
import typer
import vis_gridder.cli
from rich.table import Table
from steelyard_schemas import GuardedCommands, plain, stopped_at_once
from typer.core import TyperGroup

from steelyard.commands import survey
from steelyard.commands.compare import compare_command
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

if TYPE_CHECKING:  # imported where needed: contracts take half a second to load, JAX seconds; help does without
    from steelyard_schemas import Posterior

__all__ = ["app"]


class _Commands(GuardedCommands, TyperGroup):
    """Command group that guards all commands, including those of other packages."""


app = typer.Typer(
    cls=_Commands,
    help="Weigh supermassive black holes from radio interferometry.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("info")(vis_gridder.cli.info)
app.command("grid")(vis_gridder.cli.grid_command)
app.command("convert")(vis_gridder.cli.convert)
app.command("compare")(compare_command)
app.add_typer(nuker_surrogate.cli.app, name="surrogate", help="Train, evaluate and list surrogates of the Nuker law.")
app.add_typer(survey.app, name="survey", help="Fit a sample of galaxies, on this machine or a Ray cluster.")

GalaxyFile = Annotated[Path, typer.Argument(help="Galaxy file, .toml or .json")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object, and nothing else, on standard output")
]


@app.callback(invoke_without_command=True)
def _version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit", is_eager=True)] = False,
) -> None:
    if show:
        print(version("steelyard"))
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Working folder")] = Path("steelyard-demo"),
    as_json: JsonOption = False,
) -> None:
    """Fit the bundled mock of NGC 4697 and write its report (takes a few minutes).

    Example: steelyard demo
    """
    from steelyard.fitting.demo import unpack_demo

    with one_line_errors():
        galaxy_file = unpack_demo(out)
    _run_fit(galaxy_file, out / "fit", restart=False, as_json=as_json)


@app.command("fit")
def fit_command(
    galaxy_file: GalaxyFile,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the results (default NAME-fit)")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Discard an earlier fit in that folder")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit one galaxy: grid the data if needed, sample, and write posterior and report.

    Exit code 0 if the chains converged, 3 if not. If interrupted, rerun the same command to resume.

    Example: steelyard fit ngc4697.toml --out ngc4697-fit
    """
    _run_fit(galaxy_file, out, restart=restart, as_json=as_json)


def _run_fit(galaxy_file: Path, out: Path | None, *, restart: bool, as_json: bool) -> None:
    settle_process()
    with stopped_at_once():
        from steelyard_schemas import Galaxy, read_model

        from steelyard.compiled import keep_compiled
        from steelyard.fitting.run import default_folder, fit
        from steelyard.lease import fit_lease
        from steelyard.report import report_or_warning

    not_kept = keep_compiled()
    with one_line_errors(), ExitStack() as held:
        with FitProgress(quiet=as_json) as progress, report_warnings(progress):
            if not_kept:
                progress.note(not_kept)
            folder = out or default_folder(read_model(galaxy_file, Galaxy), galaxy_file.parent)
            held.enter_context(fit_lease(folder))  # from the first step to the report
            posterior = fit(galaxy_file, out, restart=restart, progress=progress, note=progress.note)
        # The result comes first, so that later failures cannot hide it.
        page = None
        if not as_json:
            _print_posterior(posterior.manifest)
        try:
            with report_warnings(progress):
                progress.note("writing the report")
                page = report_or_warning(folder)
        finally:
            if as_json:
                _print_as_json(posterior.manifest, page)
        if page is not None and not as_json:
            say(f"report: {page}")
    if not posterior.manifest.converged:
        raise typer.Exit(NOT_CONVERGED)


def _print_as_json(manifest: Posterior, page: Path | None) -> None:
    keep = {"converged", "complete", "black_hole", "systemic_velocity", "parameters", "quality", "fixed"}
    facts = manifest.model_dump(mode="json", include=keep)
    print_json({**facts, "truth": manifest.galaxy.truth, "report": None if page is None else str(page)})


def _print_posterior(manifest: Posterior) -> None:
    from steelyard.fitting.contraction import unconstrained
    from steelyard.fitting.systemic import systemic_text
    from steelyard.report.page import headline

    truth = manifest.galaxy.truth
    console = plain_console()
    table = Table(box=None, header_style="bold")
    for column in ("parameter", "median", "-1 sigma", "+1 sigma", "R-hat", "ESS"):
        table.add_column(column, justify="left" if column == "parameter" else "right", no_wrap=True)
    if truth:
        table.add_column("truth", justify="right", no_wrap=True)
    for p in manifest.parameters:
        cells = [
            p.name,
            f"{p.median:.5g}",
            f"{p.median - p.q16:.2g}",
            f"{p.q84 - p.median:.2g}",
            "-" if p.rhat is None else f"{p.rhat:.3f}",
            "-" if p.ess_bulk is None or p.ess_tail is None else f"{min(p.ess_bulk, p.ess_tail):.0f}",
        ]
        if truth:
            cells.append(f"{truth[p.name]:.5g}" if p.name in truth else "")
        table.add_row(*cells)
    console.print(table)
    console.print(headline(manifest.black_hole), style="bold")
    if manifest.systemic_velocity is not None:
        console.print(systemic_text(manifest.systemic_velocity))
    if "log10_mbh" in truth:
        console.print(f"truth: log10(M_BH / Msun) = {truth['log10_mbh']:.3f}")
    state = "converged" if manifest.converged else "NOT CONVERGED: do not quote these numbers"
    console.print(
        f"{state} ({manifest.quality.n_gradients} gradients, {manifest.quality.n_jumps} jumps, "
        f"{manifest.quality.wall_s:.0f} s)"
    )
    if free := unconstrained(manifest):
        console.print(f"unconstrained (posterior follows the prior): {', '.join(free)}")
    for warning in manifest.quality.warnings:
        console.print(f"warning: {plain(warning)}")


@app.command("report")
def report_command(
    folder: Annotated[Path, typer.Argument(help="Folder of a fit")],
    figures: Annotated[Path | None, typer.Option("--figures", help="Folder for PNG copies of the figures")] = None,
) -> None:
    """Rewrite the report of a fit.

    Example: steelyard report ngc4697-fit --figures talk/
    """
    with stopped_at_once():
        from steelyard.report import write_report

    with one_line_errors(), FitProgress() as progress, report_warnings(progress):
        say(write_report(folder, figure_folder=figures))


@app.command("validate")
def validate_command(
    file: Annotated[
        Path, typer.Argument(help="Galaxy file, store, surrogate artifact, message in JSON or FITS image cube")
    ],
    as_json: JsonOption = False,
) -> None:
    """Check a file or store against its contract: fields, arrays, hashes.

    Example: steelyard validate ngc4697.toml
    """
    from steelyard_schemas import validate
    from vis_gridder import is_image_cube

    with one_line_errors(), vis_gridder.cli.printed_warnings():
        # The contracts know no FITS: a cube is valid if what it becomes is.
        contract = vis_gridder.read_image_cube(file).manifest if is_image_cube(file) else validate(file)
    facts = {"path": str(file), "kind": contract.kind, "schema_version": contract.schema_version, "valid": True}
    print_json(facts) if as_json else say(f"{file}: valid {contract.kind} {contract.schema_version}")


@app.command("simulate")
def simulate_command(
    galaxy_file: GalaxyFile,
    out: Annotated[Path, typer.Option("--out", "-o", help="Visibilities store to write")],
    noise_jy: Annotated[float, typer.Option(help="Standard deviation of the real part of one visibility, Jy", min=0)],
    like: Annotated[Path | None, typer.Option(help="Data set whose baselines and channels are used")] = None,
    antennas: Annotated[
        Path | None, typer.Option(help="CASA antenna configuration (.cfg), as an alternative to --like")
    ] = None,
    declination_deg: Annotated[
        float, typer.Option(help="With --antennas: declination of the target, degrees")
    ] = -20.0,
    hours: Annotated[float, typer.Option(help="With --antennas: length of the track, hours")] = 1.0,
    integration_s: Annotated[float, typer.Option(help="With --antennas: integration time, s")] = 30.0,
    channels: Annotated[int, typer.Option(help="With --antennas: number of channels", min=2)] = 64,
    channel_width_kms: Annotated[
        float, typer.Option(help="With --antennas: channel width in the galaxy's frame, km/s")
    ] = 10.0,
    seed: Annotated[int, typer.Option(help="Random seed for the noise")] = 1,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing store")] = False,
) -> None:
    """Simulate visibilities of the [truth] of a galaxy file.

    Example: steelyard simulate mock.toml --antennas alma.cfg --hours 0.5 --noise-jy 0.03 -o mock.zarr
    """
    with one_line_errors():
        if (like is None) == (antennas is None):
            raise ValueError("give either --like FILE or --antennas FILE")
        with stopped_at_once():
            from steelyard_schemas import Galaxy, read_model, write_store
            from vis_gridder import read_visibilities

            from steelyard.galaxy.simulation import read_antennas, simulate, simulate_like

        galaxy = read_model(galaxy_file, Galaxy)
        if like is not None:
            store = simulate_like(galaxy, read_visibilities(like), noise_jy, seed)
        else:
            assert antennas is not None
            store = simulate(
                galaxy,
                read_antennas(antennas),
                declination_deg=declination_deg,
                hours=hours,
                integration_s=integration_s,
                n_channels=channels,
                channel_width_kms=channel_width_kms,
                noise_jy=noise_jy,
                seed=seed,
            )
        write_store(out, store, overwrite=overwrite)
    rows, n = store["vis"].shape
    say(f"{out}: {rows} visibilities in {n} channels")

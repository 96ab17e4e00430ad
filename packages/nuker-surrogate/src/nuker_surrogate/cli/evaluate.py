"""The commands that measure surrogates: evaluate and ablations."""

from pathlib import Path
from typing import Annotated

import typer
from steelyard_schemas import plain, stopped_at_once

from nuker_surrogate.cli.display import progress_lines
from nuker_surrogate.cli.options import Artifact, Examples, Json, LinearExamples, Points
from nuker_surrogate.cli.tables import print_errors, print_json
from nuker_surrogate.progress import stage_tick


def evaluate(
    artifact: Artifact = None,
    beside: Annotated[list[str] | None, typer.Option(help="Another surrogate to compare; repeatable.")] = None,
    points: Annotated[int, typer.Option(help="Number of laws drawn uniformly in the domain.")] = 500,
    faces: Annotated[int, typer.Option(help="Number of laws on its faces, edges and corners.")] = 200,
    from_pc: Annotated[float, typer.Option(help="Innermost radius [pc].")] = 10.0,
    to_pc: Annotated[float, typer.Option(help="Outermost radius [pc].")] = 3000.0,
    maps: Annotated[
        Path | None, typer.Option(help="Image file to write: worst error of v_c over the domain.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the laws.")] = 1,
    json: Json = False,
) -> None:
    """Measure errors against the exact deprojection, beside a ridge projector and a least-squares fit per law."""
    with stopped_at_once():  # loads JAX; help does without
        from nuker_surrogate.artifacts.open import load_surrogate
        from nuker_surrogate.training.compare import compare, method_name

    surrogate = load_surrogate(artifact)
    others = [load_surrogate(other) for other in beside or ()]
    with progress_lines() as advance:
        comparison = compare(
            surrogate, others, points, faces, seed, stage_tick("deprojecting", advance), (from_pc, to_pc)
        )
    if maps is not None:
        from nuker_surrogate.training.figures import error_maps

        n_laws = len(comparison.box)
        extent = f"{from_pc:g} pc - {to_pc:g} pc"
        title = f"surrogate {surrogate.version}: circular velocity, q = 1, {extent}, {n_laws} laws"
        error_maps(comparison.box, comparison.velocity_error[method_name(surrogate)], title).savefig(maps, dpi=130)
    if json:
        print_json(
            {name: [e.model_dump(mode="json") for e in envelopes] for name, envelopes in comparison.table.items()}
        )
    else:
        print_errors(comparison.table)


def ablations(
    out: Annotated[Path, typer.Argument(help="Folder for ablations.md and ablations.png.")],
    steps: Annotated[int, typer.Option(help="Training steps of each network.", min=2)] = 20_000,
    examples: Examples = 30_000,
    linear_examples: LinearExamples = 40_000,
    points: Points = 2000,
    seed: Annotated[int, typer.Option(help="Random seed of the laws for the measurement.")] = 7,
) -> None:
    """Train variants of the surrogate (heads, Gaussians, loss, width) and measure them on the same laws.

    Takes about ten minutes on two cores. Results are kept in OUT/parts: if interrupted, rerun the same command to
    resume.
    """
    # The training libraries take a second to import; the other commands do without.
    with stopped_at_once():
        from nuker_surrogate.training.ablations import ablation_page, run_ablations, variants
        from nuker_surrogate.training.figures import ablation_figure

    chosen = variants(steps, examples, linear_examples)
    with progress_lines() as advance:
        rows = run_ablations(out / "parts", points, seed, chosen, advance)
    ablation_figure(rows).savefig(out / "ablations.png", dpi=130)
    command = (
        f"nuker-surrogate ablations {out} --steps {steps} --examples {examples} --linear-examples {linear_examples}"
    )
    command += f" --points {points} --seed {seed}"
    (out / "ablations.md").write_text(ablation_page(rows, command, points, steps))
    print(plain(f"written to {out / 'ablations.md'}"))

"""How far do real stars depart from a Nuker law? Published expansions, their best-fitting laws, and what is left.

    uv run python -m validation.stars [--write]

Fits a Nuker law to each expansion of expansions.toml between 3 pc (or 0.1 arcsec) and 500 pc: once with all of its
parameters free, once with its break held beyond the gas. What is left gives amplitude and length of the process that
multiplies the stars of a flexible fit. --write puts the result in docs/stellar_laws.md and its picture in docs/img.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from steelyard_schemas.ingredients.stars import Flexibility

from validation.page import DOCS, ResultPage, table
from validation.stars.departures import BREAK_HELD, FREE, RANGE_PC, Departure, common, departure, published

PAGE = ResultPage(DOCS / "stellar_laws.md", "validation.stars")
PICTURE = DOCS / "img" / "stellar_laws.png"
LENGTHS_DEX = (0.3, 0.4, 0.6, 0.8)


def page(free: Sequence[Departure], held: Sequence[Departure]) -> str:
    """Return the result as text."""
    default, families = Flexibility(), {"law free": free, "break held": held}
    shared = {name: {length: common(those, length) for length in LENGTHS_DEX} for name, those in families.items()}
    ripples = {name: shared[name][default.length_dex].ripple for name in families}
    own = {
        name: [one.amplitude(default.length_dex, ripples[name]) for one in those] for name, those in families.items()
    }
    rows = []
    for i, (one, other) in enumerate(zip(free, held, strict=True)):
        gamma, alpha, steepening, log10_r_b = one.theta[1:]
        rows.append(
            [
                one.expansion.name,
                f"{one.radii_pc[0]:.0f}",
                f"{alpha:.2g}, {gamma + steepening:.2f}, {gamma:.2f}, {10**log10_r_b:.0f}",
                *(f"{100 * d.rms:.1f}" for d in (one, other)),
                *(f"{own[name][i]:.2f}" for name in families),
                one.expansion.source,
            ]
        )
    head = ["galaxy", "from [pc]", "alpha, beta, gamma, r_b [pc]", "rms, law free [%]", "rms, break held [%]"]
    head += ["amplitude, law free", "amplitude, break held", "expansion from"]
    lines = [f"{len(free)} galaxies, radii to {RANGE_PC[1]:.0f} pc.", "", *table(head, rows, "lrlrrrrl")]
    lines += [
        f"Amplitudes of single galaxies are for a length of {default.length_dex:g} dex. One process for all:",
        "",
    ]
    rows = [
        [
            name,
            f"{length:g}",
            f"{found.process.amplitude:.2f}",
            f"{found.ripple.amplitude:.2f}, {found.ripple.length_dex:.2f}",
            f"{found.log_likelihood - max(f.log_likelihood for f in by_length.values()):.1f}",
        ]
        for name, by_length in shared.items()
        for length, found in by_length.items()
    ]
    head = ["stars", "length [dex]", "amplitude", "ripple: amplitude, length [dex]", "ln likelihood - largest"]
    return "\n".join([*lines, *table(head, rows, "lrrrr")])


def draw(free: Sequence[Departure], held: Sequence[Departure], path: Path) -> None:
    """Draw what is left beside the default process."""
    figure = Figure(figsize=(7.5, 3.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    sd = Flexibility().amplitude
    for ax, those, title in zip(axes, (free, held), ("law free", "break held beyond the gas"), strict=True):
        ax.axhspan(-100 * sd, 100 * sd, color="0.9", label="default prior, 1 sigma")
        for d in those:
            ax.semilogx(d.radii_pc, 100 * d.residual, lw=0.9, color="tab:blue", alpha=0.6)
        ax.set(title=title, xlabel="radius [pc]")
    axes[0].set_ylabel("expansion - Nuker law, ln Σ [%]")
    axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=150)


def main() -> None:
    """Fit, print, and write the page if asked."""
    arguments = PAGE.parser(__doc__).parse_args()
    galaxies = published()
    free, held = ([departure(galaxy, law) for galaxy in galaxies] for law in (FREE, BREAK_HELD))
    text = page(free, held)
    print(text)
    if arguments.write:
        draw(free, held, PICTURE)
        PAGE.write(text)


if __name__ == "__main__":
    main()

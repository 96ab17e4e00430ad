"""Report page: figures as embedded PNG, numbers as tables, no external resources."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from pathlib import Path

import jinja2
from matplotlib.figure import Figure
from steelyard_schemas import ContractError, GriddedVisibilities, Posterior, atomic_path, read_store
from steelyard_schemas.ingredients import PARAMETERS
from steelyard_schemas.posterior import BlackHole, ParameterSummary
from steelyard_schemas.priors import LogUniform, Normal, Prior, Sine, Uniform

from steelyard.fitting.contraction import UNCONSTRAINED_BELOW, unconstrained
from steelyard.fitting.folder import RunFolder
from steelyard.fitting.systemic import systemic_text
from steelyard.lease import fit_lease
from steelyard.report import figures, predictive_figures
from steelyard.report.predictive import best_misfit
from steelyard.report.products import Products
from steelyard.report.rounding import decimals

__all__ = ["ReportWarning", "headline", "report_or_warning", "write_report"]

FIGURES: dict[str, Callable[[Products], Figure]] = {
    "mass": figures.mass_posterior,
    "rotation": figures.rotation_curve,
    "moments": predictive_figures.moment_maps,
    "channels": figures.channel_maps,
    "position_velocity": figures.position_velocity,
    "spectrum": figures.spectrum,
    "corner": figures.corner_plot,
    "contraction": predictive_figures.prior_to_posterior,
    "chi_square": predictive_figures.chi_square,
    "traces": figures.traces,
}


class ReportWarning(UserWarning):
    """Warning that part of a report could not be made; the fit itself is valid."""


def report_or_warning(folder: str | Path) -> Path | None:
    """Write the report of a fit; if that fails, warn and return None, since the posterior is safe.

    Warns:
        ReportWarning: the report is missing or lacks a figure.

    """
    try:
        return write_report(folder)
    except Exception as error:  # whatever the error, the posterior is already written
        warnings.warn(f"the report was not written: {_reason(error)}", ReportWarning, stacklevel=2)
        return None


def write_report(
    folder: str | Path,
    *,
    figure_folder: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `report.html` in a fit's folder and return its path.

    Args:
        folder: output folder of a fit.
        figure_folder: folder for PNG copies of the figures, if any.
        progress: called with the number of finished figures and their total.

    Figures are independent: for one that cannot be drawn, the page gives the reason.

    Raises:
        ContractError: the posterior is missing or damaged, or a fit is using the folder.

    Warns:
        ReportWarning: a figure could not be drawn.

    """
    run = RunFolder(Path(folder))
    if not run.posterior.exists():
        raise ContractError(run.path, "holds no posterior.zarr: run `steelyard fit` first")
    with fit_lease(run.path):
        return _write_report(run, figure_folder, progress)


def _write_report(
    run: RunFolder, figure_folder: str | Path | None, progress: Callable[[int, int], None] | None
) -> Path:
    products = Products(read_store(run.posterior, Posterior), read_store(run.gridded, GriddedVisibilities))
    images, missing = {}, {}
    for done, (name, draw) in enumerate(FIGURES.items()):
        try:
            png = _png(draw(products))
        except Exception as error:  # a failed figure must not affect the others
            missing[name] = _reason(error)
        else:
            images[name] = base64.b64encode(png).decode()
            if figure_folder is not None:
                Path(figure_folder).mkdir(parents=True, exist_ok=True)
                (Path(figure_folder) / f"{name}.png").write_bytes(png)
        if progress is not None:
            progress(done + 1, len(FIGURES))
    for reason in dict.fromkeys(missing.values()):
        names = ", ".join(name for name, why in missing.items() if why == reason)
        warnings.warn(f"the report lacks figures ({names}): {reason}", ReportWarning, stacklevel=3)
    text = _environment().get_template("page.html.j2").render(_context(products, images, missing))
    with atomic_path(run.report, overwrite=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return run.report


def headline(hole: BlackHole) -> str:
    """Format the result in one line."""
    match hole.verdict:
        case "measured":
            up, down = hole.log10_mbh_q84 - hole.log10_mbh, hole.log10_mbh - hole.log10_mbh_q16
            return f"log10(M_BH / Msun) = {hole.log10_mbh:.3f} +{up:.3f} -{down:.3f}"
        case "upper_limit":
            return f"log10(M_BH / Msun) < {hole.log10_mbh_upper95:.2f} (95 % upper limit; depends on the prior)"
        case "unconstrained":
            return "the black-hole mass is not constrained by these data"
        case _:
            return f"log10(M_BH / Msun) = {hole.log10_mbh:.3f}, fixed"


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _environment() -> jinja2.Environment:
    loader = jinja2.PackageLoader("steelyard.report", "templates")
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _unless_it_fails[T](compute: Callable[[], T]) -> T | None:
    """Return a number for the page, or None if it cannot be computed; the figures give the reason."""
    try:
        return compute()
    except Exception:
        return None


def _chi2_sigma(products: Products) -> float:
    total, sd = best_misfit(products).reduced(axis=(0, 1, 2))
    return float((total - 1) / sd)


def _context(products: Products, images: dict[str, str], missing: dict[str, str]) -> dict[str, object]:
    manifest, data = products.manifest, products.data_store.manifest
    truth = manifest.galaxy.truth
    rows = [
        {
            "name": p.name,
            "unit": PARAMETERS[p.name].unit,
            "value": _rounded(p),
            "interval": f"{_digits(p, p.q05)} to {_digits(p, p.q95)}",
            "prior": _prior_text(p.prior),
            "rhat": "-" if p.rhat is None else f"{p.rhat:.4f}",
            "ess": "-" if p.ess_bulk is None or p.ess_tail is None else f"{p.ess_bulk:.0f} / {p.ess_tail:.0f}",
            "contraction": "-" if p.contraction is None else f"{p.contraction:z.2f}",
            "truth": _digits(p, truth[p.name]) if p.name in truth else "",
            "pull": f"{(p.mean - truth[p.name]) / p.sd:+.1f}" if p.name in truth else "",
        }
        for p in manifest.parameters
    ]
    return {
        "manifest": manifest,
        "galaxy": manifest.galaxy,
        "data": data,
        "beam": _unless_it_fails(lambda: products.beam),
        "noise_mjy": _unless_it_fails(lambda: 1e3 * products.noise),
        "headline": headline(manifest.black_hole),
        "systemic": None if manifest.systemic_velocity is None else systemic_text(manifest.systemic_velocity),
        "rows": rows,
        "has_truth": bool(truth),
        "images": images,
        "missing": missing,
        "n_draws": products.draws.shape[0] * products.draws.shape[1],
        "quality": manifest.quality,
        "unconstrained": unconstrained(manifest),
        "unconstrained_below": UNCONSTRAINED_BELOW,
        "chi2_sigma": _unless_it_fails(lambda: _chi2_sigma(products)),
    }


def _digits(p: ParameterSummary, value: float) -> str:
    """Format a value to a tenth of the standard deviation."""
    return f"{value:.{decimals(p.sd)}f}"


def _rounded(p: ParameterSummary) -> str:
    return f"{_digits(p, p.median)} +{_digits(p, p.q84 - p.median)} -{_digits(p, p.median - p.q16)}"


def _prior_text(prior: Prior) -> str:
    match prior:
        case Uniform() | LogUniform() | Sine():
            return f"{prior.kind.replace('_', ' ')}, {prior.low:.5g} to {prior.high:.5g}"
        case Normal():
            bounds = "" if prior.low is None and prior.high is None else f", within {prior.low} to {prior.high}"
            return f"normal, {prior.mean:.5g} +- {prior.sd:.3g}{bounds}"
        case _:
            return f"fixed at {prior.value:.6g}"

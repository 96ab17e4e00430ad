"""Finished fits side by side: other stars, other priors or another likelihood, and what the mass makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard_schemas import ContractError, Galaxy, Posterior, Store, read_store
from steelyard_schemas.posterior import BlackHole

from steelyard.fitting.contraction import unconstrained
from steelyard.fitting.folder import RunFolder
from steelyard.lease import fit_lease

__all__ = ["Comparison", "FitRow", "compare", "read_fit"]


@dataclass(frozen=True)
class FitRow:
    """What one fit says.

    Attributes:
        folder: of the fit.
        name: of the galaxy.
        stars: "Nuker", "MGE" or "MGE, innermost removed"; with "+ halo" where there is one.
        likelihood: of the fit.
        converged: whether to trust the numbers.
        black_hole: verdict and mass.
        chi2_per_datum: of the best draw.
        n_data: data that chi-square counts.
        data_hash: of the gridded visibilities.
        shift_dex: median of log10 M_BH less that of the first fit; None where one of them measures none,
            or is of another galaxy.
        shift_sigma: the same over the root of the two 68 % half-widths squared. Fits of the same data share their
            noise: a shift of one sigma is then more than chance.
        unconstrained: parameters that the data do not constrain.

    """

    folder: str
    name: str
    stars: str
    likelihood: str
    converged: bool
    black_hole: BlackHole
    chi2_per_datum: float
    n_data: int
    data_hash: str
    shift_dex: float | None
    shift_sigma: float | None
    unconstrained: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Rows in the order of the folders given."""

    rows: tuple[FitRow, ...]

    @property
    def same_data(self) -> bool:
        """Whether all fits are of the same gridded visibilities."""
        return len({row.data_hash for row in self.rows}) == 1

    @property
    def all_converged(self) -> bool:
        """Whether every fit converged."""
        return all(row.converged for row in self.rows)


def compare(folders: Sequence[str | Path]) -> Comparison:
    """Compare finished fits, the first being the one that the others are compared with.

    Args:
        folders: of fits.

    Raises:
        ContractError: a folder without a posterior, or with a damaged one.
        ValueError: no folder.

    """
    if not folders:
        raise ValueError("nothing to compare: give the folders of some fits")
    manifests = [read_fit(folder).manifest for folder in folders]
    name, first = manifests[0].galaxy.name, manifests[0].black_hole
    rows = [_row(str(folder), manifest, name, first) for folder, manifest in zip(folders, manifests, strict=True)]
    return Comparison(tuple(rows))


def read_fit(folder: str | Path) -> Store[Posterior]:
    """Read the posterior of a fit's folder.

    Raises:
        ContractError: there is none, it is damaged, or a fit is at work there.

    """
    run = RunFolder(Path(folder))
    if not run.posterior.exists():
        raise ContractError(run.path, "holds no posterior.zarr: run `steelyard fit` first")
    with fit_lease(run.path, reading=True):
        return read_store(run.posterior, Posterior)


def _row(folder: str, manifest: Posterior, galaxy_name: str, first: BlackHole) -> FitRow:
    hole = manifest.black_hole
    shift = sigma = None
    if hole.verdict == first.verdict == "measured" and manifest.galaxy.name == galaxy_name:
        shift = hole.log10_mbh - first.log10_mbh
        sigma = shift / (_half_width(hole) ** 2 + _half_width(first) ** 2) ** 0.5
    return FitRow(
        folder=folder,
        name=manifest.galaxy.name,
        stars=_stars(manifest.galaxy),
        likelihood=manifest.galaxy.likelihood.kind,
        converged=manifest.converged,
        black_hole=hole,
        chi2_per_datum=manifest.quality.chi2 / manifest.quality.n_data,
        n_data=manifest.quality.n_data,
        data_hash=manifest.inputs.gridded_hash,
        shift_dex=shift,
        shift_sigma=sigma,
        unconstrained=unconstrained(manifest),
    )


def _half_width(hole: BlackHole) -> float:
    return 0.5 * (hole.log10_mbh_q84 - hole.log10_mbh_q16)


def _stars(galaxy: Galaxy) -> str:
    return " + ".join([galaxy.stars.summary, *(component.title for component in galaxy.mass)])

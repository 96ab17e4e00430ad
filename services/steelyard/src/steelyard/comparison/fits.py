"""Comparison of finished fits with different stars, priors or likelihoods, and their masses."""

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
    """Summary of one fit.

    Attributes:
        folder: folder of the fit.
        name: name of the galaxy.
        stars: "Nuker", "MGE" or "MGE, innermost removed"; with "+ halo" if there is one.
        likelihood: kind of the likelihood.
        converged: whether the fit converged.
        black_hole: verdict and mass.
        chi2_per_datum: chi-square per datum of the best draw.
        n_data: number of data in chi-square.
        data_hash: hash of the gridded visibilities.
        shift_dex: median of log10 M_BH minus that of the first fit; None if either fit measures no mass or the
            galaxies differ.
        shift_sigma: `shift_dex` over the quadrature sum of the 68 % half-widths. Fits of the same data share their
            noise, so a shift of one sigma is then more than chance.
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
    """Comparison of several fits."""

    rows: tuple[FitRow, ...]
    """Fits in the given order."""

    @property
    def same_data(self) -> bool:
        """Whether all fits use the same gridded visibilities."""
        return len({row.data_hash for row in self.rows}) == 1

    @property
    def all_converged(self) -> bool:
        """Whether every fit converged."""
        return all(row.converged for row in self.rows)


def compare(folders: Sequence[str | Path]) -> Comparison:
    """Compare finished fits with the first of them.

    Args:
        folders: folders of fits.

    Raises:
        ContractError: a folder contains no posterior, or a damaged one.
        ValueError: no folder is given.

    """
    if not folders:
        raise ValueError("nothing to compare: give the folders of finished fits")
    manifests = [read_fit(folder).manifest for folder in folders]
    name, first = manifests[0].galaxy.name, manifests[0].black_hole
    rows = [_row(str(folder), manifest, name, first) for folder, manifest in zip(folders, manifests, strict=True)]
    return Comparison(tuple(rows))


def read_fit(folder: str | Path) -> Store[Posterior]:
    """Read the posterior in the folder of a fit.

    Raises:
        ContractError: the posterior is missing or damaged, or a fit is using the folder.

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

"""uv cells containing data, and the expected cell means for a cube.

Tracks fill a small part of the uv plane: a twelfth to a quarter of their bounding box. Visibilities are extracted
from the cube's transform only in these cells and in the neighbours that derivatives need
(`kinematics.interferometer.cell_response`), with all channels of a cell contiguous in memory.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import optimization_barrier as barrier
from jax.typing import ArrayLike, DTypeLike

from kinematics.grids import SkyGrid
from kinematics.interferometer.cell_response import MARGIN, CellMoments, Stencil, stencils
from kinematics.interferometer.sparse_rows import RowSums, padded_size
from kinematics.interferometer.visibilities import centre_and_pixel

__all__ = ["Points", "UvCells", "expected_means", "means_of_points", "visibilities_at"]

NEIGHBOURS = (4, 12, 24, 48)
"""Maximum number of sums that include a point, for each quarter of the points: typical of tracks."""
ALONE = (2,)
"""Likewise without cell moments: the cell itself and, in the column u = 0, its mirror image."""


class Points(NamedTuple):
    """Points of the uv plane where V is needed, and their positions in the transform of a cube; a pytree.

    V is stored as a real array of shape (point, 2, channel), holding real and imaginary parts.
    """

    place: Array
    """Index of each point in the flattened half plane of `rfft2`; shape (point,)."""
    factor: Array
    """Factor that multiplies the transform at each point: `centre_and_pixel`, 0 for padding; shape (point,)."""
    at: Array
    """Index of the point at each position of the `fft2` plane, or at its mirror; shape (sky.npix, sky.npix)."""
    pull: Array
    """Weights of that point's real and imaginary part in the gradient; shape (2, sky.npix, sky.npix)."""

    @classmethod
    def of(cls, place: np.ndarray, row: np.ndarray, n_rows: int, sky: SkyGrid, dtype: DTypeLike) -> Self:
        """Build the points; no two of them may be mirror images of each other.

        Args:
            place: index of each point in the flattened half plane, shape (n,).
            row: row of each point in arrays of points, shape (n,).
            n_rows: number of rows, padding included.
            sky: grid of the cube.
            dtype: type of the cube.

        """
        npix = sky.npix
        value = centre_and_pixel(sky).real.ravel()[place]
        places, factor = np.zeros(n_rows, np.int32), np.zeros(n_rows)
        places[row], factor[row] = place, value
        v, u = np.divmod(place, npix // 2 + 1)
        opposite = -v % npix, -u % npix
        alone = (v == opposite[0]) & (u == opposite[1])  # V is real there
        at, pull = np.zeros((npix, npix), np.int32), np.zeros((2, npix, npix))
        # A cotangent a + i b contributes f (a cos + b sin): f (a - i b) / 2 here, its conjugate at the mirror.
        for where, sign in (((v, u), -1), (opposite, 1)):
            at[where] = row
            pull[0][where] = np.where(alone, 1.0, 0.5) * value
            pull[1][where] = np.where(alone, 0.0, 0.5 * sign) * value
        return cls(jnp.asarray(places), jnp.asarray(factor, dtype), jnp.asarray(at), jnp.asarray(pull, dtype))

    def uv(self) -> tuple[np.ndarray, np.ndarray]:
        """Return u and v of each point [uv cells], each of shape (point,); 0 for padding."""
        npix = len(self.at)
        v, u = np.divmod(np.asarray(self.place), npix // 2 + 1)
        return u, np.where(v > npix // 2, v - npix, v)

    def of_cube(self, cube: Array) -> Array:
        """Extract V [Jy], shape (point, 2, channel), from a cube (channel, y, x)."""
        transform = jnp.fft.rfft2(cube).reshape(len(cube), -1)
        picked = transform.at[:, self.place].get(mode="promise_in_bounds").T * self.factor[:, None]
        return jnp.stack([picked.real, -picked.imag], axis=1)

    def cube_gradient(self, cotangent: Array) -> Array:
        """Apply the transpose of `of_cube` to a cotangent (point, 2, channel); shape (channel, y, x).

        One complex transform handles two channels, as the real and the imaginary part of an image.
        """
        n_channels, npix = cotangent.shape[-1], len(self.at)
        if n_channels % 2:
            cotangent = jnp.pad(cotangent, ((0, 0), (0, 0), (0, 1)))
        real, imaginary = (
            cotangent[:, part].at[self.at.ravel()].get(mode="promise_in_bounds") * self.pull[part].reshape(-1, 1)
            for part in (0, 1)
        )
        (first, second), (first_imaginary, second_imaginary) = (
            jnp.split(part, 2, axis=1) for part in (real, imaginary)
        )
        planes = jax.lax.complex(first - second_imaginary, first_imaginary + second)
        # The conjugated forward transform of the conjugate replaces the inverse transform, which rescales.
        images = barrier(jnp.fft.fft2(jnp.conj(planes).T.reshape(-1, npix, npix)))
        return barrier(jnp.concatenate([images.real, -images.imag]))[:n_channels]


class UvCells(NamedTuple):
    """uv cells containing data in any channel; a pytree, padded so that similar data sets share shapes."""

    place: Array
    """Index of each cell in the flattened half plane (v, u) of the data, -1 for padding; shape (cell,)."""
    coefficients: Array
    """Coefficients of V and its derivatives in the cell means; shape (derivative, cell, channel)."""
    points: Points
    """Points of the uv plane that the cells need."""
    derivatives: RowSums
    """Map from points to V and its derivatives, one block for each."""
    transposed: RowSums
    """Transposed map, from V and its derivatives (concatenated) to points."""

    @classmethod
    def of(
        cls, mask: np.ndarray, sky: SkyGrid, moments: CellMoments | None = None, dtype: DTypeLike = np.float32
    ) -> Self:
        """Describe the cells of a data set.

        Args:
            mask: cells containing data, shape (channel, v, u), v in the order of `fftfreq`, u of `rfftfreq`.
            sky: grid of the cubes, with an even number of pixels along a side.
            moments: positions of samples within their cells; without them a mean equals V at the cell centre.
            dtype: type of the cubes.

        Raises:
            ValueError: `sky` has an odd number of pixels, or fewer than the data's image (plus 2 MARGIN with
                moments); or no cell contains data.

        """
        _check(mask, sky, 0 if moments is None else 2 * MARGIN)
        npix, n_u = mask.shape[1:]
        index = np.flatnonzero(mask.any(axis=0))
        n_cells = padded_size(len(index))
        v, u = np.rint(np.fft.fftfreq(npix, 1 / npix)).astype(int)[index // n_u], index % n_u
        used = stencils() if moments else stencils()[:1]
        places, weights = zip(*(_entries(stencil, v, u, sky.npix) for stencil in used), strict=True)
        columns = [np.tile(k * n_cells + np.arange(len(index)), len(each)) for k, each in enumerate(places)]
        place, point = np.unique(np.concatenate([each.ravel() for each in places]), return_inverse=True)
        transposed, row = RowSums.of_entries(
            point,
            np.concatenate(columns),
            np.concatenate([each.reshape(-1, 2) for each in weights]),
            NEIGHBOURS if moments else ALONE,
            dtype,
        )
        row_of = np.zeros(sky.npix * (sky.npix // 2 + 1), np.int32)
        row_of[place] = row
        padding = (0, n_cells - len(index))
        derivatives = RowSums(
            tuple(jnp.asarray(np.pad(row_of[each], ((0, 0), padding))) for each in places),
            tuple(jnp.asarray(np.pad(each, ((0, 0), padding, (0, 0))), dtype) for each in weights),
        )
        index = np.pad(index, padding, constant_values=-1)
        factors = np.ones((1, *mask.shape)) if moments is None else moments.coefficients()
        return cls(
            jnp.asarray(index, np.int32),
            jnp.asarray(_listed(factors, index, 0.0), dtype),
            Points.of(place, row, transposed.n_rows, sky, dtype),
            derivatives,
            transposed,
        )

    def means_of(self, visibilities: ArrayLike) -> Array:
        """Compute the expected cell means [Jy], complex (cell, channel), from V [Jy], complex (point, channel)."""
        given = jnp.asarray(visibilities)
        return means_of_points(jnp.stack([given.real, given.imag], axis=1), self)

    def listed(self, plane: np.ndarray, padding: complex = 0) -> np.ndarray:
        """Gather values on the half plane (channel, v, u) into cells (cell, channel)."""
        return _listed(plane, np.asarray(self.place), padding)

    def on_half_plane(self, values: ArrayLike, npix: int) -> np.ndarray:
        """Scatter values (cell, channel) onto the half plane of `npix` pixels, (channel, v, u), 0 elsewhere."""
        index, found = np.asarray(self.place), np.asarray(values)
        plane = np.zeros((found.shape[1], npix * (npix // 2 + 1)), found.dtype)
        plane[:, index[index >= 0]] = found[index >= 0].T
        return plane.reshape(-1, npix, npix // 2 + 1)


def expected_means(cube: Array, cells: UvCells) -> Array:
    """Compute the expected cell means for a cube.

    Args:
        cube: flux density [Jy per pixel], shape (channel, y, x), on the grid for which `cells` were built; see
            `model_visibilities`.
        cells: uv cells of the data.

    Returns:
        Expected means [Jy], complex, shape (cell, channel).

    """
    return means_of_points(visibilities_at(cube, cells.points), cells)


@jax.custom_vjp
def visibilities_at(cube: Array, points: Points) -> Array:
    """Return V [Jy] of a cube (channel, y, x) at points; shape (point, 2, channel)."""
    # The barriers in this module keep rows from being recomputed for each sum that includes them.
    return barrier(points.of_cube(cube))


def _visibilities_forward(cube: Array, points: Points) -> tuple[Array, Points]:
    return visibilities_at(cube, points), points


def _visibilities_backward(points: Points, cotangent: Array) -> tuple[Array, None]:
    return points.cube_gradient(barrier(cotangent)), None


visibilities_at.defvjp(_visibilities_forward, _visibilities_backward)


def means_of_points(visibilities: Array, cells: UvCells) -> Array:
    """Compute the expected cell means [Jy], complex (cell, channel), from V at points, (point, 2, channel)."""
    means = _summed(visibilities, cells)
    return jax.lax.complex(means[:, 0], means[:, 1])


@jax.custom_vjp
def _summed(visibilities: Array, cells: UvCells) -> Array:
    terms = cells.derivatives.of(visibilities)
    return barrier(
        reduce(add, (factor[:, None] * term for factor, term in zip(cells.coefficients, terms, strict=True)))
    )


def _summed_forward(visibilities: Array, cells: UvCells) -> tuple[Array, UvCells]:
    return _summed(visibilities, cells), cells


def _summed_backward(cells: UvCells, cotangent: Array) -> tuple[Array, None]:
    terms = barrier((cells.coefficients[:, :, None] * cotangent).reshape(-1, *cotangent.shape[1:]))
    # Without the barrier, the sums are fused into the concatenation and every row tests which block it is in.
    sums = barrier(tuple(cells.transposed.of(terms)))
    return jnp.concatenate(sums), None


_summed.defvjp(_summed_forward, _summed_backward)


def _check(mask: np.ndarray, sky: SkyGrid, edge: int) -> None:
    npix = mask.shape[1]
    if npix + edge > sky.npix:
        beyond = f" plus {edge} for the cell response" if edge else ""
        raise ValueError(f"npix = {npix}{beyond} needs longer baselines than {sky.npix} cube pixels sample")
    if sky.npix % 2:
        raise ValueError(f"the cube has {sky.npix} pixels along a side; the number must be even")
    if not mask.any():
        raise ValueError("no uv cell contains data")


def _entries(stencil: Stencil, v: np.ndarray, u: np.ndarray, npix: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of neighbours in the flattened half plane of `rfft2`, (neighbour, cell), and weights, (..., 2).

    Since V(-u, -v) = conj V(u, v), the point in the half plane represents both mirror images; in the first and last
    column it is the one with v >= 0. The imaginary part of the mirrored point changes sign.
    """
    v, u = (v + stencil.dv[:, None]) % npix, (u + stencil.du[:, None]) % npix
    mirrored = (u > npix // 2) | ((u % (npix // 2) == 0) & (v > npix // 2))
    v, u = np.where(mirrored, -v % npix, v), np.where(mirrored, -u % npix, u)
    sign = np.where(mirrored, -1.0, 1.0)
    return v * (npix // 2 + 1) + u, stencil.weight[:, None, None] * np.stack([np.ones(sign.shape), sign], axis=-1)


def _listed(plane: np.ndarray, index: np.ndarray, padding: complex) -> np.ndarray:
    """Values of a plane (..., channel, v, u) in cells, (..., cell, channel)."""
    flat = np.asarray(plane).reshape(*plane.shape[:-2], -1)
    return np.swapaxes(np.where(index >= 0, flat[..., index], padding), -2, -1)

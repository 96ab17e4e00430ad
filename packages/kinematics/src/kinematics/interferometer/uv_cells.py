"""The uv cells that hold data, and what a cube makes the means of their samples expect.

Tracks fill a small part of the uv plane: a twelfth to a quarter of the box around them. Only there, and at the
cells around that derivatives need (`kinematics.interferometer.cell_response`), are visibilities taken from the
cube's transform, all channels of a cell beside each other.
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
"""Sums that a point is part of, for each quarter of the points: about what tracks bring about."""
ALONE = (2,)
"""The same where cells are their centres: a cell, and in the column u = 0 its mirror image."""


class Points(NamedTuple):
    """Places of the uv plane where V is needed, and how they lie in the transform of a cube; a pytree of arrays.

    V is real arrays of shape (point, 2, channel), of its real and its imaginary part.
    """

    place: Array
    """Of each point in the flattened half plane of `rfft2`; shape (point,)."""
    factor: Array
    """By which the transform is to be multiplied there: `centre_and_pixel`, 0 for padding; shape (point,)."""
    at: Array
    """Which point is at each place of the plane of `fft2`, or opposite to it; shape (sky.npix, sky.npix)."""
    pull: Array
    """How that point's real and imaginary part count in the gradient; shape (2, sky.npix, sky.npix)."""

    @classmethod
    def of(cls, place: np.ndarray, row: np.ndarray, n_rows: int, sky: SkyGrid, dtype: DTypeLike) -> Self:
        """Take points of which no two are opposite to each other.

        Args:
            place: of each in the flattened half plane.
            row: of each in arrays of points.
            n_rows: of these, padding included.
            sky: grid of the cube.
            dtype: of the cube.

        """
        npix = sky.npix
        value = centre_and_pixel(sky).real.ravel()[place]
        places, factor = np.zeros(n_rows, np.int32), np.zeros(n_rows)
        places[row], factor[row] = place, value
        v, u = np.divmod(place, npix // 2 + 1)
        opposite = -v % npix, -u % npix
        alone = (v == opposite[0]) & (u == opposite[1])  # such V are real
        at, pull = np.zeros((npix, npix), np.int32), np.zeros((2, npix, npix))
        # A cotangent a + i b makes f (a cos + b sin): f (a - i b) / 2 there, and its conjugate opposite.
        for where, sign in (((v, u), -1), (opposite, 1)):
            at[where] = row
            pull[0][where] = np.where(alone, 1.0, 0.5) * value
            pull[1][where] = np.where(alone, 0.0, 0.5 * sign) * value
        return cls(jnp.asarray(places), jnp.asarray(factor, dtype), jnp.asarray(at), jnp.asarray(pull, dtype))

    def uv(self) -> tuple[np.ndarray, np.ndarray]:
        """Return u and v of each point in uv cells; 0 for padding."""
        npix = len(self.at)
        v, u = np.divmod(np.asarray(self.place), npix // 2 + 1)
        return u, np.where(v > npix // 2, v - npix, v)

    def of_cube(self, cube: Array) -> Array:
        """V [Jy] of a cube (channel, y, x)."""
        transform = jnp.fft.rfft2(cube).reshape(len(cube), -1)
        picked = transform.at[:, self.place].get(mode="promise_in_bounds").T * self.factor[:, None]
        return jnp.stack([picked.real, -picked.imag], axis=1)

    def cube_gradient(self, cotangent: Array) -> Array:
        """Transpose of `of_cube`.

        One complex transform takes two channels, one as real part and one as imaginary part of the image.
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
        # In place of the inverse transform, which scales: the forward one of the conjugate, conjugated.
        images = barrier(jnp.fft.fft2(jnp.conj(planes).T.reshape(-1, npix, npix)))
        return barrier(jnp.concatenate([images.real, -images.imag]))[:n_channels]


class UvCells(NamedTuple):
    """Cells that hold data in any channel; a pytree of arrays, padded so that data sets much alike share shapes."""

    place: Array
    """Of each cell in the flattened half plane (v, u) of the data, -1 for padding; shape (cell,)."""
    coefficients: Array
    """Of V and its derivatives in the cells' means; shape (derivative, cell, channel)."""
    points: Points
    derivatives: RowSums
    """From points to V and its derivatives, a block for each."""
    transposed: RowSums
    """From V and its derivatives, one after the other, to points."""

    @classmethod
    def of(
        cls, mask: np.ndarray, sky: SkyGrid, moments: CellMoments | None = None, dtype: DTypeLike = np.float32
    ) -> Self:
        """Describe the cells of a data set.

        Args:
            mask: which hold data, shape (channel, v, u), v in the order of `fftfreq`, u of `rfftfreq`.
            sky: grid of the cubes, of an even number of pixels along a side.
            moments: where samples lie in their cells; without them a mean is V at its cell's centre.
            dtype: of the cubes.

        Raises:
            ValueError: the number of pixels of `sky` is odd, or less than that of the data's image and, with moments,
                2 MARGIN more; or no cell holds data.

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
        """Expected means of the cells, complex (cell, channel), of V at the points, complex (point, channel)."""
        given = jnp.asarray(visibilities)
        return means_of_points(jnp.stack([given.real, given.imag], axis=1), self)

    def listed(self, plane: np.ndarray, padding: complex = 0) -> np.ndarray:
        """Take arrays over the half plane (channel, v, u) to cells (cell, channel)."""
        return _listed(plane, np.asarray(self.place), padding)

    def on_half_plane(self, values: ArrayLike, npix: int) -> np.ndarray:
        """Put values (cell, channel) where they are on the half plane of `npix` pixels, (channel, v, u), else 0."""
        index, found = np.asarray(self.place), np.asarray(values)
        plane = np.zeros((found.shape[1], npix * (npix // 2 + 1)), found.dtype)
        plane[:, index[index >= 0]] = found[index >= 0].T
        return plane.reshape(-1, npix, npix // 2 + 1)


def expected_means(cube: Array, cells: UvCells) -> Array:
    """Expected means [Jy] of the samples in cells, complex, shape (cell, channel).

    Args:
        cube: flux density [Jy per pixel], shape (channel, y, x), on the grid that `cells` were described for; as in
            `model_visibilities`.
        cells: of the data.

    """
    return means_of_points(visibilities_at(cube, cells.points), cells)


@jax.custom_vjp
def visibilities_at(cube: Array, points: Points) -> Array:
    """V [Jy] of a cube (channel, y, x) at points, (point, 2, channel)."""
    # The barriers in this module keep rows from being computed again for each sum that they are part of.
    return barrier(points.of_cube(cube))


def _visibilities_forward(cube: Array, points: Points) -> tuple[Array, Points]:
    return visibilities_at(cube, points), points


def _visibilities_backward(points: Points, cotangent: Array) -> tuple[Array, None]:
    return points.cube_gradient(barrier(cotangent)), None


visibilities_at.defvjp(_visibilities_forward, _visibilities_backward)


def means_of_points(visibilities: Array, cells: UvCells) -> Array:
    """Expected means [Jy] of cells, complex (cell, channel), of V at their points, (point, 2, channel)."""
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
    # Unless kept apart, sums are fused into the joining of their blocks, and each row asks which of them it is in.
    sums = barrier(tuple(cells.transposed.of(terms)))
    return jnp.concatenate(sums), None


_summed.defvjp(_summed_forward, _summed_backward)


def _check(mask: np.ndarray, sky: SkyGrid, edge: int) -> None:
    npix = mask.shape[1]
    if npix + edge > sky.npix:
        beyond = f" and {edge} more for the cells' response" if edge else ""
        raise ValueError(f"npix = {npix}{beyond} asks for longer baselines than the cube's {sky.npix} pixels hold")
    if sky.npix % 2:
        raise ValueError(f"the cube has {sky.npix} pixels along a side, where an even number is needed")
    if not mask.any():
        raise ValueError("no cell holds data")


def _entries(stencil: Stencil, v: np.ndarray, u: np.ndarray, npix: int) -> tuple[np.ndarray, np.ndarray]:
    """Places of cells' neighbours in the flat half plane of `rfft2`, (neighbour, cell), and weights, (..., 2).

    V(-u, -v) = conj V(u, v): of two opposite places the one in the half plane stands for both, and of two in its
    first or last column that with v >= 0. The other's imaginary part is reversed.
    """
    v, u = (v + stencil.dv[:, None]) % npix, (u + stencil.du[:, None]) % npix
    mirrored = (u > npix // 2) | ((u % (npix // 2) == 0) & (v > npix // 2))
    v, u = np.where(mirrored, -v % npix, v), np.where(mirrored, -u % npix, u)
    sign = np.where(mirrored, -1.0, 1.0)
    return v * (npix // 2 + 1) + u, stencil.weight[:, None, None] * np.stack([np.ones(sign.shape), sign], axis=-1)


def _listed(plane: np.ndarray, index: np.ndarray, padding: complex) -> np.ndarray:
    """Values (..., channel, v, u) at cells, (..., cell, channel)."""
    flat = np.asarray(plane).reshape(*plane.shape[:-2], -1)
    return np.swapaxes(np.where(index >= 0, flat[..., index], padding), -2, -1)

"""Nested squares of subcells around the disc's centre, finer inwards, which divide the disc's light among them.

Velocity changes over a distance of the order of the radius. Squares of successively half the side, with subcells of
half the side, therefore resolve it equally well at all radii. Light fades smoothly from one square to the next: each
holds a smooth piece of the disc, over which sums of subcells are as accurate as integrals, and nothing jumps when the
centre crosses a pixel boundary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.lax import optimization_barrier as barrier
from jax.typing import ArrayLike, DTypeLike

from kinematics.grids import SkyGrid
from kinematics.render.pixel import Pixel, along_both_axes, subcell_places

__all__ = ["DEFAULT_LEVELS", "Level", "Square", "Stack", "finer", "nested_squares", "stacks"]

FADE = 0.2
"""Distance from the edge at which a square's share of the light begins to fall, in half-sides."""
LEAST = 0.9
"""Minimum fraction of a square's side that must fit into the image, or the level is the whole image."""


class Level(NamedTuple):
    """Supersampling within a square of pixels around the disc's centre."""

    npix: int | None
    """Side of the square in pixels; None for the whole image."""
    subcells: int
    """Subcells along a pixel's side."""


# For pixels of 0.375 / longest baseline, 0.4 of the beam, as `BandLimited` requires. Light ends half a pixel inside a
# square, because the disc's centre may be that far from its middle; the last two levels thus halve the extent too.
DEFAULT_LEVELS = (Level(None, 1), Level(56, 2), Level(28, 4), Level(14, 8), Level(7, 16), Level(3, 32), Level(2, 48))


def finer(levels: tuple[Level, ...]) -> tuple[Level, ...]:
    """Return levels with subcells of half the side at every radius, which reduces errors about 16-fold.

    Every square gets finer subcells, and a new square of twice the outermost side keeps the previous outermost
    subcells. The rest of the image is unchanged.

    Raises:
        ValueError: no level is a square within the image.

    """
    image, *squares = levels
    if not squares or squares[0].npix is None:
        raise ValueError(f"{levels} has no squares within the image to refine")
    around = Level(2 * squares[0].npix, squares[0].subcells)
    return image, around, *(Level(square.npix, 2 * square.subcells) for square in squares)


class Square(NamedTuple):
    """A square of pixels divided into subcells, or the whole image; side and division are static."""

    npix: int
    """Side [pixels]."""
    subcells: int
    """Subcells along a pixel's side."""
    whole: bool
    """Whether the square is the whole image."""
    corner_y: Array
    """First row in the image, shape ()."""
    corner_x: Array
    """First column in the image, shape ()."""
    centre_y: Array
    """Row of the disc's centre [pixels], clipped so that the square stays in the image; shape ()."""
    centre_x: Array
    """Column of the disc's centre [pixels], clipped likewise; shape ()."""

    @property
    def n_subcells(self) -> int:
        """Number of subcells along a side of the square."""
        return self.npix * self.subcells

    def places(self, n: int) -> np.ndarray:
        """Centres of `n` subcells along an axis, plus one at either end, in pixels from the first pixel's centre."""
        return subcell_places(n, self.subcells, beyond=1)

    def interpolate(self, image: Array, n: int) -> Array:
        """Interpolate an image linearly at n x n subcells and one more on every side."""
        if self.whole and self.subcells == 1:
            return jnp.pad(image, 1, mode="edge")
        cut = jax.lax.dynamic_slice(image, (self.corner_y, self.corner_x), (self.npix, self.npix))
        return along_both_axes(_linear(self.npix, self.places(n)), cut)


class Stack(NamedTuple):
    """Squares of a nest that are computed together, as arrays with the square as first axis.

    All are padded to the largest number of subcells; the surplus lies outside a square and holds no light.
    """

    nest: tuple[Square, ...]
    """All squares of the nest, the image first."""
    which: range
    """Indices in the nest of the squares computed here."""

    @property
    def squares(self) -> tuple[Square, ...]:
        """Squares computed in this stack."""
        return tuple(self.nest[k] for k in self.which)

    @property
    def n_subcells(self) -> int:
        """Number of subcells along a side of each square."""
        return max(square.n_subcells for square in self.squares)

    @property
    def places(self) -> np.ndarray:
        """Centres of subcells as in `Square.places`, shape (square, n_subcells + 2)."""
        return np.stack([square.places(self.n_subcells) for square in self.squares])

    @property
    def subcells(self) -> np.ndarray:
        """Number of subcells along a pixel's side, shape (square,)."""
        return np.array([square.subcells for square in self.squares])

    @property
    def corners(self) -> tuple[Array, Array]:
        """First row and first column in the image, each of shape (square,)."""
        return _stacked(self.squares, "corner_y"), _stacked(self.squares, "corner_x")

    def interpolate(self, image: Array) -> Array:
        """Interpolate an image in every square, as `Square.interpolate`; first axis square."""
        return jnp.stack([square.interpolate(image, self.n_subcells) for square in self.squares])

    def shares(self, dtype: DTypeLike) -> ArrayLike:
        """Return the fraction of the disc's light that each square holds, at its subcells and one more around them.

        It is one minus the fraction held by the next square of the nest, and zero outside any enclosing square.
        """
        inner = self.nest[1:]
        if not inner:
            return 1.0
        number, own = np.arange(1, len(self.nest))[:, None], np.array(self.which)
        outward, onward = number <= own, number == own + 1
        # The middle of a square is up to half a pixel off and its outermost subcells are dark: no light lies outside.
        half = np.array([0.5 * (square.npix - 1 - 1 / square.subcells) for square in inner])
        places = jnp.asarray(self.places, dtype)
        windows = [
            _fade(jnp.abs(places + corner[:, None] - centre[:, None, None]) / jnp.asarray(half[:, None, None], dtype))
            for corner, centre in zip(
                self.corners, (_stacked(inner, "centre_y"), _stacked(inner, "centre_x")), strict=True
            )
        ]
        # Without the barrier the windows would be recomputed for each subcell.
        rows, columns = barrier(
            tuple(jnp.prod(jnp.where(outward[..., None], window, 1), axis=0) for window in windows)
        )
        next_rows, next_columns = barrier(
            tuple(jnp.sum(jnp.where(onward[..., None], window, 0), axis=0) for window in windows)
        )
        within = rows[:, :, None] * columns[:, None, :]
        return within * (1 - next_rows[:, :, None] * next_columns[:, None, :])


def stacks(squares: list[Square]) -> Iterator[Stack]:
    """Group squares with similar numbers of subcells: first the image, then all squares within it."""
    nest = tuple(squares)
    yield Stack(nest, range(1))
    if len(nest) > 1:
        yield Stack(nest, range(1, len(nest)))


def _stacked(squares: Sequence[Square], name: str) -> Array:
    return jnp.stack([jnp.asarray(getattr(square, name)) for square in squares])


def nested_squares(
    levels: tuple[Level, ...], y0_arcsec: ArrayLike, x0_arcsec: ArrayLike, sky: SkyGrid, pixel: Pixel
) -> list[Square]:
    """Return the squares of all levels around a disc's centre, each inside the image including its pixel margin.

    A square that does not fit is shrunk, or becomes the whole image if it would lose a tenth of its side. Among
    levels that cover the whole image only the finest is returned.

    Raises:
        ValueError: the first level is not the whole image.

    """
    if levels[0].npix is not None:
        raise ValueError(f"the first of the levels {levels} must be the whole image: Level(None, ...)")
    squares = [_square(level, y0_arcsec, x0_arcsec, sky, pixel) for level in levels]
    return squares[max(i for i, square in enumerate(squares) if square.whole) :]


def _square(level: Level, y0_arcsec: ArrayLike, x0_arcsec: ArrayLike, sky: SkyGrid, pixel: Pixel) -> Square:
    room = sky.npix - 2 * pixel.margin
    if level.npix is None or room < LEAST * level.npix:
        zero = jnp.zeros((), jnp.int32)
        return Square(sky.npix, level.subcells, True, zero, zero, zero, zero)
    npix = min(level.npix, room)
    half = 0.5 * (npix - 1)
    lowest, highest = pixel.margin + half, sky.npix - 1 - pixel.margin - half
    centres = [
        jnp.clip(jnp.asarray(centre) / sky.cell_arcsec + sky.npix // 2, lowest, highest)
        for centre in (y0_arcsec, x0_arcsec)
    ]
    corners = [jnp.round(jax.lax.stop_gradient(centre) - half).astype(jnp.int32) for centre in centres]
    return Square(npix, level.subcells, False, *corners, *centres)


def _fade(distance: Array) -> Array:
    """Window that is one in a square's middle and zero from its edge (1) on, with two continuous derivatives."""
    t = jnp.clip((1 - distance) / FADE, 0, 1)
    return t**3 * (10 + t * (6 * t - 15))


def _linear(npix: int, place: np.ndarray) -> np.ndarray:
    """Weights of linear interpolation from pixels to places, (place, npix); constant beyond the ends."""
    distance = np.abs(np.clip(place, 0, npix - 1)[:, None] - np.arange(npix))
    return np.clip(1 - distance, 0, None)

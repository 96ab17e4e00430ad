"""Nested squares of subcells around the disc's centre, finer inwards, that share the disc's light among them.

Velocity changes over a distance of the order of the radius, so that squares of half the side, with subcells of half
the side, resolve it equally well at all radii. From one square to the next the light fades smoothly: each holds a
smooth piece of the disc, for which sums over its subcells are as good as integrals, and nothing jumps when the
centre crosses from one pixel to the next.
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
"""Of half a square's side: how far from its edge its share begins to fall."""
LEAST = 0.9
"""Of a square's side: what must fit into the image, or the level is the whole image."""


class Level(NamedTuple):
    """Supersampling within a square of pixels around the disc's centre."""

    npix: int | None
    """Side of the square in pixels; None for the whole image."""
    subcells: int
    """Subcells along a pixel's side."""


# For pixels of 0.375 over the longest baseline, 0.4 of the beam: what `BandLimited` asks for. Light ends half a pixel
# within a square, for the disc's centre may be as far from its middle: so that the last two, too, are halves.
DEFAULT_LEVELS = (Level(None, 1), Level(56, 2), Level(28, 4), Level(14, 8), Level(7, 16), Level(3, 32), Level(2, 48))


def finer(levels: tuple[Level, ...]) -> tuple[Level, ...]:
    """Return levels whose subcells have half the side at every radius: errors fall to about a sixteenth.

    Around the squares, now of finer subcells, comes one of twice the outermost's side with subcells as it had. Beyond
    that the image's own remain.

    Raises:
        ValueError: there are no squares within the image.

    """
    image, *squares = levels
    if not squares or squares[0].npix is None:
        raise ValueError(f"{levels} has no squares within the image that could be made finer")
    around = Level(2 * squares[0].npix, squares[0].subcells)
    return image, around, *(Level(square.npix, 2 * square.subcells) for square in squares)


class Square(NamedTuple):
    """A square of pixels, divided into subcells, its side and division static, or the whole image."""

    npix: int
    subcells: int
    whole: bool
    corner_y: Array
    """First row in the image."""
    corner_x: Array
    centre_y: Array
    """Of the disc in the image [pixels], or of the square where that is held back by the image's edge."""
    centre_x: Array

    @property
    def n_subcells(self) -> int:
        """Subcells along a side of the square."""
        return self.npix * self.subcells

    def places(self, n: int) -> np.ndarray:
        """Centres of `n` subcells along an axis in pixels from the first pixel's, and of one more at either end."""
        return subcell_places(n, self.subcells, beyond=1)

    def interpolate(self, image: Array, n: int) -> Array:
        """Return an image's values at n x n subcells and one more around them, linear between pixels."""
        if self.whole and self.subcells == 1:
            return jnp.pad(image, 1, mode="edge")
        cut = jax.lax.dynamic_slice(image, (self.corner_y, self.corner_x), (self.npix, self.npix))
        return along_both_axes(_linear(self.npix, self.places(n)), cut)


class Stack(NamedTuple):
    """Squares of a nest that are computed together, as arrays whose first axis counts squares.

    All have as many subcells as the one that has most; the surplus lies beyond a square, where it holds no light.
    """

    nest: tuple[Square, ...]
    """All squares, the image first."""
    which: range
    """Of the nest."""

    @property
    def squares(self) -> tuple[Square, ...]:
        """Those that are computed."""
        return tuple(self.nest[k] for k in self.which)

    @property
    def n_subcells(self) -> int:
        """Along a side of each."""
        return max(square.n_subcells for square in self.squares)

    @property
    def places(self) -> np.ndarray:
        """See `Square.places`; shape (square, n_subcells + 2)."""
        return np.stack([square.places(self.n_subcells) for square in self.squares])

    @property
    def subcells(self) -> np.ndarray:
        """Along a pixel's side, shape (square,)."""
        return np.array([square.subcells for square in self.squares])

    @property
    def corners(self) -> tuple[Array, Array]:
        """First row and first column in the image, each of shape (square,)."""
        return _stacked(self.squares, "corner_y"), _stacked(self.squares, "corner_x")

    def interpolate(self, image: Array) -> Array:
        """See `Square.interpolate`."""
        return jnp.stack([square.interpolate(image, self.n_subcells) for square in self.squares])

    def shares(self, dtype: DTypeLike) -> ArrayLike:
        """Return what each square has of the disc's light, at its subcells and one more around them.

        One, less what the next one in the nest has, and nothing outside of any that it lies in.
        """
        inner = self.nest[1:]
        if not inner:
            return 1.0
        number, own = np.arange(1, len(self.nest))[:, None], np.array(self.which)
        outward, onward = number <= own, number == own + 1
        # A square's middle is up to half a pixel off, and its outermost subcells are dark: none beyond has light.
        half = np.array([0.5 * (square.npix - 1 - 1 / square.subcells) for square in inner])
        places = jnp.asarray(self.places, dtype)
        windows = [
            _fade(jnp.abs(places + corner[:, None] - centre[:, None, None]) / jnp.asarray(half[:, None, None], dtype))
            for corner, centre in zip(
                self.corners, (_stacked(inner, "centre_y"), _stacked(inner, "centre_x")), strict=True
            )
        ]
        # The barrier: else windows are computed again for each subcell.
        rows, columns = barrier(
            tuple(jnp.prod(jnp.where(outward[..., None], window, 1), axis=0) for window in windows)
        )
        next_rows, next_columns = barrier(
            tuple(jnp.sum(jnp.where(onward[..., None], window, 0), axis=0) for window in windows)
        )
        within = rows[:, :, None] * columns[:, None, :]
        return within * (1 - next_rows[:, :, None] * next_columns[:, None, :])


def stacks(squares: list[Square]) -> Iterator[Stack]:
    """Those squares together that have much the same number of subcells: the image, and all within it."""
    nest = tuple(squares)
    yield Stack(nest, range(1))
    if len(nest) > 1:
        yield Stack(nest, range(1, len(nest)))


def _stacked(squares: Sequence[Square], name: str) -> Array:
    return jnp.stack([jnp.asarray(getattr(square, name)) for square in squares])


def nested_squares(
    levels: tuple[Level, ...], y0_arcsec: ArrayLike, x0_arcsec: ArrayLike, sky: SkyGrid, pixel: Pixel
) -> list[Square]:
    """Return the squares of all levels about a disc's centre, each inside the image with all that its light reaches.

    A square that does not fit is made smaller, or the whole image if it would lose a tenth of its side. Of levels
    that are the whole image only the finest is returned.

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
    """One in a square's middle, zero from its edge (1) on, with two continuous derivatives."""
    t = jnp.clip((1 - distance) / FADE, 0, 1)
    return t**3 * (10 + t * (6 * t - 15))


def _linear(npix: int, place: np.ndarray) -> np.ndarray:
    """Weights of linear interpolation from pixels to places, (place, npix); beyond the ends the last pixel's."""
    distance = np.abs(np.clip(place, 0, npix - 1)[:, None] - np.arange(npix))
    return np.clip(1 - distance, 0, None)

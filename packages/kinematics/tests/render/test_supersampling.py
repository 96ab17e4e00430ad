"""Squares of a nest share the light among them: all of it, once, wherever the disc's centre lies."""

import numpy as np
import pytest
from kinematics import BAND_LIMITED, Level, SkyGrid, finer
from kinematics.render.supersampling import DEFAULT_LEVELS, nested_squares, stacks

CELL_ARCSEC = 0.1


def shares(levels, npix, y0, x0):
    """Square and its share at its own subcells, of all squares of a nest about a centre in pixels."""
    centre = ((place - npix // 2) * CELL_ARCSEC for place in (y0, x0))
    squares = nested_squares(levels, *centre, SkyGrid(npix, CELL_ARCSEC), BAND_LIMITED)
    for stack in stacks(squares):
        share = np.broadcast_to(stack.shares(np.float64), (len(stack.squares), *2 * [stack.n_subcells + 2]))
        yield from zip(stack.squares, share, strict=True)


@pytest.mark.parametrize("centre", [(48, 48), (48.5, 47.9), (43.3, 52.1), (20.2, 80.9)])
def test_they_add_up_to_one_everywhere(centre):
    npix = 96
    light = 0.0
    for square, share in shares(DEFAULT_LEVELS, npix, *centre):
        n, cell = square.n_subcells, 1 / square.subcells**2
        light += cell * share[1 : n + 1, 1 : n + 1].sum()
        if not square.whole:  # nothing in the surplus of a stack, nor on the edge of a square
            beyond = [0, *range(n, len(share))]
            assert abs(share[beyond]).max() < 1e-12
            assert abs(share[:, beyond]).max() < 1e-12
    # Sums over subcells of a function with two continuous derivatives that fades within a few of them: off by a
    # hundred-thousandth (0.064 pixels at most, about 64 centres).
    assert light == pytest.approx(npix**2, abs=0.07)


def test_the_innermost_has_the_centre_and_the_outermost_the_rest():
    nest = list(shares(DEFAULT_LEVELS, 96, 48.0, 48.0))
    assert [(square.npix, square.subcells) for square, _ in nest] == [
        (96, 1),
        *((level.npix, level.subcells) for level in DEFAULT_LEVELS[1:]),
    ]
    at_centre = [share[_subcell(square, 48.0), _subcell(square, 48.0)] for square, share in nest]
    assert at_centre == [0] * (len(nest) - 1) + [1]
    assert nest[0][1][1, 1] == 1


def _subcell(square, place, axis="y"):
    """The subcell along an axis, of those of `shares`, that a place in the image [pixels] is in."""
    corner = square.corner_x if axis == "x" else square.corner_y
    return round(float((place - corner) * square.subcells + (square.subcells - 1) / 2)) + 1


def test_finer_subcells_have_half_the_side_at_every_radius():
    nests = [list(shares(levels, 160, 80.3, 79.6)) for levels in (DEFAULT_LEVELS, finer(DEFAULT_LEVELS))]

    def per_pixel(nest, distance):
        """Subcells along a pixel's side, at a distance from the centre; a mean where squares fade into each other."""
        at = [
            (square.subcells, share[_subcell(square, 80.3), _subcell(square, 79.6 + distance, "x")])
            for square, share in nest
            if square.whole or abs(distance) < square.npix / 2
        ]
        assert sum(share for _, share in at) == pytest.approx(1, abs=0.05)  # of places half a subcell apart
        return sum(n * share for n, share in at)

    for distance in (0.0, 1.1, 2.2, 4.1, 7.9, 15.3, 30.2, 40.4):
        assert per_pixel(nests[1], distance) == pytest.approx(2 * per_pixel(nests[0], distance), rel=0.1)


def test_an_image_alone_cannot_be_made_finer():
    with pytest.raises(ValueError, match="no squares within the image"):
        finer((Level(None, 2),))


def test_one_square_alone_has_everything():
    ((square, share),) = shares((Level(None, 2),), 16, 8.0, 8.0)
    assert square.whole
    assert (share == 1).all()

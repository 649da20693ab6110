"""Pieces that lie side by side: a chance for each of them, and one shape before another."""

from collections.abc import Sequence

import numpy as np

from impasto.painted.canvas import Array

CHANCES = 4099
"""Length of the tables from which each piece takes its own chance; a prime."""


def piece(*numbers: Array) -> Array:
    """One table index in [0, CHANCES) for pieces that are known by several whole numbers."""
    total = np.zeros((), np.int64)
    for number in numbers:
        total = (total * 613 + np.asarray(number, np.int64) + 71) % CHANCES
    return total


def over(under: Sequence[Array], shape: Sequence[Array | int], where: Array) -> list[Array]:
    """A shape's planes (rows, columns) and pictures (rows, columns, 3) before those of another.

    Args:
        under: planes and pictures of what lies behind.
        shape: the same in the same order; a number is the same everywhere.
        where: (rows, columns) whether the shape covers a pixel.
    """
    return [
        np.where(where[..., None] if old.ndim > where.ndim else where, new, old)
        for new, old in zip(shape, under, strict=True)
    ]

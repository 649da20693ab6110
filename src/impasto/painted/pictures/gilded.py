"""Gold leaf with spirals, eyes and black and white blocks, like a robe."""

import numpy as np

from impasto.painted.canvas import Array, Canvas, Noise, smooth
from impasto.painted.palette import blend, palette, ramp
from impasto.painted.pieces import CHANCES, piece


def paint(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Paint it on a canvas, (rows, columns, 3) in [0, 1]."""
    x, y = np.broadcast_arrays(canvas.x, canvas.y)
    fold, bias = Noise(rng, 1.6, octaves=2), Noise(rng, 1.6, octaves=2)
    folds, slant = fold.over(canvas), bias.over(canvas)
    x, y = x + 0.03 * slant, y + 0.03 * folds
    robe = np.floor((folds * 0.9 + slant * 0.5 + 3 * x + 1.2 * y) * 1.6).astype(int)
    kind = rng.permutation(np.tile(np.arange(5), 8))[robe % 40]
    leaf = Noise(rng, 40, octaves=4, fade=0.7).over(canvas)
    color = np.zeros((*canvas.shape, 3), np.float32)
    height = np.zeros(canvas.shape, np.float32)
    for number, pattern in enumerate((_spirals, _eyes, _blocks, _scales, _triangles)):
        where = np.flatnonzero(kind == number)
        flat = pattern(x.ravel()[where], y.ravel()[where], rng)
        color.reshape(-1, 3)[where], height.reshape(-1)[where] = flat
    height += 0.1 * leaf
    rise = canvas.slope(height)
    gold = smooth(0.1, 0.35, color[..., 0] - color[..., 2])
    lit = color * (1 + 0.08 * leaf + 0.45 * rise)[..., None]
    glint = (0.25 + 0.2 * leaf) * gold * smooth(0.1, 0.8, rise + 0.25 * leaf)
    return lit + glint[..., None] * palette("fff3c0")[0]


GOLD = palette("6a4310 a8741c d9a62e f0cc5a fae79a")


def _cells(x: Array, y: Array, size: float) -> tuple[Array, Array, Array, Array]:
    """Columns and rows of a grid, and places in the cells from -1 to 1."""
    i, j = np.floor(x / size), np.floor(y / size)
    return i, j, 2 * (x / size - i) - 1, 2 * (y / size - j) - 1


def _spirals(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    i, j, a, b = _cells(x, y, 0.085)
    own = piece(i, j)
    r, turn = np.hypot(a, b), np.arctan2(b, a)
    hand = rng.choice([-1.0, 1.0], CHANCES)[own]
    coil = 0.5 + 0.5 * np.sin(hand * turn + r * 15 + rng.uniform(0, 6, CHANCES)[own])
    inside = smooth(1.0, 0.94, r)
    line = smooth(0.45, 0.7, coil) * inside
    ground = ramp(GOLD, 0.55 + 0.25 * inside + rng.uniform(-0.12, 0.12, CHANCES)[own])
    return blend(ground, palette("3f2410")[0], 0.9 * (inside - line)), 0.3 + 0.7 * line


def _eyes(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    i, j, a, b = _cells(x, y * 1.0, 0.06)
    own = piece(i, j)
    r = np.hypot(a * 1.05, b * rng.uniform(1.0, 1.5, CHANCES)[own])
    stains = palette("1f3f8f b8323a 2f7f5a 10102a e0873a 5a2f7a f6ecd0 3f9fb0")
    first = rng.integers(len(stains), size=CHANCES)[own]
    ring = np.floor(r * 4).astype(int)
    color = stains[(first + ring * 3) % len(stains)]
    outside = smooth(0.92, 0.98, r)
    color = blend(color, ramp(GOLD, 0.62 - 0.2 * np.abs(a * b)), outside)
    return color, (1 - outside) * (0.5 + 0.5 * np.cos(r * 25))


def _blocks(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    row = np.floor(y / 0.034)
    shift = rng.uniform(0, 1, CHANCES)[piece(row)]
    i, j, a, b = _cells(x + 0.05 * shift, y, 0.034)
    i = np.floor(i / (1 + (piece(row) % 2)))
    own = piece(i, j)
    stones = palette("0d0d12 0d0d12 f4efe0 f4efe0 a8a8b0 d9a62e 7a4a1c f0cc5a")
    color = stones[rng.integers(len(stones), size=CHANCES)[own]]
    edge = np.maximum(np.abs(a), np.abs(b))
    joint = smooth(0.82, 0.92, edge)
    return blend(color, ramp(GOLD, 0.5 + 0 * a), joint), 0.8 * (1 - joint)


def _scales(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    row = np.floor(y / 0.022)
    i, _, a, _ = _cells(x + 0.022 * (row % 2), y, 0.044)
    b = y / 0.022 - row
    above = a * a * 0.9 + (1 - b) ** 2 > 1
    column = np.where(above, np.floor((x + 0.022 * ((row + 1) % 2)) / 0.044), i)
    own = piece(column, row - above)
    r = np.where(above, np.hypot(1 - np.abs(a), b), np.hypot(a, 1 - b))
    tint = palette("c98a2a e8c050 2f8f7a 1f5a8a f6e7b0 8a5a1c")
    color = tint[rng.integers(len(tint), size=CHANCES)[own]]
    ring = smooth(0.5, 0.6, r % 0.5 * 2)
    return blend(color, palette("4a2c10")[0], 0.75 * ring), 0.7 * (1 - ring)


def _triangles(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    i, j, a, b = _cells(x, y, 0.045)
    upper = (a > b) if rng.uniform() < 0.5 else (a > -b)
    own = piece(i, j, upper)
    tint = palette("d9a62e f0cc5a 9a6a1c b8323a fae79a e8cf8a 2a2a3a 7f3a2a")
    color = tint[rng.integers(len(tint), size=CHANCES)[own]]
    edge = np.minimum(1 - np.maximum(np.abs(a), np.abs(b)), np.abs(a - b) / 1.4)
    line = smooth(0.16, 0.06, edge)
    return blend(color, palette("5a3812")[0], line), 0.8 * (1 - line)

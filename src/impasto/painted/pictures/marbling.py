"""Combed and curled colours lifted from a bath, as on old endpapers."""

import numpy as np

from impasto.painted.canvas import Array, Canvas, Noise, smooth
from impasto.painted.palette import blend, palette


def paint(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Paint it on a canvas, (rows, columns, 3) in [0, 1]."""
    slow, fine = Noise(rng, 2, octaves=2), Noise(rng, 40, octaves=3, fade=0.7).over(canvas)
    drift = slow.over(canvas)
    x, y = canvas.x + 0.012 * drift, canvas.y + 0.03 * drift
    for center in _curl_centers(canvas, rng):
        size, turn = rng.uniform(0.06, 0.1), rng.choice([-1, 1]) * rng.uniform(2.2, 3.4)
        x, y = _curl(x, y, center=center, size=size, turn=turn)
    y = y + 0.075 * _comb(x, 0.048)
    x = x + 0.06 * _comb(y, 0.17) * np.where(np.floor(y / 0.17) % 2, 1, -1)
    vats = palette(
        "101d42 f4ead2 1f5a8f c22b2f f2b93a 14305f efe0c0 2f8f86 de6a30 2a1838 f7dd92 8a1f3f 63b3a6"
    )
    stripes = 160
    edges = np.cumsum(rng.uniform(0.35, 1.7, stripes)).astype(np.float32)
    order = np.concatenate([rng.permutation(len(vats)) for _ in range(13)])[:stripes]
    place = (y + 0.05 * slow(x, y)) * 36 + 20
    number = np.searchsorted(edges, place.ravel()).reshape(place.shape).clip(1, stripes - 1)
    since, until = place - edges[number - 1], edges[number] - place
    color = vats[order][number]
    # Where two colours push at each other, the later one has a darker rim and a fine light line.
    color = color * (1 + 0.14 * smooth(0, 0.5, until) - 0.2 * smooth(0.2, 0.0, since))[..., None]
    color = blend(color, palette("f8f0dc")[0], 0.8 * smooth(0.075, 0.03, since))
    return color * (1 + 0.03 * fine + 0.05 * drift)[..., None]


def _curl_centers(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Centres of curls (N, 2), in rows that are set off against each other."""
    row, column = np.meshgrid(np.arange(5), np.arange(5), indexing="ij")
    x = (column + 0.5 * (row % 2)) * 0.25 + rng.uniform(-0.03, 0.03, row.shape)
    y = 0.08 + row * 0.22 + rng.uniform(-0.03, 0.03, row.shape)
    centers = np.stack([x, y], axis=-1).reshape(-1, 2)
    return rng.permutation(centers)[:11]


def _comb(place: Array, gap: float) -> Array:
    """How far a comb with teeth `gap` apart drags the colour: 1 at a tooth, 0 midway."""
    away = np.abs(place / gap % 1 - 0.5) * 2
    return away * away


def _curl(x: Array, y: Array, *, center: Array, size: float, turn: float) -> tuple[Array, Array]:
    """Turn the bath around a centre, by `turn` radians in the middle and less farther out."""
    dx, dy = x - np.float32(center[0]), y - np.float32(center[1])
    angle = np.float32(turn) * np.exp(-(dx * dx + dy * dy) / np.float32(size * size))
    cos, sin = np.cos(angle), np.sin(angle)
    return x + dx * (cos - 1) - dy * sin, y + dx * sin + dy * (cos - 1)

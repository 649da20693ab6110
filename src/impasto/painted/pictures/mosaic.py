"""Sun and peacock feathers in rows of gold, lapis and emerald stones."""

import numpy as np

from impasto.painted.canvas import Array, Canvas, Noise, smooth
from impasto.painted.palette import blend, palette
from impasto.painted.pieces import CHANCES, piece

STONE = 0.0158
"""Side of a stone in units."""
STONES = palette(
    "e9b93c f7d774 c98a1f 16357f 1f5fae 2f9fb8 0f6a5a 3fae7a b3262f e0653a f4ead2 5a2a6a 101a3c"
)
SUN = STONES[[1, 8, 0, 9, 10, 3]]
FEATHERS = STONES[
    [
        [0, 3, 1, 6, 10, 3],
        [1, 8, 0, 3, 4, 12],
        [10, 4, 1, 8, 9, 11],
        [0, 6, 7, 3, 1, 12],
        [1, 5, 10, 11, 2, 3],
    ]
]
"""Colours of a disc from its middle to its rim."""


def paint(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Paint it on a canvas, (rows, columns, 3) in [0, 1]."""
    u, v, own, color = _stones(canvas, rng)
    chance = rng.normal(0, 1, (CHANCES, 6)).astype(np.float32).take(own, axis=0)
    grain = Noise(rng, 60, octaves=3).over(canvas)
    u2, v2 = u * u, v * v
    whole = smooth(1.02, 0.72, u2 * u2 + v2 * v2 + 0.06 * chance[..., 4])
    # No stone lies quite level, so each one throws the light back in its own way.
    tilt = 0.1 * (u * chance[..., 4] + v * chance[..., 5]) + 0.16 * np.maximum(chance[..., 5], 0)
    color = np.clip(color * (1 + 0.1 * chance[..., :1]) + 0.035 * chance[..., 1:4], 0.02, 1)
    face = color * (1 + tilt + 0.07 * grain)[..., None]
    grout = palette("3a322c")[0] * (1 + 0.25 * grain[..., None])
    rise = canvas.slope(whole * (1 - 0.25 * (u2 + v2)) + 0.05 * grain)
    lit = blend(grout, face, whole) * (1 + 0.38 * rise)[..., None]
    return lit + (0.3 * smooth(0.45, 1.1, rise) * whole)[..., None]


def _stones(canvas: Canvas, rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Places in the stones from -1 to 1 (two planes), the stones' chances, and their colours."""
    disc, rays, colors = _discs(canvas, rng)
    number = canvas.stencil(_circles(disc)).astype(np.intp) - 1
    cx, cy, size = disc.astype(np.float32).take(number, axis=0).transpose(2, 0, 1)
    dx, dy = canvas.x - cx, canvas.y - cy
    along = np.hypot(dx, dy) / STONE
    row = np.floor(along)
    count = np.maximum(5, np.round(2 * np.pi * (row + 0.5)))
    around = (np.arctan2(dy, dx) / (2 * np.pi) + 0.5) * count + 0.37 * row
    column = np.floor(around)
    turn = (column + 0.5 - 0.37 * row) / count * 2 * np.pi
    wave = np.abs(np.cos(turn * rays[number] / 2))
    color = _feather(
        place=(row + 0.5) * STONE / size, wave=wave, colors=colors.take(number, axis=0)
    )
    own = piece(number, row, column % count)
    return 2 * (along - row) - 1, 2 * (around - column) - 1, own, color


def _circles(discs: Array) -> Array:
    """Polygons (N, 64, 2) around discs (N, 3) of centre x, centre y and radius."""
    turn = np.arange(64) * (2 * np.pi / 64)
    ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return discs[:, None, :2] + discs[:, None, 2:] * ring


def _discs(canvas: Canvas, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Discs (N, 3), their numbers of rays (N,) and their colours (N, 6, 3), the uppermost last.

    Rows of feathers hide each other from the top downwards, and the sun rises between two rows.
    """
    wide, high = canvas.extent
    rows, step = np.meshgrid(np.arange(-1, 13), np.arange(-1, 11), indexing="ij")
    x = (step + 0.5 * (rows % 2)) * 0.17 + rng.uniform(-0.012, 0.012, rows.shape)
    y = rows * 0.1 + rng.uniform(-0.01, 0.01, rows.shape)
    discs = np.stack([x, y, rng.uniform(0.11, 0.125, rows.shape)], axis=-1).reshape(-1, 3)
    discs = discs[np.argsort(discs[:, 1])]
    place = wide * rng.uniform(0.35, 0.65), high * rng.uniform(0.36, 0.46)
    sun = np.array([*place, 0.27 * high**0.5])
    before = np.searchsorted(discs[:, 1], sun[1] + 0.6 * sun[2])
    feathers = FEATHERS[rng.integers(len(FEATHERS), size=len(discs))]
    rays = rng.integers(5, 10, len(discs))
    return (
        np.insert(discs, before, sun, axis=0),
        np.insert(rays, before, 18),
        np.insert(feathers, before, SUN, axis=0),
    )


def _feather(*, place: Array, wave: Array, colors: Array) -> Array:
    """Colour of stones by their place from a disc's middle (0) to its rim (1) and their ray."""
    petal = 0.3 + 0.36 * wave
    zone = np.full(place.shape, 5)
    rims = ((0.91, 4), (0.8, 3), (petal + 0.04, 1), (petal - 0.09, 2), (0.26, 1), (0.16, 0))
    for rim, color in rims:
        zone[place < rim] = color
    return np.take_along_axis(colors, zone[..., None, None], axis=-2)[..., 0, :]

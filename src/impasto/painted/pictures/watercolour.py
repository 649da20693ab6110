"""Anemones in wet washes with hard edges, backruns and grainy paper."""

import math

import numpy as np

from impasto.painted.canvas import Array, Canvas, Noise, smooth
from impasto.painted.palette import palette, pick, ramp, vary

GROUND = palette("1f3f8f 3f7fc0 6fb8cf 4fa08a a0ba4a f0c850 f29a88 b06ac0 4a3f9a")
PETAL = palette("d0274a e8574f f08a3a 8f3aa0 5a3fb0 e05a9a f2b838 2f5fc0")
LEAF = palette("1a5236 3f7f2f 0f4250 7a9a2a 262a60")
HEART = palette("1c1633")[0]


def paint(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Paint it on a canvas, (rows, columns, 3) in [0, 1]."""
    sheet = _Sheet(canvas, rng)
    for _ in range(44):
        _leaf(sheet, rng)
    for _ in range(24):
        _flower(sheet, rng)
    for _ in range(100):
        _drop(sheet, rng)
    return sheet.color * (1 + 0.05 * canvas.slope(sheet.paper))[..., None]


def _flower(sheet: "_Sheet", rng: np.random.Generator) -> None:
    """Five to seven petals, one wash each, around a dark heart with its stamens."""
    x, y = rng.uniform(0.02, 0.98, 2) * sheet.extent
    size = rng.uniform(0.06, 0.12) * sheet.extent[1] ** 0.5
    petals, squash, lean = int(rng.integers(5, 8)), rng.uniform(0.7, 1), rng.uniform(0, np.pi)
    hue = pick(rng, PETAL, 1)[0]
    for petal in range(petals):
        turn = lean + 2 * np.pi * (petal + rng.uniform(-0.15, 0.15)) / petals
        tip = (x + 0.6 * size * math.cos(turn), y + 0.6 * size * math.sin(turn) * squash)
        pigment = vary(rng, hue[None], light=0.0, hue=0.06)[0]
        sheet.wash(tip, turn=turn, half=(0.62 * size, 0.42 * size), pigment=pigment)
    sheet.wash((x, y), half=(0.2 * size, 0.17 * size), pigment=HEART, load=1.2)
    for _ in range(9):
        turn, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.22, 0.36) * size
        spot = (x + far * math.cos(turn), y + far * math.sin(turn))
        sheet.wash(spot, half=(0.042 * size, 0.042 * size), pigment=HEART, load=1.2)


def _leaf(sheet: "_Sheet", rng: np.random.Generator) -> None:
    place = rng.uniform(0, 1, 2) * sheet.extent
    turn, long = rng.uniform(-2.4, -0.7), rng.uniform(0.06, 0.13)
    sheet.wash(place, turn=turn, half=(long, 0.22 * long), pigment=pick(rng, LEAF, 1)[0])


def _drop(sheet: "_Sheet", rng: np.random.Generator) -> None:
    place = rng.uniform(0, 1, 2) * sheet.extent
    size = 0.002 + 0.008 * rng.uniform() ** 3
    pigment = pick(rng, np.concatenate([PETAL, GROUND]), 1)[0]
    sheet.wash(place, half=(size, size), pigment=pigment)


class _Sheet:
    """Paper that takes one transparent wash after the other, the first one wet in wet."""

    def __init__(self, canvas: Canvas, rng: np.random.Generator) -> None:
        self.canvas, self.extent = canvas, canvas.extent
        self.paper = Noise(rng, 90, octaves=2, fade=0.8).over(canvas)
        self.rough = Noise(rng, 12, octaves=4, fade=0.6).over(canvas)
        self.soft = Noise(rng, 9, octaves=3).over(canvas)
        pool = Noise(rng, 4, octaves=3).over(canvas) + 0.22 * self.rough
        pigment = ramp(GROUND, 0.5 + 0.42 * Noise(rng, 2.2, octaves=3).over(canvas))
        # A backrun: a dark rim where fresh water stopped, and it fades to one side only.
        rims = [smooth(0.1, 0.0, side) * (side > 0) for side in (pool - 0.35, -0.8 - pool)]
        load = 0.74 + 0.2 * self.soft + 0.25 * (rims[0] + rims[1]) + 0.1 * self.paper
        self.color = palette("fbf5e8")[0] * (1 - load.clip(0, 1)[..., None] * (1 - pigment))

    def wash(
        self,
        place: Array | tuple[float, float],
        *,
        half: tuple[float, float],
        pigment: Array,
        turn: float = 0.0,
        load: float = 0.85,
    ) -> None:
        """One wash in the shape of an egg with a shaky outline.

        Pigment is dense along the edge, where the water dried last, and in the paper's hollows.

        Args:
            place: its centre x, y.
            half: half its length and half its breadth, in units.
            pigment: colour (3,) of the thick pigment.
            turn: direction of its length, in radians.
            load: how much pigment the brush holds.
        """
        part = self._around(place, half, turn)
        x, y = self.canvas.x[:, part[1]] - place[0], self.canvas.y[part[0]] - place[1]
        u = (x * math.cos(turn) + y * math.sin(turn)) / half[0]
        v = (y * math.cos(turn) - x * math.sin(turn)) / half[1]
        rough, soft = self.rough[part], self.soft[part]
        shake = min(1.0, half[1] / 0.016) * (0.0035 * rough + 0.005 * soft)
        inside = (1 - np.hypot(u, v * (1 - 0.25 * u))) * half[1] + shake
        cover = smooth(-0.0012, 0.0012, inside)
        amount = load * (0.78 + 0.16 * soft + 0.1 * self.paper[part] + 0.07 * rough)
        amount += 0.5 * np.exp(-np.abs(inside - 0.001) / 0.0032)
        amount += 0.25 * smooth(0.1, 0.0, np.abs(soft - 0.5))
        color = self.color[part]
        # Water lifts some of the colour that lies below before the new one settles.
        color += (1 - color) * (0.7 * cover)[..., None]
        color *= 1 - (cover * amount).clip(0, 1)[..., None] * (1 - pigment)

    def _around(
        self, place: Array | tuple[float, float], half: tuple[float, float], turn: float
    ) -> tuple[slice, slice]:
        """Rows and columns of the canvas that a wash can reach."""
        cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
        reach = np.array([math.hypot(half[0] * cos, half[1] * sin), 0.0])
        reach[1] = math.hypot(half[0] * sin, half[1] * cos)
        reach = 1.2 * reach + 0.008
        box = self.canvas.pixels(np.stack([place - reach, place + reach]))
        (left, top), (right, bottom) = np.maximum(box.round().astype(int), 0).tolist()
        return slice(top, bottom), slice(left, right)

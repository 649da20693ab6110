"""Avenue in autumn rain, laid on with a palette knife in thick slabs."""

import numpy as np

from impasto.painted.brush import Painting, Strokes, scatter
from impasto.painted.canvas import Array, Canvas, Noise
from impasto.painted.palette import palette, pick, ramp, vary

SLAB = {"bristles": 0.5, "dry": 0.3, "blunt": 0.95}
"""How a knife lays paint: smoother than a brush, with square ends."""


def paint(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Paint it on a canvas, (rows, columns, 3) in [0, 1]."""
    avenue = _Avenue(canvas, rng)
    painting = Painting(canvas, palette("2a2238")[0])
    painting.lay(avenue.light(rng), body=1.2, **SLAB)
    painting.lay(avenue.crowns(rng, 0.02, size=0.028), body=1.5, **SLAB)
    painting.lay(avenue.trunks(rng), body=1.6, **SLAB)
    painting.lay(avenue.crowns(rng, 0.026, size=0.022), body=1.8, **SLAB)
    return painting.lit(relief=0.4, gloss=0.3)


class _Avenue:
    """Trees on both sides of a wet road that leads into the light."""

    GLOW = palette("fff4c4 ffdc7a fdae4a ef7a3a c04a4a 7a3f78 41356e 222a52")
    CROWN = palette("ffe27a ffb52e f4801f dc4a22 a82a34 6a2348 2f4a3f 7f8f2a")
    ROAD = palette("fff0c0 ffc46a f08a52 b45a72 6a5a9a 3a4a86 232c58 161a38")
    TRUNK = palette("120f1e 2a1a2a 46283a 3a3a6a 7a4a3a")

    def __init__(self, canvas: Canvas, rng: np.random.Generator) -> None:
        self.wide, self.high = canvas.extent
        self.x = self.wide * rng.uniform(0.4, 0.6)
        self.y = self.high * 0.56
        self.tone = Noise(rng, 5, octaves=3)
        self.leaf = Noise(rng, 7, octaves=2)

    def light(self, rng: np.random.Generator) -> Strokes:
        """Slabs of the sky around the light, and of the road that mirrors it."""
        x, y = scatter(rng, 0.026)
        dx, dy, road = self._seen(x, y)
        glow = ramp(self.GLOW, 1.5 * np.hypot(dx, dy * 0.9) + 0.13 * self.tone(x, y))
        side = 0.75 * np.abs(dx) / (0.1 + dy.clip(0))
        wet = 0.05 + side + 0.35 * dy + 0.22 * self.leaf(x * 1.6, y * 0.25)
        color = np.where(road[:, None], ramp(self.ROAD, wet), glow)
        level = rng.choice([0, np.pi / 2], len(x), p=[0.45, 0.55])
        fan = np.arctan2(dy, dx) + rng.choice([0, 1.2], len(x))
        return self._slabs(rng, x, y, angle=np.where(road, level, fan), size=0.04, color=color)

    def crowns(self, rng: np.random.Generator, spacing: float, *, size: float) -> Strokes:
        """Slabs of leaves on both sides, the darker the farther from the light."""
        x, y = scatter(rng, spacing)
        dx, dy, road = self._seen(x, y)
        leafy = (self.leaf(x, y) > 0.25 - 1.6 * np.abs(dx) + 0.5 * (dy > 0)) & ~road
        x, y, dx, dy = x[leafy], y[leafy], dx[leafy], dy[leafy]
        shade = 0.1 + 1.2 * np.abs(dx) + 0.22 * self.tone(x, y) + rng.normal(0, 0.13, len(x))
        fan = np.arctan2(dy, dx) + rng.choice([0, 1.2], len(x))
        return self._slabs(rng, x, y, angle=fan, size=size, color=ramp(self.CROWN, shade))

    def _seen(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Points as seen from the light, right and down, and whether they lie on the road."""
        dx, dy = (x - self.x) / self.wide, (y - self.y) / self.high
        return dx, dy, (dy > 0) & (np.abs(dx) < 0.06 + 1.15 * dy)

    def _slabs(
        self,
        rng: np.random.Generator,
        x: Array,
        y: Array,
        *,
        angle: Array,
        size: float,
        color: Array,
    ) -> Strokes:
        count = len(x)
        return Strokes(
            x=x,
            y=y,
            angle=angle + rng.normal(0, 0.14, count),
            length=size * rng.uniform(1.2, 2.2, count),
            width=size * rng.uniform(0.6, 1.1, count),
            bend=rng.normal(0, 0.03, count),
            color=vary(rng, color, light=0.05, hue=0.04),
            streak=vary(rng, color * 0.75 + 0.2, hue=0.1),
        )

    def trunks(self, rng: np.random.Generator) -> Strokes:
        """Trunks in two rows, larger towards the viewer."""
        pairs = 9
        near = np.repeat(np.linspace(0.12, 1, pairs) ** 1.5, 2) * rng.uniform(0.85, 1.15, 2 * pairs)
        side = np.tile([-1.0, 1.0], pairs)
        foot_x = self.x + side * self.wide * (0.07 + 0.47 * near)
        foot_y = self.y + self.high * 0.36 * near
        tall = self.high * (0.14 + 0.62 * near)
        count = 14
        t = np.linspace(0, 1, count)[None]
        lean = side[:, None] * -0.05 * near[:, None]
        x = foot_x[:, None] + lean * t**2 + rng.normal(0, 0.004, (2 * pairs, count))
        y = foot_y[:, None] - tall[:, None] * t
        width = (0.008 + 0.04 * near[:, None]) * (1.05 - 0.75 * t)
        color = pick(rng, self.TRUNK, x.size)
        return Strokes(
            x=x.ravel(),
            y=y.ravel(),
            angle=rng.normal(-np.pi / 2, 0.12, x.size),
            length=np.repeat(tall / count * 1.7, count),
            width=width.ravel(),
            bend=rng.normal(0, 0.04, x.size),
            color=vary(rng, color),
            streak=vary(rng, color + 0.25, hue=0.1),
        )

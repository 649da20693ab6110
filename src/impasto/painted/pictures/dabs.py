"""Lily pond in broken light: short dabs of green, violet and rose."""

import numpy as np

from impasto.painted.brush import Painting, Strokes, scatter
from impasto.painted.canvas import Array, Canvas, Noise
from impasto.painted.palette import palette, pick, ramp, vary


def paint(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Paint it on a canvas, (rows, columns, 3) in [0, 1]."""
    pond = _Pond(canvas, rng)
    painting = Painting(canvas, palette("35506a")[0])
    painting.lay(pond.water(rng, 0.018, size=0.024), body=0.8)
    painting.lay(pond.water(rng, 0.0125, size=0.0135), dry=0.45)
    painting.lay(pond.pads(rng), body=1.2, dry=0.3)
    painting.lay(pond.blossoms(rng), body=1.6, dry=0.15, blunt=0.1)
    return painting.lit(relief=0.45, gloss=0.18)


class _Pond:
    """A pond seen from above: the sky and willows mirrored in it, rafts of leaves, flowers."""

    WATER = palette("0f2436 173f48 1f5f58 2f6f96 5570b8 9a84c8 dc9fc0 f8d0a0 fff0c0")
    LEAF = palette("12402f 1f6a3f 4a9a48 8fc05a d8e07f 4f9a90 a86a80")
    PETAL = palette("fff6ee ffd9dc f79bb0 e0557f fff1b8 f7c8e4")

    def __init__(self, canvas: Canvas, rng: np.random.Generator) -> None:
        self.wide, self.high = canvas.extent
        self.mirror = Noise(rng, 3, octaves=3, fade=0.6)
        self.ripple = Noise(rng, 6, octaves=3)
        count = 26
        x = rng.uniform(-0.05, 1.05, count) * self.wide
        y = (np.arange(count) + rng.uniform(0, 1, count)) / count * self.high
        size = rng.uniform(0.05, 0.12, count) * self.depth(y)
        self.rafts = np.stack([x, y, size], axis=1)

    def depth(self, y: Array) -> Array:
        """Size of things by their distance: 0.35 at the upper border, 1 at the lower one."""
        return 0.35 + 0.65 * np.clip(y / self.high, 0, 1)

    def water(self, rng: np.random.Generator, spacing: float, *, size: float) -> Strokes:
        """Level dabs that mirror the far bank in upright patches."""
        x, y = scatter(rng, spacing)
        count = len(x)
        place = 0.5 + 0.36 * self.mirror(x * 1.15, y * 0.45) + 0.12 * self.ripple(x * 0.6, y * 2.2)
        color = ramp(self.WATER, place + rng.normal(0, 0.05, count))
        return Strokes(
            x=x,
            y=y,
            angle=0.16 * self.ripple(x, y) + rng.normal(0, 0.1, count),
            length=size * rng.uniform(1.6, 3.2, count),
            width=size * rng.uniform(0.7, 1.2, count),
            bend=rng.normal(0, 0.07, count),
            color=vary(rng, color, light=0.05, hue=0.035),
            streak=vary(rng, color * 0.7 + 0.3, hue=0.09),
        )

    def pads(self, rng: np.random.Generator) -> Strokes:
        """Leaves floating in rafts, flat ovals, lighter on their far side."""
        x, y = scatter(rng, 0.0135)
        order = np.argsort(y)
        x, y = x[order], y[order]
        count = len(x)
        near = np.full(count, 9.0)
        for cx, cy, size in self.rafts:
            near = np.minimum(near, np.hypot((x - cx) / 1.9, (y - cy) * 1.5) / size)
        near += 0.22 * self.ripple(x * 1.5, y * 1.5)
        color = ramp(self.LEAF, 0.15 + 0.6 * near + rng.normal(0, 0.12, count))
        size = 0.019 * self.depth(y) * rng.uniform(0.8, 1.3, count)
        return Strokes(
            x=x,
            y=y,
            angle=rng.normal(0, 0.22, count),
            length=2.2 * size,
            width=size,
            bend=rng.normal(0.08, 0.08, count),
            color=vary(rng, color, hue=0.05),
            streak=vary(rng, color + 0.2, hue=0.09),
        )[near < 1]

    def blossoms(self, rng: np.random.Generator) -> Strokes:
        """Flowers of some petals each, on the rafts."""
        count, petals = 64, 12
        raft = self.rafts[rng.integers(len(self.rafts), size=count)]
        cx = raft[:, 0] + raft[:, 2] * rng.uniform(-1.5, 1.5, count)
        cy = raft[:, 1] + raft[:, 2] * rng.uniform(-0.5, 0.5, count)
        order = np.argsort(cy)
        cx, cy = cx[order][:, None], cy[order][:, None]
        size = 0.036 * self.depth(cy) * rng.uniform(0.7, 1.2, (count, 1))
        fan = np.concatenate([np.linspace(-np.pi, 0, 7), np.linspace(-2.6, -0.5, 4), [-1.57]])
        reach = np.array([0.62] * 7 + [0.45] * 4 + [0.15])
        turn = fan + rng.normal(0, 0.12, (count, petals))
        tone = pick(rng, self.PETAL[1:4], count)[:, None] * np.ones((1, petals, 1))
        tone[:, 7:11] = self.PETAL[0]
        tone[:, 11] = self.PETAL[4]
        flat = {
            "x": cx + size * reach * np.cos(turn),
            "y": cy + size * reach * 0.7 * np.sin(turn),
            "angle": turn,
            "length": size * rng.uniform(0.8, 1.1, (count, petals)),
            "width": size * rng.uniform(0.32, 0.45, (count, petals)),
            "bend": rng.normal(0, 0.1, (count, petals)),
        }
        color = tone.reshape(-1, 3)
        return Strokes(
            **{name: values.ravel() for name, values in flat.items()},
            color=vary(rng, color, light=0.04, hue=0.03),
            streak=vary(rng, color * 0.4 + 0.6),
        )

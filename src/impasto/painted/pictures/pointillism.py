"""Sails in a harbour at sunset, in dots of pure colour that mix in the eye."""

import numpy as np

from impasto.painted.brush import Painting, Strokes, scatter
from impasto.painted.canvas import Array, Canvas, Noise
from impasto.painted.palette import palette, ramp, vary


def paint(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Paint it on a canvas, (rows, columns, 3) in [0, 1]."""
    harbour = _Harbour(canvas, rng)
    painting = Painting(canvas, palette("efe3cf")[0])
    painting.lay(harbour.dots(rng, 0.0112, size=0.0155), body=0.7, dry=0.1, blunt=0.05)
    painting.lay(harbour.dots(rng, 0.0105, size=0.0105), body=1.0, dry=0.1, blunt=0.05)
    return painting.lit(relief=0.32, gloss=0.12)


class _Harbour:
    """A low sun, sails and their mirror images, hills behind, a quay before."""

    SKY = palette("fff6c0 ffe08a ffb870 f58f8a c98ac0 8f8ad0 5f86cf 3f6abf")
    SEA = palette("ffe9a0 ffb86a e8848a a070b0 5a74c0 3a8ab8 2f6a9f 234a86")
    HILL = palette("4a4a9a 6f5aa8 a06aa8 3f6f9a 5a9a8a")
    SAIL = palette("fff4dc ffd0a0 f0784a c93f4a 7a3a7a")
    QUAY = palette("2a3a6a 4a2f6a 7f3a5a c05a3a e89a3a 3a6a4a")

    def __init__(self, canvas: Canvas, rng: np.random.Generator) -> None:
        self.wide, self.high = canvas.extent
        self.sun = (self.wide * rng.uniform(0.3, 0.7), self.high * 0.33)
        self.level = self.high * 0.46
        self.tone = Noise(rng, 4, octaves=3)
        count = 6
        slots = (rng.permutation(count) + rng.uniform(0.25, 0.75, count)) / count
        near = np.sort(rng.uniform(0.15, 1, count))
        self.boats = np.stack(
            [slots * self.wide, self.level + near**1.5 * 0.28 * self.high, 0.08 + 0.2 * near],
            axis=1,
        )

    def color(self, x: Array, y: Array) -> Array:
        """Colour of the harbour at points, before it is divided into dots."""
        mood = self.tone(x, y)
        away = np.hypot(x - self.sun[0], (y - self.sun[1]) * 1.25)
        color = ramp(self.SKY, 1.35 * away + 0.07 * np.sin(away * 75) + 0.05 * mood)
        color[away < 0.055] = palette("fffdf0")[0]
        ridge = self.level - self.high * (0.05 + 0.05 * self.tone(x * 0.7, 0.2))
        color = np.where((y > ridge)[:, None], ramp(self.HILL, 0.5 + 0.4 * mood), color)
        deep = (y - self.level) / (self.high - self.level)
        path = np.abs(x - self.sun[0]) / (0.05 + 0.3 * deep.clip(0))
        wave = np.sin(90 * np.sqrt(deep.clip(0) + 0.05) + 3 * mood)
        sea = ramp(self.SEA, 0.28 * path.clip(0, 2) + 0.3 * deep + 0.1 * wave)
        color = np.where((deep > 0)[:, None], sea, color)
        for cx, foot, tall in self.boats:
            self._boat(color, x, y, cx=cx, foot=foot, tall=tall)
        quay = self.high * (0.9 + 0.05 * np.sin(4 * x / self.wide + 1) + 0.015 * mood)
        return np.where((y > quay)[:, None], ramp(self.QUAY, 0.5 + 0.45 * mood), color)

    def _boat(
        self, color: Array, x: Array, y: Array, *, cx: float, foot: float, tall: float
    ) -> None:
        """A hull with two sails, and both upside down in the water below."""
        for sign, share in ((1, 1.0), (-1, 0.6)):
            up = sign * (foot - y) / tall
            across = (x - cx) / tall
            hull = (up > 0) & (up < 0.1) & (np.abs(across) < 0.25 + up)
            main = (up > 0.14) & (across > 0.02) & (across < 0.36 * (1 - up) + 0.02)
            fore = (up > 0.14) & (across < 0) & (across > -0.24 * (0.9 - up))
            for part, shade in ((hull, 4), (main, 0), (fore, 2)):
                color[part] += share * (self.SAIL[shade] - color[part])

    def dots(self, rng: np.random.Generator, spacing: float, *, size: float) -> Strokes:
        """Dots of purer colour than what they show, some of them of the opposite colour."""
        x, y = scatter(rng, spacing)
        count = len(x)
        color = self.color(x, y)
        grey = color.mean(axis=1, keepdims=True)
        pure = grey + (color - grey) * rng.uniform(0.9, 1.9, (count, 1))
        channels = (np.arange(3) + rng.integers(1, 3, (count, 1))) % 3
        turned = np.take_along_axis(pure, channels, axis=1)
        other = rng.uniform(size=count) < 0.16
        pure = np.where(other[:, None], 0.35 * pure + 0.65 * turned, pure)
        pure = vary(rng, pure, light=0.05, hue=0.05)
        wide = size * rng.uniform(0.8, 1.15, count)
        return Strokes(
            x=x,
            y=y,
            angle=np.arctan2(x - self.sun[0], self.sun[1] - y),
            length=wide * 1.15,
            width=wide,
            bend=np.zeros(count),
            color=pure,
            streak=np.clip(pure + 0.1, 0, 1),
        )

"""Night over the sea: moon and stars turn the air in long strokes of thick paint."""

import numpy as np

from impasto.painted.brush import Painting, Strokes, scatter
from impasto.painted.canvas import Array, Canvas, Noise, smooth
from impasto.painted.palette import blend, palette, ramp, vary


def paint(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Paint it on a canvas, (rows, columns, 3) in [0, 1]."""
    night = _Night(canvas, rng)
    painting = Painting(canvas, palette("101a3a")[0])
    painting.lay(night.strokes(rng, 0.018, width=0.02, length=0.085), body=0.9)
    painting.lay(night.strokes(rng, 0.0135, width=0.0125, length=0.062), body=1.1)
    painting.lay(night.grass(rng), body=1.2, dry=0.25)
    return painting.lit(relief=0.42, gloss=0.22)


class _Night:
    """Where the lights stand, how the air turns around them, and the colour of every place."""

    SKY = palette("0a1238 10226b 1a3f9c 2f6bc0 5fa3cf a9d2c9 e3e6b8")
    SEA = palette("0a1230 0d2a58 12497a 1f7391 4d9fa0 8cc7b0")
    LIGHT = palette("fffbe0 fff2a8 ffdc55 fbb534 e8832a f9cf63 fff0a0 a9c795 5a9bbd 3f78bd")
    GRASS = palette("0d1a1e 1c3322 3f4a1e 7a6a20 b8862a e0ac45 f3d27a")

    def __init__(self, canvas: Canvas, rng: np.random.Generator) -> None:
        self.wide, self.high = canvas.extent
        self.shore = 0.67 * self.high
        stars = 8
        self.size = np.append(0.085, rng.uniform(0.022, 0.042, stars)) * np.sqrt(self.high)
        self.turn = rng.choice([-1.0, 1.0], stars + 1)
        slots = (rng.permutation(stars) + rng.uniform(0.2, 0.8, stars)) / stars
        self.x = np.append(rng.choice([0.27, 0.7]) + rng.uniform(-0.05, 0.05), slots) * self.wide
        self.y = np.append(0.25, rng.uniform(0.06, 0.5, stars)) * self.high
        self.shown = np.hypot(self.x - self.x[0], self.y - self.y[0]) > 2.6 * self.size[0]
        self.shown[0] = True
        self.drift = Noise(rng, 3.2, octaves=2)
        self.tone = Noise(rng, 5, octaves=3)
        self.swell = Noise(rng, 10, octaves=2)

    def stream(self, x: Array, y: Array) -> Array:
        """Stream function of the wind: strokes run along its level lines."""
        flow = y + 0.055 * self.drift(x, y)
        for cx, cy, size, turn in zip(self.x, self.y, self.size, self.turn, strict=True):
            near = ((x - cx) ** 2 + (y - cy) ** 2) / (2.1 * size) ** 2
            flow = flow + turn * 3.6 * size * np.exp(-near)
        return flow

    def course(self, x: Array, y: Array) -> Array:
        """Direction of the strokes: with the wind, round the lights, nearly level on the water."""
        step = 0.004
        right = self.stream(x, y + step) - self.stream(x, y - step)
        down = self.stream(x - step, y) - self.stream(x + step, y)
        for cx, cy, size, turn in self.lights():
            r = np.hypot(x - cx, y - cy) + 1e-6
            pull = 0.03 * turn * smooth(3.2 * size, 1.8 * size, r)
            right, down = right + pull * (y - cy) / r, down - pull * (x - cx) / r
        waves = 0.22 * self.swell(x * 0.4, y)
        return np.where(y > self.shore, waves, np.arctan2(down, right))

    def lights(self) -> list[Array]:
        """Place x, y, size and turn of the moon and of the stars that it does not outshine."""
        return list(np.stack([self.x, self.y, self.size, self.turn], axis=1)[self.shown])

    def strokes(
        self, rng: np.random.Generator, spacing: float, *, width: float, length: float
    ) -> Strokes:
        """Strokes all over the sky and the sea."""
        x, y = scatter(rng, spacing)
        count = len(x)
        angle = self.course(x, y)
        long = length * rng.uniform(0.6, 1.2, count)
        half = long / 2
        ahead = self.course(x + half * np.cos(angle), y + half * np.sin(angle))
        turn = (ahead - angle + np.pi / 2) % np.pi - np.pi / 2
        color = self.color(x, y)
        return Strokes(
            x=x,
            y=y,
            angle=angle,
            length=long * (1 - 0.4 * np.minimum(np.abs(turn), 1)),
            width=width * rng.uniform(0.7, 1.3, count),
            bend=np.clip(turn / 4, -0.2, 0.2),
            color=vary(rng, color, light=0.045, hue=0.02),
            streak=vary(rng, color * 0.8 + 0.2, light=0.1, hue=0.07),
        )

    def color(self, x: Array, y: Array) -> Array:
        """Colour of sky, lights and sea at points."""
        mood = self.tone(x, y)
        band = 0.5 + 0.5 * np.sin(self.stream(x, y) * 48 + 1.2 * mood)
        low = np.clip(y / self.shore, 0, 1)
        sky = ramp(self.SKY, 0.04 + 0.6 * band**1.3 + 0.12 * mood + 0.28 * low**3)
        for cx, cy, size, _ in self.lights():
            r = np.hypot(x - cx, y - cy) / size * (1 + 0.06 * mood)
            sky = blend(sky, ramp(self.LIGHT, r / 2.5), smooth(2.6, 2.0, r))
        return np.where((y > self.shore)[:, None], self.water(x, y, mood), sky)

    def water(self, x: Array, y: Array, mood: Array) -> Array:
        """Colour of the sea, with the lights broken on its waves."""
        deep = (y - self.shore) / (self.high - self.shore)
        rows = 60 * np.sqrt(np.clip(deep, 0, 4) + 0.02)
        wave = 0.5 + 0.5 * np.sin(rows + 4 * self.swell(x * 0.6, y))
        sea = ramp(self.SEA, 0.75 - 0.75 * deep + 0.5 * (wave - 0.5) + 0.1 * mood)
        for cx, _, size, _ in self.lights():
            path = np.abs(x - cx + 0.012 * mood) / (size * (0.8 + 0.4 * deep))
            glow = smooth(1.2, 0.5, path) * smooth(0.15, 0.5, wave)
            sea = blend(sea, ramp(self.LIGHT, 0.1 + 0.4 * path), 0.95 * glow)
        return sea

    def grass(self, rng: np.random.Generator) -> Strokes:
        """Dune grass in the foreground, bent by the wind, the nearest last."""
        x, y = scatter(rng, 0.0125)
        order = np.argsort(y)
        x, y = x[order], y[order]
        roll = np.sin(5 * x / self.wide + 3 * self.turn[1])
        deep = y / self.high - 0.87 - 0.045 * roll - 0.02 * self.drift(x, 0.0)
        count = len(x)
        light = 0.72 - 2.2 * deep + 0.2 * self.tone(x, y) + rng.normal(0, 0.16, count)
        color = ramp(self.GRASS, light)
        return Strokes(
            x=x,
            y=y,
            angle=-np.pi / 2 + 0.55 * self.drift(x, y) + rng.normal(0, 0.14, count),
            length=rng.uniform(0.05, 0.1, count),
            width=rng.uniform(0.006, 0.011, count),
            bend=rng.normal(0.04, 0.08, count),
            color=vary(rng, color, hue=0.05),
            streak=vary(rng, color + 0.2),
        )[deep > 0]

"""Mountains and a lake in engraved lines, coloured by hand."""

import math

import numpy as np

from impasto.painted.canvas import Array, Canvas, Noise, smooth
from impasto.painted.palette import Paintbox, blend, palette, ramp
from impasto.painted.pieces import over


def paint(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Paint it on a canvas, (rows, columns, 3) in [0, 1]."""
    tone, across, tint = _View(canvas, rng).look(canvas)
    fibre = Noise(rng, 70, octaves=3, fade=0.8).over(canvas)
    blot = Noise(rng, 5, octaves=3).over(canvas)
    press = Noise(rng, 24, octaves=2).over(canvas)
    paper = palette("f4e8cf")[0]
    color = blend(paper, tint, 0.66 + 0.16 * blot) * (1 + 0.03 * fibre)[..., None]
    plates = ((0.0, 0.0076, 1.0), (0.85, 0.0088, 0.6), (-0.7, 0.0096, 0.4), (1.57, 0.0082, 0.22))
    shake = 0.0022 * press
    lines = np.zeros(canvas.shape, np.float32)
    for turn, spacing, start in plates:
        place = (math.cos(turn) * across - math.sin(turn) * canvas.x + shake) / spacing
        away = np.abs(place % 1 - 0.5) * 2
        width = 0.95 * (start - tone) + 0.09 * press
        line = smooth(-0.07, 0.07, width - away) * smooth(start, start - 0.06, tone)
        np.maximum(lines, line, out=lines)
    return blend(color, ramp(palette("141a3a 2a1a30"), 0.5 + 0.5 * blot), 0.95 * lines)


class _View:
    """Peaks behind a lake: how light each place is, how lines run over it, and its wash.

    All three are planes of the canvas: tone from 0 dark to 1 light, a coordinate across the lines
    in units, and a place in the colours.
    """

    SKY, ROCK, LAKE = range(3)
    WASH = Paintbox(
        "fbe7a0 f7c56a f09a5f d9786a a87a90 6f86a8",
        "f0f0f2 a8b0c8 9a90b0 c88a6a c4a458 6f9a68 3f7a78",
        "f7cf8a 9fc0b8 5f9aa8 3f7090",
    )

    def __init__(self, canvas: Canvas, rng: np.random.Generator) -> None:
        self.wide, self.high = canvas.extent
        self.sun = (self.wide * rng.uniform(0.25, 0.75), 0.22 * self.high)
        self.ridges = [Noise(rng, 2.2 + layer, octaves=5, fade=0.52) for layer in range(4)]
        self.cliff = Noise(rng, 10, octaves=4, fade=0.55)
        self.air = Noise(rng, 2.2, octaves=3).over(canvas)

    def look(self, canvas: Canvas) -> tuple[Array, Array, Array]:
        """Tone, place across the lines, and colour, from the sky down to the lake."""
        planes = self._sky(canvas)
        for layer in range(4):
            planes = self._range(canvas, layer, planes)
        tone, across, shade = self._lake(canvas, planes)
        return tone, across, self.WASH.color(shade)

    def _sky(self, canvas: Canvas) -> list[Array]:
        r = np.hypot(canvas.x - self.sun[0], canvas.y - self.sun[1]) / self.high**0.5
        cloud = smooth(0.15, 0.75, self.air)
        rim = smooth(0.5, 0.0, np.abs(self.air - 0.2))
        tone = 0.72 - 0.36 * smooth(0.1, 0.6, r) + 0.2 * cloud - 0.17 * rim + 0.1 * np.sin(r * 70)
        tone = np.where(r < 0.075, 1.0, tone)
        return [tone, r + 0.03 * self.air, self.WASH.shade(self.SKY, 1.3 * r - 0.25 * cloud)]

    def _range(self, canvas: Canvas, layer: int, under: list[Array]) -> list[Array]:
        """One range of mountains; ridged noise gives its rocks, and light falls from the left."""
        x = canvas.x[0]
        crest = 1 - np.abs(self.ridges[layer](x, np.full_like(x, 0.3)))
        top = self.high * (0.47 + 0.1 * layer) - 0.16 * self.high**0.5 * crest
        fall = canvas.y - top[None]
        along = canvas.x * (0.6 + 0.12 * layer) + 0.24 * fall
        rocks = 1 - np.abs(self.cliff(along, 0.18 * layer + 0.36 * fall))
        light = canvas.slope(rocks, reach=0.005, angle=0.1)
        snow = smooth(0.075, 0.03, fall + 0.05 * (rocks - 0.5)) * (layer < 2)
        tone = 0.52 - 0.05 * layer + 1.5 * light + 0.5 * (fall - 0.06).clip(-1, 0.3) + 0.35 * snow
        place = (0.25 + 0.2 * layer + 0.8 * light + 0.5 * fall) * (1 - 0.9 * snow)
        shape = [tone, canvas.y + 0.045 * rocks, self.WASH.shade(self.ROCK, place)]
        return over(under, shape, fall > 0)

    def _lake(self, canvas: Canvas, under: list[Array]) -> list[Array]:
        deep = (canvas.y - 0.8 * self.high) / (0.2 * self.high) + 0.06 * self.air
        wave = np.sin(34 * np.sqrt(deep.clip(0) + 0.02) + 7 * self.air)
        side = np.abs(canvas.x - self.sun[0]) / (0.05 + 0.12 * deep.clip(0))
        glint = smooth(1.3, 0.5, side + 0.3 * wave)
        tone = 0.42 + 0.24 * wave - 0.12 * deep + 0.5 * glint
        shade = self.WASH.shade(self.LAKE, 0.35 + 0.5 * deep - 0.4 * glint + 0.1 * wave)
        return over(under, [tone, canvas.y + 0.004 * wave, shade], deep > 0)

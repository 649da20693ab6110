"""Strokes of thick paint: bent, streaked by bristles, with ridges that catch the light."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from impasto.painted.canvas import Array, Canvas, smooth
from impasto.painted.palette import blend

OUTLINE = 7
"""Points along one long edge of a stroke."""
TEXTURE = 512
"""Side of the bristles' texture."""
CHUNK = 16384
"""Pixels that are painted at a time; few enough to stay in the processor's cache."""


@dataclass(frozen=True)
class Strokes:
    """Many strokes, painted in the order of the arrays; lengths and widths in units.

    Attributes:
        x: (N,) centres.
        y: (N,) the same downwards.
        angle: (N,) directions in radians.
        length: (N,) from end to end.
        width: (N,) across.
        bend: (N,) how far the ends lie beside the centre's tangent, over the length.
        color: (N, 3) in [0, 1].
        streak: (N, 3) the second, unmixed colour on the brush.
    """

    x: Array
    y: Array
    angle: Array
    length: Array
    width: Array
    bend: Array
    color: Array
    streak: Array

    def __getitem__(self, chosen: Array) -> "Strokes":
        """Only the chosen strokes: a mask, or numbers in the order of painting."""
        return Strokes(**{name: values[chosen] for name, values in vars(self).items()})

    def outlines(self, blunt: float) -> Array:
        """Polygons around the strokes, (N, corners, 2): two bent edges between two ends.

        An end is round where `blunt` is 0, and as wide as the stroke where it is 1.
        """
        along = np.sin(np.linspace(-np.pi / 2, np.pi / 2, OUTLINE))
        narrow = blunt + (1 - blunt) * np.sqrt(1 - along**2)
        u = np.concatenate([along, along[::-1]])[None] * self.length[:, None] / 2
        v = np.concatenate([narrow, -narrow[::-1]])[None] * self.width[:, None] / 2
        v = v + self.bend[:, None] * self.length[:, None] * 4 * (u / self.length[:, None]) ** 2
        cos, sin = np.cos(self.angle)[:, None], np.sin(self.angle)[:, None]
        x = self.x[:, None] + u * cos - v * sin
        y = self.y[:, None] + u * sin + v * cos
        return np.stack([x, y], axis=-1)


def scatter(rng: np.random.Generator, spacing: float) -> tuple[Array, Array]:
    """Points x and y, about `spacing` apart, all over the unit square and a little beyond.

    They come in random order, and are the same for every canvas.
    """
    count = round(1.1 / spacing)
    grid = np.stack(np.meshgrid(np.arange(count), np.arange(count)), axis=-1).reshape(-1, 2)
    points = (grid + rng.uniform(0, 1, grid.shape)) * spacing - 0.05
    rng.shuffle(points)
    return points[:, 0], points[:, 1]


@lru_cache(maxsize=1)
def _bristles() -> Array:
    """Streaks (TEXTURE, TEXTURE) in [0, 1], long in the second direction, seamless."""
    rng = np.random.default_rng(7)
    waves = np.fft.rfft2(rng.normal(size=(TEXTURE, TEXTURE)))
    across = np.fft.fftfreq(TEXTURE)[:, None]
    along = np.fft.rfftfreq(TEXTURE)[None, :]
    keep = np.exp(-((across / 0.09) ** 2) - (along / 0.004) ** 2)
    fine = np.exp(-((across / 0.16) ** 2) - (along / 0.02) ** 2) * 0.22
    streaks = np.fft.irfft2(waves * (keep + fine))
    return smooth(-1.9, 1.9, streaks / streaks.std()).astype(np.float32)


def _table(strokes: Strokes) -> Array:
    """What a pixel has to know of its stroke, (N, 14) float32: two colours and its geometry."""
    # Every stroke takes its bristles from another place of the texture.
    shift = np.arange(len(strokes.x)) * 97 % 509
    cos, sin = np.cos(strokes.angle), np.sin(strokes.angle)
    sag = strokes.bend * strokes.length
    long, wide = 2 / strokes.length, 2 / strokes.width
    geometry = (strokes.x, strokes.y, cos, sin, long, wide, sag, shift)
    return np.column_stack((strokes.color, strokes.streak, *geometry)).astype(np.float32)


class Painting:
    """Paint on a canvas: its colour, and its height, which is what light falls on.

    Args:
        canvas: what to paint on.
        ground: colour of the primed canvas, (3,) or (rows, columns, 3).
    """

    def __init__(self, canvas: Canvas, ground: Array) -> None:
        self.canvas = canvas
        self.color = np.empty((*canvas.shape, 3), np.float32)
        self.color[:] = ground
        self.height = np.zeros(canvas.shape, np.float32)

    def lay(
        self,
        strokes: Strokes,
        *,
        body: float = 1.0,
        dry: float = 0.35,
        streaks: float = 0.8,
        bristles: float = 1.0,
        blunt: float = 0.45,
    ) -> None:
        """Paint strokes over what is there.

        Args:
            strokes: what to paint.
            body: how thick the paint is.
            dry: how much of the ground shows between the bristles at a stroke's end, 0 to 1.
            streaks: how much of the second colour is seen, 0 to 1.
            bristles: how deep the bristles plough, near 0 for a knife.
            blunt: shape of the ends, round at 0 and square at 1.
        """
        number = self.canvas.stencil(strokes.outlines(blunt)).ravel()
        painted = np.flatnonzero(number)
        table = _table(strokes)
        color, height = self.color.reshape(-1, 3), self.height.reshape(-1)
        for start in range(0, len(painted), CHUNK):
            at = painted[start : start + CHUNK]
            index = number[at].astype(np.intp) - 1
            numbers = table.take(index, axis=0)
            u, v, bristle = self._local(numbers[:, 6:], at)
            bristle = 0.5 + bristles * (bristle - 0.5)
            end, edge = u * u * np.abs(u), np.minimum(v * v, 1) ** 2
            cover = smooth(0.0, 0.3, bristle + 1.25 - dry * (2.3 * end + 1.3 * edge))
            unmixed = streaks * smooth(0.5, 0.95, bristle)
            paint = blend(numbers[:, :3], numbers[:, 3:6], unmixed)
            paint *= (0.84 + 0.3 * bristle)[:, None]
            # A brush pushes paint to its sides and leaves it where it is lifted.
            thick = 0.45 + 0.55 * edge + 0.35 * smooth(0.5, 1.0, u) + 0.75 * bristle
            thick *= body * (1 - 0.75 * edge * edge)
            color[at] = blend(color.take(at, axis=0), paint, cover)
            height[at] = height[at] * (1 - 0.7 * cover) + thick * cover

    def _local(self, numbers: Array, at: Array) -> tuple[Array, Array, Array]:
        """Place along (-1 to 1) and across (-1 to 1) the stroke, and its bristles there.

        Args:
            numbers: (N, 8) the geometry in the strokes' table.
            at: (N,) the pixels, counted row by row.
        """
        rows, columns = np.divmod(at.astype(np.int32), np.int32(self.canvas.shape[1]))
        x, y, cos, sin, long, wide, sag, shift = numbers.T
        x, y = self.canvas.x[0][columns] - x, self.canvas.y[:, 0][rows] - y
        u = (x * cos + y * sin) * long
        v = (y * cos - x * sin - sag * u * u) * wide
        i = (v * 38 + shift).astype(np.int32) % TEXTURE
        j = (u * 60 + shift * 3).astype(np.int32) % TEXTURE
        return u, v, _bristles()[i, j]

    def lit(self, *, relief: float = 0.5, gloss: float = 0.25) -> Array:
        """The finished picture under light from the left, (rows, columns, 3).

        Args:
            relief: how strongly the height of the paint is seen.
            gloss: how bright the ridges shine.
        """
        rise = self.canvas.slope(self.height)
        shade = np.clip(1 + relief * rise, 0.35, 1.6)[..., None]
        shine = gloss * smooth(0.35, 1.3, rise)[..., None]
        return self.color * shade + (1 - self.color) * shine

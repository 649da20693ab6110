"""The ground that all pictures are painted on: unit coordinates, noise and light.

Painters never see pixels. The long side of a picture has length 1, a stroke's width is a fraction
of it, and randomness never depends on the size; so a picture looks the same at any size. It is
painted two or more times finer than asked, in bands that keep memory small, and then averaged.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

FINE = 1024
"""Pixels along the long side below which nothing is painted; smaller pictures are averages."""
BAND = 1_500_000
"""Pixels of a band, at most; a painter holds about twenty such planes at a time."""
MARGIN = 0.012
"""What a band sees beyond its border, for blur and relief."""

Array = np.ndarray
Number = float | int
Painter = Callable[["Canvas", np.random.Generator], Array]


class Canvas:
    """A part of a picture in unit coordinates, with a margin around it.

    Args:
        width: of the whole picture, in fine pixels.
        height: of the whole picture, in fine pixels.
        rows: first and last fine row of the part, without the margin.

    Attributes:
        scale: fine pixels per unit.
        extent: width and height of the whole picture in units; the longer one is 1.
        x: (1, columns) coordinates of the pixels' centres.
        y: (rows, 1) the same downwards.
    """

    def __init__(self, *, width: int, height: int, rows: tuple[int, int]) -> None:
        self.scale = max(width, height)
        self.extent = (width / self.scale, height / self.scale)
        self.margin = math.ceil(MARGIN * self.scale)
        self.top = rows[0] - self.margin
        self.shape = (rows[1] - rows[0] + 2 * self.margin, width + 2 * self.margin)
        columns = np.arange(self.shape[1], dtype=np.float32) - self.margin + 0.5
        lines = np.arange(self.shape[0], dtype=np.float32) + self.top + 0.5
        self.x = (columns / self.scale)[None, :]
        self.y = (lines / self.scale)[:, None]

    def pixels(self, points: Array) -> Array:
        """Unit coordinates (..., 2) as pixels of this part."""
        return points * self.scale - np.array([-self.margin, self.top])

    def sheet(self, mode: str = "L", fill: int | tuple[int, ...] = 0) -> Image.Image:
        """An empty Pillow picture as large as this part."""
        return Image.new(mode, (self.shape[1], self.shape[0]), fill)

    def stencil(self, shapes: Array, values: Array | None = None) -> Array:
        """Which polygon covers a pixel: 0 for none, else its number, from 1; the last one wins.

        Args:
            shapes: (N, corners, 2) polygons in units.
            values: (N,) numbers to write instead, as int32.
        """
        sheet = self.sheet("I")
        draw = ImageDraw.Draw(sheet)
        corners = self.pixels(shapes)
        low, high = corners.min(axis=1), corners.max(axis=1)
        seen = np.all((high >= 0) & (low <= self.shape[::-1]), axis=1).nonzero()[0]
        numbers = seen + 1 if values is None else values[seen]
        flat = corners[seen].reshape(len(seen), shapes.shape[1] * 2)
        for polygon, number in zip(flat.tolist(), numbers.tolist(), strict=True):
            draw.polygon(polygon, fill=number)
        return np.array(sheet)

    def blur(self, plane: Array, radius: float) -> Array:
        """A plane (rows, columns) in [0, 1] blurred; the radius is in units."""
        sheet = Image.fromarray(np.uint8(np.clip(plane, 0, 1) * 255 + 0.5))
        blurred = sheet.filter(ImageFilter.GaussianBlur(radius * self.scale))
        return np.asarray(blurred, dtype=np.float32) / 255

    def slope(self, height: Array, *, reach: float = 0.0016, angle: float = 0.25) -> Array:
        """How much a height map rises towards the light, the slope over a `reach` in units.

        The light comes from the left and above; `angle` is its share from above, 0 to 1.
        """
        step = max(1, round(reach * self.scale))
        padded = np.pad(height, step, mode="edge")
        inner = slice(step, -step)
        across = padded[inner, 2 * step :] - padded[inner, : -2 * step]
        down = padded[2 * step :, inner] - padded[: -2 * step, inner]
        return (1 - angle) * across + angle * down


class Noise:
    """Smooth random relief over the plane, with values of about -1 to 1.

    Args:
        rng: source of randomness; what is drawn does not depend on any size.
        cells: hills per unit in the coarsest octave.
        octaves: number of octaves, each twice as fine and `fade` times as strong.
        fade: strength of an octave over the one before.
    """

    START, SPAN = -0.25, 1.5

    def __init__(
        self, rng: np.random.Generator, cells: Number, *, octaves: int = 1, fade: float = 0.5
    ) -> None:
        side = min(1024, max(64, int(cells * 2 ** (octaves - 1) * self.SPAN * 4)))
        total = np.zeros((side, side), np.float32)
        strengths = fade ** np.arange(octaves)
        for octave, strength in enumerate(strengths):
            count = max(4, round(cells * 2**octave * self.SPAN) + 1)
            hills = Image.fromarray(rng.uniform(-1, 1, (count, count)).astype(np.float32))
            smooth = hills.resize((side, side), Image.Resampling.BICUBIC)
            total += float(strength) * np.asarray(smooth)
        # 1.7 brings the spread of interpolated uniform numbers near to one.
        self.relief = total * 1.7 / float(np.sqrt((strengths**2).sum()))

    def __call__(self, x: Array, y: Array | Number) -> Array:
        """The relief at any points; x and y broadcast. Beyond -0.25 and 1.25 it is mirrored."""
        u, v = self._texels(x), self._texels(y)
        i, j = v.astype(np.intp), u.astype(np.intp)
        fu, fv = (u - j).astype(np.float32), (v - i).astype(np.float32)
        side = self.relief.shape[0]
        flat, at = self.relief.ravel(), i * side + j
        upper = flat.take(at) * (1 - fu) + flat.take(at + 1) * fu
        lower = flat.take(at + side) * (1 - fu) + flat.take(at + side + 1) * fu
        return upper * (1 - fv) + lower * fv

    def _texels(self, place: Array | Number) -> Array:
        """Coordinates as places between the relief's samples, which lie in its cells' middles."""
        side, span = self.relief.shape[0], np.float32(self.SPAN)
        mirrored = span - np.abs(np.abs(np.asarray(place) - self.START) - span)
        texels = mirrored * np.float32(side / self.SPAN) - 0.5
        return np.asarray(np.clip(texels, 0, side - 1.001))

    def over(self, canvas: Canvas) -> Array:
        """The relief at every pixel of a canvas, (rows, columns) float32."""
        side = self.relief.shape[0] / self.SPAN
        half = 0.5 / canvas.scale
        left, right = canvas.x[0, 0] - half, canvas.x[0, -1] + half
        upper, lower = canvas.y[0, 0] - half, canvas.y[-1, 0] + half
        box = tuple(float(edge - self.START) * side for edge in (left, upper, right, lower))
        sheet = Image.fromarray(self.relief)
        size = (canvas.shape[1], canvas.shape[0])
        return np.asarray(sheet.resize(size, Image.Resampling.BICUBIC, box=box))


def bands(width: int, height: int, zoom: int) -> Iterator[tuple[int, int]]:
    """Rows of the picture, first and last, that are painted at a time."""
    rows = max(16, BAND // (width * zoom * zoom))
    for top in range(0, height, rows):
        yield top, min(top + rows, height)


def picture(painter: Painter, *, width: int, height: int, seed: int) -> Array:
    """Have a painter fill a whole picture, uint8 (height, width, 3).

    The painter gets a canvas and a generator and returns (rows, columns, 3) in [0, 1]; for every
    band it starts again with the same randomness.
    """
    zoom = max(2, math.ceil(FINE / max(width, height)))
    result = np.empty((height, width, 3), np.uint8)
    for top, bottom in bands(width, height, zoom):
        canvas = Canvas(width=width * zoom, height=height * zoom, rows=(top * zoom, bottom * zoom))
        fine = painter(canvas, np.random.default_rng(seed))
        m = canvas.margin
        inner = np.uint8(np.clip(fine[m:-m, m:-m], 0, 1) * 255 + 0.5)
        result[top:bottom] = np.asarray(Image.fromarray(inner).reduce(zoom))
    return result


def smooth(low: Number, high: Number, value: Array) -> Array:
    """0 below `low`, 1 above `high`, and a smooth step between; `low` may be the larger one."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)

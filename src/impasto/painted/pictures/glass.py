"""Sunrise over hills and a river in leaded glass."""

import numpy as np

from impasto.painted.canvas import Array, Canvas, Noise, smooth
from impasto.painted.palette import Paintbox, blend, palette
from impasto.painted.pieces import CHANCES, over, piece


def paint(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Paint it on a canvas, (rows, columns, 3) in [0, 1]."""
    window = _Window(canvas, rng)
    pane, shape, color = window.panes(canvas)
    seam = np.clip(0.8 * window.seams(canvas, pane) + window.seams(canvas, shape), 0, 1)
    line = canvas.blur(seam, 0.0028)
    ripple = Noise(rng, 30, octaves=2).over(canvas)
    chance = rng.normal(0, 1, (CHANCES, 4)).clip(-1.3, 1.3).astype(np.float32).take(pane, axis=0)
    # Each pane is cut from its own place of the sheet, so the streaks break at the lead.
    cut = 0.1 * chance[..., 3]
    flow = Noise(rng, 9, octaves=5, fade=0.65)(canvas.x + cut, canvas.y * 0.4 + 2 * cut).clip(-1.2)
    color = color * (1 + 0.1 * chance[..., :1] + 0.2 * flow[..., None]) + 0.05 * chance[..., :3]
    shine = 1.08 - 0.9 * canvas.blur(seam, 0.009) + 0.1 * flow
    shine += 0.28 * smooth(0.8, 1.9, flow + 0.4 * ripple)
    shine += 0.16 * canvas.slope(ripple + flow, reach=0.003)
    bright = 0.55 * np.maximum(canvas.slope(smooth(0.1, 0.4, line)), 0)
    metal = palette("15151a")[0] * (1 + 0.5 * ripple[..., None]) + bright[..., None]
    return blend(np.clip(color, 0.02, 1) * shine[..., None], metal, smooth(0.13, 0.24, line))


class _Window:
    """The cartoon of the window: which pane and which larger shape covers each place."""

    SKY, HILLS, RIVER = range(3)
    GLASS = Paintbox(
        "fff2b0 ffd24a f79a2f e8543f c73a6a 7a3a9a 3a3fae 1f6fc0 2a9fd0",
        "9ac83f 3fa54a 1f8a5a 14707f 1f4f8a 45307a",
        "e0f6f0 8fdce0 3fb0cf 2a7fc0",
    )

    def __init__(self, canvas: Canvas, rng: np.random.Generator) -> None:
        self.wide, self.high = canvas.extent
        self.sun = (self.wide * rng.uniform(0.36, 0.64), self.high * 0.33)
        self.warp = Noise(rng, 3, octaves=2)
        self.other = Noise(rng, 3, octaves=2)
        self.shift = rng.uniform(0, 1, 64).astype(np.float32)
        self.beams = 2 * int(rng.integers(9, 12))

    def panes(self, canvas: Canvas) -> tuple[Array, Array, Array]:
        """Number of the pane (in [0, CHANCES)), number of the shape, and colour (…, 3)."""
        x = canvas.x + 0.014 * self.warp.over(canvas)
        y = canvas.y + 0.014 * self.other.over(canvas)
        planes = self._sky(x, y)
        for layer in range(5):
            planes = self._hill(x, y, layer, planes)
        shape, a, b, shade = self._river(x, y, planes)
        return piece(shape, a, b), shape, self.GLASS.color(shade)

    def _sky(self, x: Array, y: Array) -> list[Array]:
        """Beams in rings around a sun with petals."""
        dx, dy = x - np.float32(self.sun[0]), y - np.float32(self.sun[1])
        r = np.hypot(dx, dy) / self.high**0.5
        turn = (np.arctan2(dy, dx) / (2 * np.pi) + 0.5) * self.beams
        beam = turn.astype(np.int32) % self.beams
        own = self.shift[beam]
        ring = (r / 0.1 + 0.9 * own).astype(np.int32)
        tip = 0.29 - 0.28 * np.abs(turn / 2 % 1 - 0.5)
        zone = np.select([r < 0.065, r < 0.105, r < tip], [0, 1, 2], 3)
        shape = np.where(zone == 3, 10 + beam % 2, zone)
        a = np.where(zone == 0, 0, np.where(zone == 1, beam // 2, beam))
        far = 0.16 + 0.17 * ring + 0.1 * (beam % 2) - 0.06 * own
        place = np.where(zone == 3, far, np.array([0, 0.12, 0.22, 0], np.float32)[zone])
        return [shape, a, np.where(zone == 3, ring, 0), self.GLASS.shade(self.SKY, place)]

    def _hill(self, x: Array, y: Array, layer: int, under: list[Array]) -> list[Array]:
        """One hill with slanting fields."""
        roll = np.sin((5 + layer) * x / self.wide + 6.3 * self.shift[layer])
        deep = y - self.high * (0.5 + 0.1 * layer) - 0.045 * roll
        field = np.floor(x * (7 + layer) + (10 - 4 * layer) * deep + self.shift[layer])
        band = np.floor(deep * 15 + 0.5 * self.shift[(field.astype(np.int32) + 9 * layer) % 64])
        place = 0.2 * layer + 0.12 * (field % 3) - 0.1 * (band % 2)
        return over(under, [50 + layer, field, band, self.GLASS.shade(self.HILLS, place)], deep > 0)

    def _river(self, x: Array, y: Array, under: list[Array]) -> list[Array]:
        """A river that winds down from the sun."""
        deep = (y - 0.52 * self.high) / (0.48 * self.high)
        middle = self.sun[0] + 0.16 * np.sin(7 * deep + 6.3 * self.shift[20]) * deep
        across = (x - middle) / (0.012 + 0.12 * deep.clip(0))
        bank = np.floor(across * 1.5 + 0.5)
        step = np.floor(6 * np.sqrt(deep.clip(0)) + 0.5 * bank)
        shade = self.GLASS.shade(self.RIVER, 0.15 + 0.3 * (step % 3) + 0.12 * np.abs(bank))
        return over(under, [70, bank, step, shade], (deep > 0) & (np.abs(across) < 1))

    def seams(self, canvas: Canvas, number: Array) -> Array:
        """1 along the borders between places of different numbers, as wide as fine lead."""
        step = max(1, round(0.002 * canvas.scale))
        seam = np.zeros(canvas.shape, np.float32)
        seam[step:] = number[step:] != number[:-step]
        seam[:, step:] = np.maximum(seam[:, step:], number[:, step:] != number[:, :-step])
        corner = number[step:, step:] != number[:-step, :-step]
        seam[step:, step:] = np.maximum(seam[step:, step:], corner)
        return seam

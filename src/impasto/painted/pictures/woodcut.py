"""Breaking waves under a red sun, printed from wooden blocks."""

import numpy as np
from PIL import Image, ImageDraw

from impasto.painted.canvas import Array, Canvas, Noise, smooth
from impasto.painted.palette import blend, palette, ramp

Ink = tuple[int, ...]

SKY = palette("2f5a86 8fb0b8 ecdcb4 f2cf9a eda878 d97a5f")
CLOUD = palette("f3e6c8 e9b98a c7d0c4 e3907a 7fa3b5")
SUN = palette("cf3a2c")[0]
LINE = (18, 30, 62, 255)


def paint(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Paint it on a canvas, (rows, columns, 3) in [0, 1]."""
    wide, high = canvas.extent
    grain = _grain(canvas, rng)
    mist = Noise(rng, 3, octaves=3).over(canvas)
    color = ramp(SKY, canvas.y / (0.62 * high) + 0.05 * mist)
    away = np.hypot(canvas.x - wide * rng.uniform(0.3, 0.7), canvas.y - 0.3 * high)
    color = blend(color, SUN, smooth(0.001, -0.001, away - 0.13 * high**0.5))
    cuts = np.abs((canvas.y + 0.006 * mist) / 0.0125 % 1 - 0.5) * 2
    depth = 0.24 + 0.3 * smooth(-0.2, 1.1, mist) + 0.12 * grain
    color = blend(color, color * palette("a8b0c0")[0], 0.75 * smooth(0.07, -0.07, cuts - depth))
    for sheet in (_clouds(canvas, rng), _Waves(canvas, rng).sheet):
        ink = np.asarray(sheet, np.float32) / 255
        color = blend(color, ink[..., :3], ink[..., 3])
    color = color * (1 + 0.08 * grain[..., None])
    return blend(color, palette("efe2c4")[0], 0.35 * smooth(0.9, 2.0, grain))


def _grain(canvas: Canvas, rng: np.random.Generator) -> Array:
    """Wood grain, about -1 to 1: long level fibres and rings that bend."""
    board, fibre = Noise(rng, 2, octaves=2), Noise(rng, 40, octaves=3, fade=0.8)
    rings = np.sin(140 * (canvas.y + 0.09 * board(canvas.x * 0.5, canvas.y * 1.2)))
    return 0.6 * rings + 0.8 * fibre(canvas.x * 0.05, canvas.y)


def _ink(color: Array) -> Ink:
    return (*(int(part * 255) for part in color), 255)


def _clouds(canvas: Canvas, rng: np.random.Generator) -> Image.Image:
    """Banks of cloud in level bands with round ends, each with its dark line."""
    wide, high = canvas.extent
    sheet = canvas.sheet("RGBA", (0, 0, 0, 0))
    draw = ImageDraw.Draw(sheet)
    half, banks = 0.0125, 14
    for bank in range(banks):
        left = rng.uniform(-0.15, 0.95) * wide
        top = (0.02 + 0.5 * (bank + rng.uniform()) / banks) * high
        tone = _ink(CLOUD[rng.integers(len(CLOUD))])
        for step in range(int(rng.integers(2, 5))):
            shift, long = rng.uniform(-0.08, 0.08), rng.uniform(0.12, 0.34)
            start = np.array([left + shift, top + 2 * step * half])
            for grow, fill in ((0.0026, LINE), (0.0, tone)):
                end = start + np.array([long, half])
                box = np.stack([start - half - grow, end + grow])
                corners = canvas.pixels(box).ravel().tolist()
                draw.rounded_rectangle(corners, radius=(half + grow) * canvas.scale, fill=fill)
    return sheet


def _curve(points: Array) -> Array:
    """A smooth line of 40 points through points (N, 2): Catmull and Rom's spline."""
    first, last = 2 * points[:1] - points[1:2], 2 * points[-1:] - points[-2:-1]
    ends = np.concatenate([first, points, last])
    place = np.linspace(0, len(points) - 1 - 1e-6, 40)
    k = place.astype(int)
    t = (place - k)[:, None]
    a, b, c, d = (ends[k + step] for step in range(4))
    bent = (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * (b - c) + d - a) * t**3
    return 0.5 * (2 * b + (c - a) * t + bent)


class _Waves:
    """Rows of breakers, the farthest first, printed on an RGBA `sheet`."""

    BODY = palette("86acb8 5f93b0 3f79a2 2a6092 1d4c80 153c6e 102f5e")
    SHEEN = palette("c8dcd8")[0]
    FOAM = (244, 238, 220, 255)
    PALE = (188, 212, 214, 255)

    # A crest of height 1 that breaks to the left: x and height along its back up to the lip, then
    # down its hollow face.
    BACK = (2.1, 0, 1.35, 0.3, 0.8, 0.72, 0.25, 1, -0.25, 0.98, -0.58, 0.74, -0.66, 0.5)
    FACE = (-0.66, 0.5, -0.42, 0.64, -0.12, 0.62, 0.02, 0.4, -0.12, 0.16, -0.5, 0.02, -1.1, -0.06)

    def __init__(self, canvas: Canvas, rng: np.random.Generator) -> None:
        self.canvas, self.rng = canvas, rng
        self.sheet = canvas.sheet("RGBA", (0, 0, 0, 0))
        self.draw = ImageDraw.Draw(self.sheet)
        self.back = _curve(np.reshape(self.BACK, (-1, 2)))
        self.face = _curve(np.reshape(self.FACE, (-1, 2)))
        for row in range(len(self.BODY)):
            self._row(row, near=row / (len(self.BODY) - 1))

    def _row(self, row: int, *, near: float) -> None:
        """Breakers side by side; the rows break to the left and to the right by turns."""
        wide, high = self.canvas.extent
        tall = (0.075 + 0.13 * near) * high**0.5
        foot = high * (0.58 + 0.46 * near)
        hand = -1 if row % 2 else 1
        start = self.rng.uniform(-1, 0)
        for step in range(int(0.7 / tall) + 3):
            size = tall * self.rng.uniform(0.75, 1.2)
            x = (start + step) * 2.1 * tall
            place = (x if hand > 0 else wide - x, foot + self.rng.uniform(-0.02, 0.02))
            self._breaker(np.array(place), size=size, hand=hand, body=self.BODY[row])

    def _breaker(self, place: Array, *, size: float, hand: int, body: Array) -> None:
        turn = np.array([hand * size, -size])
        back, face = self.back * turn + place, self.face * turn + place
        deep = np.array([[-1.1 * hand * size, 0.9], [2.1 * hand * size, 0.9]]) + place
        self._fill(np.concatenate([back, face, deep]), _ink(body))
        self._stripes(back, face[::-1], size=size, pale=_ink(0.45 * body + 0.52 * self.SHEEN))
        line = self.canvas.pixels(np.concatenate([back, face])).ravel().tolist()
        self.draw.line(line, fill=LINE, width=round(0.0042 * self.canvas.scale), joint="curve")
        self._foam(back, face, size=size, hand=hand)
        self._spray(np.concatenate([back[22:], face[:14]]), size=size, hand=hand)

    def _stripes(self, back: Array, face: Array, *, size: float, pale: Ink) -> None:
        """Lines that sweep from the foot up into the lip, between back and face."""
        count = 7
        sink = np.linspace(1, 0, len(back))[:, None] ** 2 * np.array([[0, 0.25 * size]])
        for step in range(1, count):
            share = step / count
            path = face * (1 - share) + back * share + sink * (1 - share)
            self._taper(path[2:-3], 0.05 * size, pale if step % 2 else LINE)

    def _foam(self, back: Array, face: Array, *, size: float, hand: int) -> None:
        """Foam along the lip, and the white claws that reach out of it."""
        draw = self.rng.uniform
        lip = np.concatenate([back[22:], face[:14]])
        blobs = [(point, 0.05 * size * draw(0.7, 1.3)) for point in lip]
        for root in np.concatenate([back[25:], face[:11]]):
            lean = np.array([-0.5 * hand * draw(0.3, 1.2), draw(0.2, 1.0)])
            curl = np.array([0.35 * hand * draw(-1, 1), 0.3])
            reach = draw(0.08, 0.24) * size
            for t in np.linspace(0.15, 1, 7):
                point = root + reach * t * (lean + curl * t)
                blobs.append((point, 0.036 * size * (1.05 - 0.75 * t)))
        self._dots(blobs, line=0.0034)
        shade = np.array([[0.3 * hand, 0.45]]) * 0.05 * size
        self._discs(lip[::2] + shade, np.full((len(lip[::2]), 1), 0.02 * size), self.PALE)

    def _spray(self, lip: Array, *, size: float, hand: int) -> None:
        """Drops that fly before the lip."""
        count = 26
        flight = self.rng.normal(0.4, 0.5, (count, 2)) * [-0.35 * hand, -0.15]
        drops = lip[self.rng.integers(len(lip), size=count)] + flight * size
        radii = self.rng.uniform(0.006, 0.02, count) * size
        self._dots(list(zip(drops, radii, strict=True)), line=0.0016)

    def _fill(self, points: Array, fill: Ink) -> None:
        self.draw.polygon(self.canvas.pixels(points).ravel().tolist(), fill=fill)

    def _taper(self, path: Array, width: float, fill: Ink) -> None:
        """A line that swells in its middle, as a knife cuts it."""
        along = np.gradient(path, axis=0)
        side = np.stack([-along[:, 1], along[:, 0]], axis=1)
        side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
        swell = width / 2 * np.sin(np.linspace(0.05, np.pi - 0.05, len(path)))[:, None]
        self._fill(np.concatenate([path + side * swell, (path - side * swell)[::-1]]), fill)

    def _dots(self, dots: list[tuple[Array, float]], *, line: float) -> None:
        """Foam as one shape: first all dots with their line, then all of them in white."""
        centers = np.array([center for center, _ in dots])
        radii = np.array([radius for _, radius in dots])[:, None]
        for grow, fill in ((line, LINE), (0.0, self.FOAM)):
            self._discs(centers, radii + grow, fill)

    def _discs(self, centers: Array, radii: Array, fill: Ink) -> None:
        """Discs with centres (N, 2) and radii (N, 1)."""
        corners = self.canvas.pixels(np.stack([centers - radii, centers + radii], axis=1))
        for box in corners.reshape(-1, 4).tolist():
            self.draw.ellipse(box, fill=fill)

"""Colours: palettes as hexadecimal words, ramps through them, and their natural variation."""

import numpy as np

from impasto.painted.canvas import Array

SHADES = 1024
"""Steps of a ramp; finer than the eye, or a byte, can tell."""


def palette(words: str) -> Array:
    """Colours from words such as "0b1a3c f4d35e": float32 (N, 3) sRGB in [0, 1]."""
    rows = [list(bytes.fromhex(word)) for word in words.split()]
    return np.array(rows, np.float32) / 255


def ramp(colors: Array, place: Array) -> Array:
    """Colours between the stops of a palette; place 0 is the first one and 1 the last."""
    steps = np.linspace(0, 1, SHADES)
    stops = np.linspace(0, 1, len(colors))
    table = np.stack([np.interp(steps, stops, part) for part in colors.T], axis=1)
    index = (np.clip(place, 0, 1) * (SHADES - 1) + 0.5).astype(np.intp)
    return table.astype(np.float32).take(index, axis=0)


def pick(rng: np.random.Generator, colors: Array, count: int) -> Array:
    """So many colours of a palette by chance, (count, 3)."""
    return colors[rng.integers(len(colors), size=count)]


def vary(
    rng: np.random.Generator, colors: Array, *, light: float = 0.06, hue: float = 0.04
) -> Array:
    """Colours (N, 3) as a hand mixes them: each a little lighter or darker, warmer or cooler."""
    count = len(colors)
    shade = rng.normal(0, light, (count, 1))
    return np.clip(colors + shade + rng.normal(0, hue, (count, 3)), 0, 1).astype(np.float32)


def blend(under: Array, over: Array, share: Array) -> Array:
    """One picture or list of colours over another; share (…) is how much of it is seen."""
    part = share[..., None]
    return under + (over - under) * part


class Paintbox:
    """Several palettes end to end, so that one plane of numbers holds colours of all of them.

    Args:
        words: one palette each, in the words of `palette`.
    """

    def __init__(self, *words: str) -> None:
        parts = [palette(part) for part in words]
        self.colors = np.concatenate(parts)
        self.sizes = [len(part) for part in parts]

    def shade(self, part: int, place: Array) -> Array:
        """Number of a colour: the palette, and a place from 0 to 1 in it."""
        start, span = sum(self.sizes[:part]), self.sizes[part] - 1
        return (start + np.clip(place, 0, 1) * span) / (len(self.colors) - 1)

    def color(self, shade: Array) -> Array:
        """Colours (…, 3) from their numbers."""
        return ramp(self.colors, shade)

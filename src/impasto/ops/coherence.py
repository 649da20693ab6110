"""Copy pixel after pixel so that each continues what lies: the scan of image analogies.

Hertzmann, Jacobs, Oliver, Curless and Salesin, "Image Analogies", SIGGRAPH 2001, sections 3.1 and
3.2; its coherence search is that of Ashikhmin, "Synthesizing Natural Textures", I3D 2001. Rows of
numbers describe pixels here, and a picture's pixels are numbered row by row.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from impasto.ops.neighborhoods import CAUSAL, REACH, weights

Rows = Float[np.ndarray, "_ _"]
Pixels = Float[np.ndarray, "_ _ _"]


class Found(NamedTuple):
    """What a scan found.

    Attributes:
        source: (h, w), the number of the pixel that each pixel was copied from.
        picture: (C, h, w), what was copied.
    """

    source: Int[np.ndarray, "h w"]
    picture: Pixels


def scan(
    rows: Rows,
    known: Rows,
    pixels: Pixels,
    *,
    guess: Int[np.ndarray, "h w"],
    base: Pixels | None = None,
    penalty: float,
    exact: bool = False,
    seed: int,
    told: Callable[[Found, float], None] = lambda *_: None,
) -> Found:
    """Copy pixels of a source, from left to right and from top to bottom.

    The nearest pixel is looked for as PatchMatch does: among those of the neighbours, moved, and
    ever closer to the best by chance.

    Args:
        rows: of the source; they end with the causal window in what is like the target.
        known: rows of the target without that end.
        pixels: what is copied, (C, H, W).
        guess: pixels near the nearest, to copy from until something better is found.
        base: (C, h, w), what the copied is added to; None is nothing.
        penalty: a pixel that goes on from a neighbour's is preferred if its squared distance is at
            most so many times that of the nearest.
        exact: compare all pixels, slowly, for the very nearest.
        seed: of all chance.
        told: is handed what is found so far and the share that is done, row after row.
    """
    from impasto.ops.copying import copy_row

    (height, width), channels = guess.shape, len(pixels)
    below = np.zeros((channels, height, width), np.float32) if base is None else base
    copied, below = (np.ascontiguousarray(each.transpose(1, 2, 0)) for each in (pixels, below))
    copied = copied.reshape(-1, channels)
    rows, known = (np.ascontiguousarray(each) for each in (rows, known))
    near, source = guess.astype(np.int64), guess.astype(np.int64)
    margin = ((REACH, REACH), (REACH, REACH), (0, 0))
    picture = np.pad(copied[source] + below, margin, mode="edge")
    found = Found(source, picture[REACH:-REACH, REACH:-REACH].transpose(2, 0, 1))
    fixed = rows, known.reshape(height, width, -1), copied, below
    window = np.array(CAUSAL), weights(CAUSAL, channels)
    chance = -1 if exact else seed
    for y in range(height):
        copy_row(
            *(*fixed, *window, near, source, picture),
            *(y, pixels.shape[2], np.float32(penalty), chance),
        )
        told(found, (y + 1) / height)
    return found

"""Copy pixel after pixel so that each continues what lies: the scan of image analogies.

Hertzmann, Jacobs, Oliver, Curless and Salesin, "Image Analogies", SIGGRAPH 2001, sections 3.1 and
3.2; its coherence search is that of Ashikhmin, "Synthesizing Natural Textures", I3D 2001. Rows of
numbers describe pixels here, and a picture's pixels are numbered row by row.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from impasto.ops.neighborhoods import CAUSAL, REACH, weights

STEP = REACH + 1
"""Pixels (y, x) of equal x + 3 y lie outside of each other's causal windows."""

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


class Search:
    """Rows, and a k-d tree of their principal components.

    Args:
        rows: one a pixel.
        components: how many are kept at most; None is all, so that distances are exact.
    """

    def __init__(self, rows: Rows, *, components: int | None) -> None:
        from scipy.spatial import KDTree

        self.mean = rows.mean(0)
        rows = rows - self.mean
        _, vectors = np.linalg.eigh((rows.T @ rows).astype(np.float64))
        self.axes = vectors[:, ::-1][:, :components].astype(np.float32)
        self.rows = rows @ self.axes
        # Of equal pixels one is enough, and many in one leaf of the tree would make it slow.
        direction = np.random.default_rng(0).standard_normal(self.rows.shape[1], np.float32)
        self.distinct = np.unique(self.rows @ direction, return_index=True)[1]
        self.tree = KDTree(self.rows[self.distinct])

    def nearest(self, wanted: Rows, *, apart: float) -> Int[np.ndarray, " n"]:
        """For each row a pixel at most 1 + `apart` times as far as the nearest.

        Args:
            wanted: along the components, less the mean.
            apart: 0 is the very nearest.
        """
        found = self.tree.query(wanted, eps=apart, workers=torch.get_num_threads())[1]
        return self.distinct[found]


def scan(
    search: Search,
    known: Rows,
    pixels: Pixels,
    *,
    guess: Int[np.ndarray, "h w"],
    base: Pixels | None = None,
    penalty: float,
    apart: float,
    told: Callable[[Found, float], None] = lambda *_: None,
) -> Found:
    """Copy pixels of a source, from left to right and from top to bottom.

    Args:
        search: of rows that end with the causal window in what is like the target.
        known: rows of the target without that end.
        pixels: what is copied, (C, H, W).
        guess: pixels to copy from until something better is found.
        base: (C, h, w), what the copied is added to; None is nothing.
        penalty: a pixel that goes on from a neighbour's is preferred if its squared distance is at
            most so many times that of the nearest.
        apart: as in `Search.nearest`.
        told: is handed what is found so far and the share that is done, wave after wave.
    """
    channels, shape = len(pixels), (pixels.shape[1], pixels.shape[2])
    columns = _listed(pixels)
    below = np.zeros((guess.size, channels), np.float32) if base is None else _listed(base)
    fixed = known @ search.axes[: known.shape[1]] - search.mean @ search.axes
    axes = weights(CAUSAL, channels)[:, None] * search.axes[known.shape[1] :]
    source = guess.flatten()
    begun = (columns[source] + below).reshape(*guess.shape, channels)
    out = np.pad(begun, ((REACH, REACH), (REACH, REACH), (0, 0)), mode="edge")
    laid = np.full(out.shape[:2], -1)
    inner = out[REACH:-REACH, REACH:-REACH].transpose(2, 0, 1)
    found = Found(source.reshape(guess.shape), inner)
    out, laid, pitch = out.reshape(-1, channels), laid.ravel(), guess.shape[1] + 2 * REACH
    window = np.array([y * pitch + x for y, x in CAUSAL])
    for done, y, x in _waves(*guess.shape):
        here, place = y * guess.shape[1] + x, (y + REACH) * pitch + x + REACH
        near = place[:, None] + window
        wanted = fixed[here] + out[near].reshape(len(y), -1) @ axes
        nearest = search.nearest(wanted, apart=apart)
        least = np.square(search.rows[nearest] - wanted).sum(1)
        coherent, cost = _coherent(search, laid[near], wanted, shape)
        chosen = np.where(cost <= penalty * least, coherent, nearest)
        laid[place] = source[here] = chosen
        out[place] = columns[chosen] + below[here]
        told(found, done)
    return found


def _listed(pixels: Pixels) -> Rows:
    return pixels.reshape(len(pixels), -1).T


def _waves(
    height: int, width: int
) -> Iterator[tuple[float, Int[np.ndarray, " n"], Int[np.ndarray, " n"]]]:
    """The share that is done, and rows and columns of pixels that do not see each other.

    All that such a pixel sees lies in waves before, so the result is that of one pixel at a time.
    """
    count = width + STEP * (height - 1)
    for wave in range(count):
        y = np.arange(max(0, -(-(wave - width + 1) // STEP)), min(height, wave // STEP + 1))
        if len(y):
            yield (wave + 1) / count, y, wave - STEP * y


def _coherent(
    search: Search, laid: Int[np.ndarray, "n W"], wanted: Rows, shape: tuple[int, int]
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The best of the pixels that go on from those of the neighbours, and its squared distance.

    Args:
        search: knows the source.
        laid: where the neighbours were copied from; -1 is nowhere.
        wanted: as in `Search.nearest`.
        shape: height and width of the source.
    """
    rows, columns = shape
    y, x = np.array(CAUSAL).T
    v, u = laid // columns - y, laid % columns - x
    inside = (laid >= 0) & (v < rows) & (u >= 0) & (u < columns)
    candidates = np.where(inside, v * columns + u, 0)
    costs = np.square(search.rows[candidates] - wanted[:, None]).sum(2)
    costs[~inside] = np.inf
    best, each = costs.argmin(1), np.arange(len(costs))
    return candidates[each, best], costs[each, best]

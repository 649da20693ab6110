"""The inner loops of `patches.patchmatch`, compiled by numba; import this file late.

Pictures are (H, W · C) here. Compiling takes some seconds once; numba keeps the result on disk.
"""

from collections.abc import Callable
from typing import Any, no_type_check

import numpy as np
from numba import njit

# Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014: SplitMix64.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_27, _30, _31, _32 = (np.uint64(bits) for bits in (27, 30, 31, 32))
_LOW = np.uint64(0xFFFFFFFF)


def _compiled(function: Callable[..., Any]) -> Any:
    try:
        return njit(function, cache=True, nogil=True, fastmath=True)
    except RuntimeError:  # There is no folder in which it could be kept.
        return njit(function, nogil=True, fastmath=True)


@_compiled
@no_type_check
def _distance(target, source, y, x, v, u, side, patch, limit):
    """The squared distance of two patches, or something above the limit as soon as it is."""
    total = np.float32(0)
    for row in range(patch):
        for i in range(side):
            difference = target[y + row, x + i] - source[v + row, u + i]
            total += difference * difference
        if total >= limit:
            break
    return total


@_compiled
@no_type_check
def _within(bits, middle, radius, count):
    """A number from 0 to count - 1, no further than the radius from the middle, by 32 bits."""
    low = max(0, middle - radius)
    span = min(count - 1, middle + radius) - low + 1
    return low + np.int64((bits * np.uint64(span)) >> _32)


@_compiled
@no_type_check
def measure(target, source, found, distance, channels, patch, first, end):
    """Write the distances of the matches of a band."""
    columns = source.shape[1] // channels - patch + 1
    for y in range(first, end):
        for x in range(found.shape[1]):
            v, u = divmod(found[y, x], columns)
            distance[y, x] = _distance(
                target, source, y, x * channels, v, u * channels, patch * channels, patch, np.inf
            )


@_compiled
@no_type_check
def sweep(target, source, before, found, distance, channels, patch, step, seed, first, end):
    """Better the matches of a band in place, forwards (step 1) or backwards (-1).

    The row beyond the band is read as it was `before`, so that bands do not depend on each other.
    """
    rows = source.shape[0] - patch + 1
    columns = source.shape[1] // channels - patch + 1
    width, side = found.shape[1], patch * channels
    for i in range(first, end):
        y = i if step > 0 else first + end - 1 - i
        for j in range(width):
            x = j if step > 0 else width - 1 - j
            best, least = found[y, x], distance[y, x]
            state = np.uint64(seed) + _GAMMA * np.uint64(y * width + x)
            # Propagation: what the neighbours found, moved by one.
            for vertical in (0, 1):
                above, beside = y - step * vertical, x - step * (1 - vertical)
                if not (0 <= above < found.shape[0] and 0 <= beside < width):
                    continue
                inside = first <= above < end
                v, u = divmod(found[above, beside] if inside else before[above, beside], columns)
                v, u = v + step * vertical, u + step * (1 - vertical)
                if 0 <= v < rows and 0 <= u < columns and v * columns + u != best:
                    d = _distance(
                        target, source, y, x * channels, v, u * channels, side, patch, least
                    )
                    if d < least:
                        best, least = v * columns + u, d
            # Random search: ever closer to the best.
            radius = max(rows, columns)
            while radius >= 1:
                state += _GAMMA
                mixed = (state ^ (state >> _30)) * _MIX_1
                mixed = (mixed ^ (mixed >> _27)) * _MIX_2
                mixed ^= mixed >> _31
                v = _within(mixed >> _32, best // columns, radius, rows)
                u = _within(mixed & _LOW, best % columns, radius, columns)
                d = _distance(target, source, y, x * channels, v, u * channels, side, patch, least)
                if d < least:
                    best, least = v * columns + u, d
                radius //= 2
            found[y, x], distance[y, x] = best, least

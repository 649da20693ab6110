"""The inner loops of `patches.patchmatch`, compiled by numba; import this file late.

Pictures are (H, W · C) here. Compiling takes some seconds once; numba keeps the result on disk.
"""

from collections.abc import Callable
from typing import Any, no_type_check

import numpy as np
from numba import njit

# Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014: SplitMix64.
GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_27, _30, _31, HIGH = (np.uint64(bits) for bits in (27, 30, 31, 32))
LOW = np.uint64(0xFFFFFFFF)


FAR = np.float32(1e30)
"""Further than anything; quick arithmetic knows no infinity."""


def compiled(function: Callable[..., Any]) -> Any:
    """The function, compiled when it is first called."""
    try:
        return njit(function, cache=True, nogil=True, fastmath=True)
    except RuntimeError:  # There is no folder in which it could be kept.
        return njit(function, nogil=True, fastmath=True)


@compiled
@no_type_check
def _distance(target, source, gains, scales, y, x, v, u, patch, limit):
    """The squared distance of two patches, or something above the limit as soon as it is."""
    channels = target.shape[1] // (gains.shape[1] + patch - 1)
    gain, scale = gains[y, x], scales[v, u]
    if scale <= 0:
        return FAR
    total = np.float32(0)
    for row in range(patch):
        for i in range(patch * channels):
            ours, theirs = target[y + row, x * channels + i], source[v + row, u * channels + i]
            difference = gain * ours - scale * theirs
            total += difference * difference
        if total >= limit:
            break
    return total


@compiled
@no_type_check
def mixed(state):
    """64 bits of chance."""
    bits = (state ^ (state >> _30)) * _MIX_1
    bits = (bits ^ (bits >> _27)) * _MIX_2
    return bits ^ (bits >> _31)


@compiled
@no_type_check
def within(bits, middle, radius, count):
    """A number from 0 to count - 1, no further than the radius from the middle, by 32 bits."""
    low = max(0, middle - radius)
    span = min(count - 1, middle + radius) - low + 1
    return low + np.int64((bits * np.uint64(span)) >> HIGH)


@compiled
@no_type_check
def measure(target, source, gains, scales, found, distance, patch, first, end):
    """Write the distances of the matches of a band; the arguments are those of `sweep`."""
    for y in range(first, end):
        for x in range(found.shape[1]):
            v, u = divmod(found[y, x], scales.shape[1])
            distance[y, x] = _distance(target, source, gains, scales, y, x, v, u, patch, FAR)


@compiled
@no_type_check
def sweep(target, source, gains, scales, before, found, distance, patch, step, seed, first, end):
    """Better the matches of a band in place, forwards (step 1) or backwards (-1).

    The row beyond the band is read as it was `before`, so that bands do not depend on each other.
    The patches of both pictures are multiplied by their `gains` and `scales`; those of the source
    whose scale is 0 are never found.
    """
    rows, columns = scales.shape
    width = found.shape[1]
    for i in range(first, end):
        y = i if step > 0 else first + end - 1 - i
        for j in range(width):
            x = j if step > 0 else width - 1 - j
            best, least = found[y, x], distance[y, x]
            state = np.uint64(seed) + GAMMA * np.uint64(y * width + x)
            # Propagation: what the neighbours found, moved by one.
            for vertical in (0, 1):
                above, beside = y - step * vertical, x - step * (1 - vertical)
                if not (0 <= above < found.shape[0] and 0 <= beside < width):
                    continue
                inside = first <= above < end
                v, u = divmod(found[above, beside] if inside else before[above, beside], columns)
                v, u = v + step * vertical, u + step * (1 - vertical)
                if 0 <= v < rows and 0 <= u < columns and v * columns + u != best:
                    d = _distance(target, source, gains, scales, y, x, v, u, patch, least)
                    if d < least:
                        best, least = v * columns + u, d
            # Random search: ever closer to the best.
            radius = max(rows, columns)
            while radius >= 1:
                state += GAMMA
                bits = mixed(state)
                v = within(bits >> HIGH, best // columns, radius, rows)
                u = within(bits & LOW, best % columns, radius, columns)
                d = _distance(target, source, gains, scales, y, x, v, u, patch, least)
                if d < least:
                    best, least = v * columns + u, d
                radius //= 2
            found[y, x], distance[y, x] = best, least

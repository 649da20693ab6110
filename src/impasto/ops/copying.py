"""The inner loops of `coherence.scan`, compiled by numba; import this file late."""

from typing import no_type_check

import numpy as np

from impasto.ops.propagation import FAR, GAMMA, HIGH, LOW, compiled, mixed, within


@compiled
@no_type_check
def copy_row(
    rows, known, copied, base, window, weights, near, source, picture, y, columns, penalty, seed
):
    """Copy the pixels of one row.

    Args:
        rows: (N, D) of the source.
        known: (h, w, K), the first K numbers of the rows of the target.
        copied: (N, C), pixels.
        base: (h, w, C), what they are added to.
        window: offsets (y, x) of the causal window.
        weights: of its entries.
        near: (h, w), nearly the nearest pixels, bettered on the way.
        source: (h, w), where pixels were copied from.
        picture: (h + 2 r, w + 2 r, C), with a margin as wide as the window reaches.
        y: the row.
        columns: of the source.
        penalty: as of `scan`.
        seed: of all chance; below 0 every row is compared instead.
    """
    width, margin = near.shape[1], (picture.shape[0] - len(near)) // 2
    wanted = np.empty(rows.shape[1], np.float32)
    for x in range(width):
        begun = known.shape[2]
        wanted[:begun] = known[y, x]
        for i in range(len(window)):
            around = picture[y + window[i, 0] + margin, x + window[i, 1] + margin]
            for c in range(len(around)):
                wanted[begun] = weights[begun - known.shape[2]] * around[c]
                begun += 1
        best, least = near[y, x], _apart(rows[near[y, x]], wanted)
        if seed < 0:
            best, least = _searched(rows, wanted, best, least)
        else:
            best, least = _propagated(rows, wanted, near, y, x, columns, best, least)
            state = np.uint64(seed) + GAMMA * np.uint64(y * width + x)
            best, least = _guessed(rows, wanted, columns, state, best, least)
        coherent, cost = _continued(rows, wanted, source, window, y, x, columns)
        near[y, x] = coherent if cost < least else best
        chosen = coherent if cost <= penalty * least else best
        source[y, x] = chosen
        picture[y + margin, x + margin] = copied[chosen] + base[y, x]


@compiled
@no_type_check
def _apart(row, wanted):
    """The squared distance."""
    total = np.float32(0)
    for i in range(len(wanted)):
        difference = row[i] - wanted[i]
        total += difference * difference
    return total


@compiled
@no_type_check
def _searched(rows, wanted, best, least):
    """The nearest of all."""
    for candidate in range(len(rows)):
        d = _apart(rows[candidate], wanted)
        if d < least:
            best, least = candidate, d
    return best, least


@compiled
@no_type_check
def _propagated(rows, wanted, near, y, x, columns, best, least):
    """The nearest of what all neighbours found, moved."""
    for above in range(max(0, y - 1), min(len(near), y + 2)):
        for beside in range(max(0, x - 1), min(near.shape[1], x + 2)):
            v = near[above, beside] // columns + y - above
            u = near[above, beside] % columns + x - beside
            if 0 <= v < len(rows) // columns and 0 <= u < columns:
                d = _apart(rows[v * columns + u], wanted)
                if d < least:
                    best, least = v * columns + u, d
    return best, least


@compiled
@no_type_check
def _guessed(rows, wanted, columns, state, best, least):
    """The nearest of some drawn ever closer to the best."""
    height = len(rows) // columns
    radius = max(height, columns)
    while radius >= 1:
        state += GAMMA
        bits = mixed(state)
        v = within(bits >> HIGH, best // columns, radius, height)
        u = within(bits & LOW, best % columns, radius, columns)
        d = _apart(rows[v * columns + u], wanted)
        if d < least:
            best, least = v * columns + u, d
        radius //= 2
    return best, least


@compiled
@no_type_check
def _continued(rows, wanted, source, window, y, x, columns):
    """The nearest of the pixels that go on from those of the neighbours, or one too far away."""
    best, least = 0, FAR
    for i in range(len(window)):
        above, beside = y + window[i, 0], x + window[i, 1]
        if above >= 0 and 0 <= beside < source.shape[1]:
            v = source[above, beside] // columns - window[i, 0]
            u = source[above, beside] % columns - window[i, 1]
            if v < len(rows) // columns and 0 <= u < columns:
                d = _apart(rows[v * columns + u], wanted)
                if d < least:
                    best, least = v * columns + u, d
    return best, least

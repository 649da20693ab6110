"""The scan against a plain one, pixel by pixel."""

import numpy as np
import pytest

from impasto.ops.coherence import scan
from impasto.ops.neighborhoods import CAUSAL, FINE, REACH, gathered, weights


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def plain(rows, known, pixels, guess, base, penalty):
    """Sections 3.1 and 3.2 of the paper, in float64, with the very nearest."""
    (height, width), (_, rows_high, columns) = guess.shape, pixels.shape
    listed = pixels.reshape(len(pixels), -1).T
    picture = listed[guess] + base.transpose(1, 2, 0)
    picture = np.pad(picture, ((REACH,) * 2, (REACH,) * 2, (0, 0)), mode="edge")
    source = np.full((height, width), -1)
    for y, x in np.ndindex(height, width):
        around = np.concatenate([picture[y + REACH + v, x + REACH + u] for v, u in CAUSAL])
        wanted = np.concatenate([known[y * width + x], weights(CAUSAL, len(pixels)) * around])
        costs = np.square(rows.astype(float) - wanted).sum(1)
        chosen = int(costs.argmin())
        going_on = []
        for v, u in CAUSAL:
            if y + v >= 0 and 0 <= x + u < width:
                row, column = divmod(source[y + v, x + u], columns)
                if 0 <= row - v < rows_high and 0 <= column - u < columns:
                    going_on.append((row - v) * columns + column - u)
        if going_on:
            best = min(going_on, key=lambda each: costs[each])
            if costs[best] <= penalty * costs[chosen]:
                chosen = best
        source[y, x] = chosen
        picture[y + REACH, x + REACH] = listed[chosen] + base[:, y, x]
    return source


@pytest.fixture
def task():
    pixels, a, b = drawn(2, 9, 11), drawn(1, 9, 11, seed=1), drawn(1, 8, 10, seed=2)
    return {
        "rows": np.hstack([gathered(a, FINE), gathered(pixels, CAUSAL)]),
        "known": gathered(b, FINE),
        "pixels": pixels,
        "guess": np.random.default_rng(3).integers(0, 99, (8, 10)),
        "base": 0.1 * drawn(2, 8, 10, seed=4),
    }


@pytest.mark.parametrize("penalty", [1.0, 2.0, 6.0])
def test_the_exact_scan_is_the_plain_one(task, penalty):
    found = scan(**task, penalty=penalty, exact=True, seed=0)
    assert np.array_equal(found.source, plain(**task, penalty=penalty))
    copied = task["pixels"].reshape(2, -1)[:, found.source] + task["base"]
    np.testing.assert_allclose(found.picture, copied, rtol=1e-6)


def test_what_is_found_by_chance_is_nearly_as_near():
    pixels, a, b = drawn(1, 40, 50), drawn(1, 40, 50, seed=1), drawn(1, 30, 36, seed=2)
    rows, known = np.hstack([gathered(a, FINE), gathered(pixels, CAUSAL)]), gathered(b, FINE)
    guess = np.random.default_rng(3).integers(0, 2000, (30, 36))
    away = {}
    for exact in (True, False):
        task = {"guess": guess, "penalty": 1.0, "exact": exact, "seed": 0}
        found = scan(rows, known, pixels, **task)
        wanted = np.hstack([known, gathered(found.picture, CAUSAL)])
        away[exact] = np.sqrt(np.square(rows[found.source.ravel()] - wanted).sum(1)).mean()
    assert away[True] < away[False] < 1.5 * away[True]


def test_the_seed_decides_and_nothing_else(task):
    one, same, other = (scan(**task, penalty=1.5, seed=seed).source for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.shares_memory(one, task["guess"])

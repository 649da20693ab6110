"""Cuts against all paths that there are."""

from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from impasto.ops.seams import cumulative, kept, traced


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def paths(length: int, width: int) -> list[tuple[int, ...]]:
    """All paths from the first row to the last that move by at most one column."""
    steps = product(range(width), repeat=length)
    return [p for p in steps if all(abs(a - b) <= 1 for a, b in pairwise(p))]


def cost(error: Tensor, path: tuple[int, ...], first: int = 0) -> float:
    return sum(float(error[i + first, column]) for i, column in enumerate(path))


@pytest.mark.parametrize(("length", "width"), [(1, 3), (5, 1), (6, 3), (5, 4)])
def test_a_strip_is_cut_where_no_path_is_cheaper(length: int, width: int) -> None:
    strips = draw(4, length, width)
    least = cumulative(strips)
    column = least[:, 0].argmin(1)
    found = traced(least, torch.zeros(4, dtype=torch.long), column)
    for strip, sums, path in zip(strips, least, found.tolist(), strict=True):
        assert tuple(path) in paths(length, width)
        best = min(cost(strip, each) for each in paths(length, width))
        assert cost(strip, tuple(path)) == pytest.approx(best)
        assert float(sums[0].min()) == pytest.approx(best)


def boundary(new: Tensor, overlap: int) -> tuple[list[int], list[int]]:
    """The first column of each row and the first row of each column that is the new block's."""
    rows = [int(line.float().argmax()) for line in new]
    columns = [int(line.float().argmax()) for line in new.T]
    assert all(bool(line[first:].all()) for line, first in zip(new[overlap:], rows[overlap:]))  # noqa: B905
    return rows, columns


def test_with_one_neighbour_the_block_is_cut_along_the_best_path() -> None:
    errors, overlap = draw(6, 6, 6, seed=2), 3
    yes, no = torch.ones(6, dtype=torch.bool), torch.zeros(6, dtype=torch.bool)
    for error, new in zip(errors, kept(errors, overlap, left=yes, top=no), strict=True):
        path = tuple(boundary(new, overlap)[0])
        best = min(paths(6, overlap), key=lambda p, error=error: cost(error, p))
        assert path == best
    flipped = kept(errors.mT, overlap, left=no, top=yes)
    assert torch.equal(flipped.mT, kept(errors, overlap, left=yes, top=no))
    assert bool(kept(errors, overlap, left=no, top=no).all())


def elbows(error: Tensor, overlap: int) -> dict[tuple[tuple[int, ...], tuple[int, ...]], float]:
    """All pairs of legs that meet in the corner and do not cross, with what they cost together."""
    side, found = len(error), {}
    for i, j in product(range(overlap), repeat=2):
        down = [p for p in paths(side - i, overlap) if p[0] == j]
        across = [p for p in paths(side - j, overlap) if p[0] == i]
        for one, other in product(down, across):
            cells = {(i + n, column) for n, column in enumerate(one)}
            cells |= {(row, j + n) for n, row in enumerate(other)}
            if len(cells) == len(one) + len(other) - 1:
                total = cost(error, one, i) + cost(error.T, other, j) - float(error[i, j])
                found[(j,) * i + one, (i,) * j + other] = total
    return found


def test_with_both_neighbours_the_legs_meet_where_they_are_cheapest_together() -> None:
    errors, overlap = draw(12, 5, 5, seed=3), 2
    yes = torch.ones(12, dtype=torch.bool)
    place = torch.arange(5)
    for error, new in zip(errors, kept(errors, overlap, left=yes, top=yes), strict=True):
        known = elbows(error, overlap)
        down, across = min(known, key=lambda pair: known[pair])
        wanted = (place >= torch.tensor(down)[:, None]) & (place[:, None] >= torch.tensor(across))
        assert torch.equal(new, wanted)


def test_equal_pictures_cost_nothing_and_kinds_do_not_mix() -> None:
    error = torch.zeros(1, 8, 8)
    error[:, 3:5, :4] = 1  # In the left overlap, where a cut has to pass.
    one = torch.tensor([True])
    assert float(cumulative(error[:, :, :4])[0, 0].min()) == 2
    both = torch.cat([error, draw(1, 8, 8)])
    flags = torch.tensor([True, False])
    together = kept(both, 4, left=flags, top=~flags)
    assert torch.equal(together[:1], kept(error, 4, left=one, top=~one))

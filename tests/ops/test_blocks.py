"""Errors of blocks against the sum written out, and the search against trying everything."""

import pytest
import torch
from torch import Tensor

from impasto.ops import blocks
from impasto.ops.blocks import Blocks
from impasto.ops.resample import resize


def draw(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def smooth(height: int, width: int, *, seed: int = 1) -> Tensor:
    """Shapes of some size with grain on them."""
    coarse = resize(draw(1, 3, height // 8, width // 8, seed=seed), (height, width))[0]
    return 0.9 * coarse + 0.1 * draw(3, height, width, seed=seed + 1)


def direct(sample: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Σ w (S − T)² at every place, in float64."""
    side = target.shape[-1]
    windows = sample.double().unfold(1, side, 1).unfold(2, side, 1).permute(1, 2, 0, 3, 4)
    return (weight * (windows - target) ** 2).sum((2, 3, 4))


@pytest.mark.parametrize("side", [3, 8, 12, 17])
def test_errors_are_the_sum_written_out(side: int) -> None:
    sample, targets = draw(4, 31, 47), draw(5, 4, side, side, seed=2)
    weights = draw(2, 4, side, side, seed=3).round(decimals=1)
    kinds = torch.tensor([0, 1, 1, 0, 1])
    found = Blocks(sample, weights).errors(targets, kinds)
    assert found.shape == (5, 31 - side + 1, 47 - side + 1)
    for error, target, kind in zip(found, targets, kinds, strict=True):
        wanted = direct(sample, target.double(), weights[kind].double())
        torch.testing.assert_close(error.double(), wanted, rtol=1e-4, atol=1e-3)


def test_without_tolerance_it_is_the_best_block() -> None:
    sample, targets = draw(3, 40, 50), draw(6, 3, 9, 9, seed=2)
    kinds, chances = torch.zeros(6, dtype=torch.long), draw(6)
    found = Blocks(sample, torch.ones(1, 3, 9, 9)).search(
        targets, kinds, tolerance=0.0, chances=chances
    )
    for target, place in zip(targets, found.tolist(), strict=True):
        errors = direct(sample, target, torch.ones(1))
        assert divmod(int(errors.argmin()), errors.shape[1]) == tuple(place)


def test_a_tolerance_draws_evenly_among_those_within_it() -> None:
    sample = torch.zeros(1, 9, 9)
    sample[0, 2, 2], sample[0, 6, 2], sample[0, 4, 7] = 1, 1.02, 1.3
    count = 400
    targets = torch.zeros(count, 1, 3, 3)
    targets[:, 0, 1, 1] = 1.5
    found = Blocks(sample, torch.ones(1, 1, 3, 3)).search(
        targets,
        torch.zeros(count, dtype=torch.long),
        tolerance=5.0,  # Above the error of the third one, 0.2²: the second one fits, 0.48².
        chances=(torch.arange(count) + 0.5) / count,
    )
    places, counts = found.unique(dim=0, return_counts=True)
    assert places.tolist() == [[3, 6], [5, 1]]
    assert counts.tolist() == [count / 2, count / 2]


def test_a_block_of_the_sample_is_found_from_coarse_to_fine(monkeypatch) -> None:
    monkeypatch.setattr(blocks, "MANY", 1000)
    sample = smooth(96, 128)
    places = torch.tensor([[0, 0], [17, 33], [80, 112], [51, 64]])
    known = Blocks(sample, torch.ones(1, 3, 16, 16))
    assert known.coarse is not None
    assert known.coarse.coarse is not None
    found = known.search(
        known.at(places), torch.zeros(4, dtype=torch.long), tolerance=0.0, chances=torch.zeros(4)
    )
    assert torch.equal(found, places)


def test_from_coarse_to_fine_is_nearly_the_best(monkeypatch) -> None:
    sample, others = smooth(96, 128), smooth(64, 64, seed=5)
    targets = others.unfold(1, 12, 12).unfold(2, 12, 12).flatten(1, 2).transpose(0, 1)
    kinds, chances = torch.zeros(len(targets), dtype=torch.long), torch.zeros(len(targets))
    weights = torch.ones(1, 3, 12, 12)
    every = Blocks(sample, weights, exhaustive=True)
    best = every.errors(targets, kinds).flatten(1).amin(1)
    monkeypatch.setattr(blocks, "MANY", 1000)
    some = Blocks(sample, weights)
    found = some.at(some.search(targets, kinds, tolerance=0.0, chances=chances))
    errors = (found - targets).square().sum((1, 2, 3))
    assert bool((errors >= best - 1e-3).all())
    assert float((errors / best).mean()) < 1.05


def test_places_outside_a_region_are_left_alone() -> None:
    sample, region = draw(3, 30, 60), torch.zeros(1, 30, 60)
    region[:, :, 40:] = 1
    found = Blocks(sample, torch.ones(1, 3, 8, 8), region=region).search(
        sample[None, :, 5:13, 5:13],
        torch.tensor([0]),
        tolerance=0.0,
        chances=torch.zeros(1),
    )
    assert int(found[0, 1]) >= 40

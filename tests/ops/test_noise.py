"""Noise by its spectrum, and by what a place must always have."""

import pytest
import torch

from impasto.ops.noise import laid, smoothed


def test_it_is_always_the_same_white_where_it_is_not_smoothed():
    noise = smoothed([0.0, 2.0], period=64)
    assert torch.equal(noise, smoothed([0.0, 2.0], period=64))
    torch.testing.assert_close(noise.std((1, 2), correction=0), torch.ones(2))
    # The first numbers that this generator of numpy is known for.
    ratios = noise[0, 0, :3] / noise[0, 0, 0]
    known = torch.tensor([1.7640523, 0.4001572, 0.9787380]) / 1.7640523
    torch.testing.assert_close(ratios, known, rtol=1e-5, atol=0)


@pytest.mark.parametrize("spread", [1.5, 3.0])
def test_neighbours_are_alike_as_a_gaussian_of_this_spread_makes_them(spread: float):
    noise = smoothed([spread], period=512)[0]
    for shift in (1, 2, 4):
        likeness = float((noise * noise.roll(shift, 1)).mean())
        expected = torch.tensor(-(shift**2) / (4 * spread**2)).exp()
        assert likeness == pytest.approx(float(expected), abs=0.02)


def test_it_is_laid_side_by_side_and_a_part_is_that_of_its_place():
    noise = smoothed([0.0, 1.0], period=16)
    whole = laid(noise, at=(0, 0), over=torch.empty((1, 3, 40, 50)))
    assert torch.equal(whole[:, :16, :16], noise)
    assert torch.equal(whole[:, 16:32, 32:48], noise)
    assert torch.equal(
        laid(noise, at=(11, 21), over=whole[None, :, 11:31, 21:30]), whole[:, 11:31, 21:30]
    )

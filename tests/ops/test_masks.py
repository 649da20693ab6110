"""Masks by what they promise."""

import torch

from impasto.ops.masks import cover, guide, scaled, shared


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def half(height: int = 32, width: int = 48) -> torch.Tensor:
    mask = torch.zeros(1, 1, height, width)
    mask[..., : width // 2] = 1
    return mask


def test_regions_that_overlap_share_by_weight_and_add_up_to_what_they_cover() -> None:
    one, other = half(), torch.ones(1, 1, 32, 48)
    parts = shared([one, other], [3.0, 1.0])
    torch.testing.assert_close(sum(parts), torch.ones(1, 1, 32, 48))
    assert float(parts[0][0, 0, 0, 0]) == 0.75
    assert float(parts[1][0, 0, 0, -1]) == 1
    (alone,) = shared([0.5 * one], [7.0])
    torch.testing.assert_close(alone, 0.5 * one)


def test_cover_is_none_where_there_is_nothing_to_leave_out() -> None:
    assert cover([]) is None
    assert cover([half(), 1 - half()]) is None
    covered = cover([0.5 * half()])
    assert covered is not None
    torch.testing.assert_close(covered, 0.5 * half())


def test_a_position_counts_as_far_as_it_sees_nothing_else() -> None:
    found = guide(half(), (8, 12))[0, 0, 4]
    assert found[:5].tolist() == [1.0] * 5
    assert found[7:].tolist() == [0.0] * 5
    torch.testing.assert_close(found[5:7], torch.tensor([(2 / 3) ** 4, (1 / 3) ** 4]))
    assert guide(torch.ones(1, 1, 30, 50), (7, 9)).eq(1).all()


def test_a_thin_region_keeps_its_best() -> None:
    thin = torch.zeros(1, 1, 64, 64)
    thin[:, :, 30:32] = 1
    found = guide(thin, (4, 4))[0, 0, :, 1]
    assert 0 < found.max() < 0.01
    assert found[1] == found.max()
    assert found[3] == 0


def test_scaling_keeps_the_mean_and_the_range() -> None:
    mask = draw(1, 1, 64, 96)
    small = scaled(mask, (16, 24))
    assert small.shape == (1, 1, 16, 24)
    torch.testing.assert_close(small.mean(), mask.mean(), rtol=0, atol=0.01)
    assert 0 <= scaled(half(), (100, 150)).min() <= scaled(half(), (100, 150)).max() <= 1
    assert scaled(mask, (64, 96)) is mask

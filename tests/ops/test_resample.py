"""Sizes and pyramids by their properties; resizing by pictures whose result is known."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from impasto.ops.resample import fit, mirror, pyramid, resize

sides = st.integers(1, 5000)


@given(sides, sides, sides)
def test_fit_keeps_the_aspect_to_a_pixel(height: int, width: int, long_side: int) -> None:
    found = fit(height, width, long_side=long_side)
    assert max(found) == long_side
    assert min(found) >= 1
    scale = long_side / max(height, width)
    assert abs(found[0] - height * scale) <= max(0.5, 1 - height * scale)
    assert abs(found[1] - width * scale) <= max(0.5, 1 - width * scale)


def test_fit_of_known_sizes() -> None:
    assert fit(300, 400, long_side=200) == (150, 200)
    assert fit(400, 300, long_side=800) == (800, 600)
    assert fit(1, 4000, long_side=100) == (1, 100)


@given(sides, sides, st.integers(16, 512))
def test_a_pyramid_doubles_up_to_the_full_size(height: int, width: int, coarsest: int) -> None:
    sizes = pyramid(height, width, coarsest=coarsest)
    assert sizes[-1] == (height, width)
    for coarse, fine in pairwise(sizes):
        assert abs(2 * max(coarse) - max(fine)) <= 1
        assert coarse == fit(height, width, long_side=max(coarse))
    first = sizes[0]
    # It goes down as far as it may, and no further.
    assert max(first) < 2 * coarsest or min(first) < coarsest / 2
    if len(sizes) > 1:
        assert max(first) >= coarsest
        assert min(first) >= coarsest / 4 - 1


@pytest.mark.parametrize(
    ("size", "sizes"),
    [
        ((17, 17), [(17, 17)]),
        ((1, 4000), [(1, 4000)]),
        ((255, 255), [(255, 255)]),
        ((384, 512), [(96, 128), (192, 256), (384, 512)]),
        ((300, 4000), [(38, 500), (75, 1000), (150, 2000), (300, 4000)]),
    ],
)
def test_pyramids_of_known_sizes(size: tuple[int, int], sizes: list[tuple[int, int]]) -> None:
    assert pyramid(*size, coarsest=128) == sizes


def test_resizing_to_the_same_size_is_the_identity() -> None:
    image = torch.rand((1, 3, 9, 11), generator=torch.Generator().manual_seed(1))
    assert torch.equal(resize(image, (9, 11)), image)


@pytest.mark.parametrize("size", [(7, 5), (40, 64), (1, 100), (23, 1)])
def test_resizing_stays_in_bounds_and_keeps_flat_colours(size: tuple[int, int]) -> None:
    checkers = (torch.arange(20).view(20, 1) + torch.arange(30)).remainder(2).float()
    image = checkers.expand(1, 3, 20, 30)
    out = resize(image, size)
    assert tuple(out.shape) == (1, 3, *size)
    assert out.min() >= 0
    assert out.max() <= 1
    flat = resize(torch.full((1, 3, 20, 30), 0.3), size)
    torch.testing.assert_close(flat, torch.full_like(flat, 0.3))


def test_shrinking_averages_instead_of_skipping() -> None:
    stripes = torch.arange(64).remainder(2).float().expand(1, 3, 64, 64)
    out = resize(stripes, (16, 16))
    # Away from the border, where the filter is cut.
    torch.testing.assert_close(out[..., 2:-2], torch.full((1, 3, 16, 12), 0.5), atol=0.02, rtol=0)


def test_a_ramp_stays_where_it_is() -> None:
    def ramp(side: int) -> torch.Tensor:
        return ((torch.arange(side) + 0.5) / side).expand(1, 3, 4, side)

    for side in (16, 64):
        inner = slice(side // 8, -side // 8)
        found = resize(ramp(32), (4, side))[..., inner]
        torch.testing.assert_close(found, ramp(side)[..., inner], atol=1e-3, rtol=0)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 9))
def test_mirror_holds_the_picture_in_its_middle(height: int, width: int, margin: int) -> None:
    image = torch.rand((1, 3, height, width), generator=torch.Generator().manual_seed(1))
    out = mirror(image, margin=margin, multiple=16)
    rows, columns = out.shape[2:]
    assert rows % 16 == columns % 16 == 0
    assert height + 2 * margin <= rows < height + 2 * margin + 16
    assert width + 2 * margin <= columns < width + 2 * margin + 16
    top, left = (rows - height) // 2, (columns - width) // 2
    assert torch.equal(out[:, :, top : top + height, left : left + width], image)
    if top and rows - height <= height and columns - width <= width and height > 20 < width:
        assert torch.equal(out[:, :, top - 1, left : left + width], image[:, :, 1])

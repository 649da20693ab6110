import pytest
import torch
from torch.nn import functional as F

from impasto.ops.filters import learnt
from impasto.ops.smooth import blurred


def draw(*size, seed=0):
    return torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(seed))


def test_a_kernel_is_found_again():
    image, kernel = draw(40, 50), draw(5, 3)[0, :1, None]
    grown = F.pad(image, (1, 1, 2, 2), mode="replicate").transpose(0, 1)
    found = learnt(image, F.conv2d(grown, kernel).transpose(0, 1), radius=3).kernel
    expected = F.pad(kernel, (2, 2, 1, 1))
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)


def test_a_filter_is_done_to_another_picture():
    a, b = draw(40, 48), draw(36, 52, seed=1)
    soften = lambda image: 0.2 + 0.5 * blurred(image, sigma=1.2)  # noqa: E731
    torch.testing.assert_close(learnt(a, soften(a))(b), soften(b), atol=2e-3, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (3, 9)])
def test_a_picture_that_shows_nothing_is_left_nearly_alone(size):
    flat = torch.full((1, 3, *size), 0.4)
    learned = learnt(flat, flat + 0.1)
    assert learned.kernel.isfinite().all()
    torch.testing.assert_close(learned(flat), flat + 0.1)


def test_channels_are_mixed_as_they_were():
    mixture = torch.tensor([[0.5, 0.3, 0.1], [0.2, 0.6, 0.1], [0.1, 0.2, 0.4]])
    tint = lambda image: 0.1 + torch.einsum("dc,nchw->ndhw", mixture, image)  # noqa: E731
    a, b = draw(200, 240), draw(36, 30, seed=1)
    torch.testing.assert_close(learnt(a, tint(a), radius=2)(b), tint(b), atol=0.01, rtol=0)


def test_a_grey_picture_shows_nothing_of_colours_so_they_are_left():
    grey, b = draw(40, 44)[:, :1].expand(-1, 3, -1, -1), draw(36, 30, seed=1)
    torch.testing.assert_close(learnt(grey, grey)(b), b, atol=2e-3, rtol=0)


def test_of_a_large_picture_a_part_is_enough(monkeypatch):
    image = blurred(draw(120, 96), sigma=0.5)
    soft = blurred(image, sigma=1.5)
    monkeypatch.setattr("impasto.ops.filters.MANY", 2000)
    torch.testing.assert_close(learnt(image, soft)(image), soft, atol=5e-3, rtol=0)

"""Colour transfer against the moments that it promises."""

import pytest
import torch
from torch import Tensor

from impasto.ops.color import match_covariance


def draw(*, seed: int, height: int = 24, width: int = 30, lift: float = 0.0) -> Tensor:
    """Correlated colours in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, 3, height, width, generator=generator)
    mix = torch.rand(3, 3, generator=generator) / 3
    return (torch.einsum("ij,njhw->nihw", mix, noise) + lift).clamp(0, 1)


def moments(image: Tensor) -> tuple[Tensor, Tensor]:
    pixels = image.double().flatten(2)[0]
    return pixels.mean(1), torch.cov(pixels, correction=0)


def test_mean_and_covariance_become_those_of_the_style() -> None:
    content, style = draw(seed=1), draw(seed=2, height=17, width=40, lift=0.3)
    out = match_covariance(content, style)
    for found, wanted in zip(moments(out), moments(style), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)
    assert (moments(content)[1] - moments(style)[1]).abs().max() > 2e-3


def test_one_varying_channel_is_scaled_by_the_ratio_of_deviations() -> None:
    content, style = torch.full((1, 3, 8, 8), 0.5), torch.full((1, 3, 8, 8), 0.25)
    ramp = torch.linspace(-1, 1, 64).view(8, 8)
    content[0, 1] += 0.2 * ramp
    style[0, 1] += 0.1 * ramp
    out = match_covariance(content, style)
    torch.testing.assert_close(out, style, atol=5e-4, rtol=0)


def test_the_map_is_symmetric_so_that_no_colour_moves_further_than_needed() -> None:
    content, style = draw(seed=3), draw(seed=4)
    out = match_covariance(content, style).double().flatten(2)[0]
    pixels = content.double().flatten(2)[0]
    centred = pixels - pixels.mean(1, keepdim=True)
    transport = (out - out.mean(1, keepdim=True)) @ torch.linalg.pinv(centred)
    torch.testing.assert_close(transport, transport.mT, atol=1e-5, rtol=0)
    assert torch.linalg.eigvalsh(transport).min() > 0


def test_a_picture_keeps_its_own_colours() -> None:
    picture = draw(seed=5)
    torch.testing.assert_close(match_covariance(picture, picture), picture, atol=1e-6, rtol=0)


@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_flat_and_grey_pictures_stay_finite(value: float) -> None:
    flat, colourful = torch.full((1, 3, 16, 16), value), draw(seed=6)
    grey = colourful.mean(1, keepdim=True).expand(1, 3, -1, -1)
    expected = moments(colourful)[0].float().view(1, 3, 1, 1).expand_as(flat)
    torch.testing.assert_close(match_covariance(flat, colourful), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        match_covariance(colourful, flat), torch.full_like(colourful, value), atol=0.1, rtol=0
    )
    out = match_covariance(grey, colourful)
    assert out.isfinite().all()
    assert out.abs().max() < 2


def test_the_inputs_are_not_changed() -> None:
    content, style = draw(seed=7), draw(seed=8)
    before = content.clone(), style.clone()
    match_covariance(content, style)
    assert torch.equal(content, before[0])
    assert torch.equal(style, before[1])

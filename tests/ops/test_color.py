"""Colour transfer against the moments that it promises."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from impasto.ops.color import (
    LUMA,
    Root,
    grey,
    luma,
    match_covariance,
    match_histogram,
    match_luminance,
    with_luma,
)

YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def draw(*, seed: int, height: int = 24, width: int = 30, lift: float = 0.0) -> Tensor:
    """Correlated colours in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(1, 3, height, width, generator=generator)
    mix = torch.rand(3, 3, generator=generator) / 3
    return (torch.einsum("ij,njhw->nihw", mix, noise) + lift).clamp(0, 1)


def moments(image: Tensor) -> tuple[Tensor, Tensor]:
    pixels = image.double().flatten(2)[0]
    return pixels.mean(1), torch.cov(pixels, correction=0)


every_root = pytest.mark.parametrize("root", ["transport", "cholesky", "symmetric"])


@every_root
def test_mean_and_covariance_become_those_of_the_style(root: Root) -> None:
    content, style = draw(seed=1), draw(seed=2, height=17, width=40, lift=0.3)
    out = match_covariance(content, style, root=root)
    for found, wanted in zip(moments(out), moments(style), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)
    assert (moments(content)[1] - moments(style)[1]).abs().max() > 2e-3


@every_root
def test_a_picture_with_hardly_any_colour_takes_all_of_the_style(root: Root) -> None:
    """Its colours deviate by two eight-bit steps, those of the style by twenty times as much."""
    noise = torch.rand((1, 3, 24, 30), generator=torch.Generator().manual_seed(1))
    content, style = 0.5 + (noise - 0.5) * 0.03, draw(seed=2, lift=0.3)
    out = match_covariance(content, style, root=root)
    assert moments(content)[1].diagonal().max().sqrt() < 3 / 255
    torch.testing.assert_close(moments(out)[1], moments(style)[1], atol=1e-3, rtol=0)


def test_the_roots_are_those_of_the_paper() -> None:
    content, style = draw(seed=11).double(), draw(seed=12).double()
    (mean, own), (goal, wanted) = moments(content), moments(style)
    half = [torch.from_numpy(np.real(sqrtm(each.numpy()))) for each in (own, wanted)]
    maps = {
        "cholesky": torch.linalg.cholesky(wanted) @ torch.linalg.cholesky(own).inverse(),
        "symmetric": half[1] @ half[0].inverse(),
    }
    pixels = content.flatten(2)[0] - mean[:, None]
    for root, matrix in maps.items():
        out = match_covariance(content, style, root=root).flatten(2)[0]  # type: ignore[arg-type]
        torch.testing.assert_close(out, matrix @ pixels + goal[:, None], atol=1e-6, rtol=0)


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


def test_histograms_become_those_of_the_style_exactly_where_values_are_8_bit() -> None:
    def values(seed: int) -> Tensor:
        return (draw(seed=seed, height=40, width=40) * 255).round() / 255

    content, style = values(9), values(10) ** 2
    style = (style * 255).round() / 255
    out = match_histogram(content, style)
    for channel in range(3):
        # Every value goes to a quantile of the style's, in order.
        pairs = torch.stack([content[0, channel].flatten(), out[0, channel].flatten()])
        pairs = pairs[:, pairs[0].argsort(stable=True)]
        assert (pairs[1].diff() >= 0).all()
        known = style[0, channel].unique()
        assert (out[0, channel].flatten()[:, None] - known).abs().amin(1).max() < 2e-4
        found = out[0, channel].flatten().sort().values
        wanted = style[0, channel].flatten().sort().values
        assert (found - wanted).abs().mean() < 2e-3
    torch.testing.assert_close(match_histogram(content, content), content, atol=2e-4, rtol=0)


def test_luminance_is_that_of_yiq_and_has_the_moments_of_the_other() -> None:
    content, style = draw(seed=13), draw(seed=14, lift=0.2)
    torch.testing.assert_close(luma(content), (content * YIQ[0].view(1, 3, 1, 1)).sum(1)[None])
    assert sum(LUMA) == pytest.approx(1)
    torch.testing.assert_close(luma(grey(content)), luma(content))
    out, wanted = match_luminance(content, style), luma(style)
    assert torch.equal(out[:, :1].expand_as(out), out)
    torch.testing.assert_close(out.mean(), wanted.mean(), atol=1e-6, rtol=0)
    torch.testing.assert_close(out[:, 0].std(), wanted.std(), atol=1e-3, rtol=0)


def test_raising_the_luminance_leaves_chroma_and_the_range() -> None:
    content = draw(seed=15, lift=0.2)
    change = torch.randn(luma(content).shape, generator=torch.Generator().manual_seed(0))
    out = with_luma(content, change)
    chroma = YIQ[1:] @ (out - content).flatten(2)[0]
    assert chroma.abs().max() < 1e-6
    assert 0 <= out.min() <= out.max() <= 1
    small = with_luma(content * 0.5 + 0.25, 0.1 * change.clamp(-1, 1))
    torch.testing.assert_close(luma(small), luma(content) * 0.5 + 0.25 + 0.1 * change.clamp(-1, 1))
    assert torch.equal(with_luma(content, torch.zeros_like(change)), content)


@every_root
@pytest.mark.parametrize("value", [0.0, 0.4, 1.0])
def test_flat_and_grey_pictures_stay_finite(value: float, root: Root) -> None:
    flat, colourful = torch.full((1, 3, 16, 16), value), draw(seed=6)
    plain = colourful.mean(1, keepdim=True).expand(1, 3, -1, -1)
    expected = moments(colourful)[0].float().view(1, 3, 1, 1).expand_as(flat)
    out = match_covariance(flat, colourful, root=root)
    torch.testing.assert_close(out, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        match_covariance(colourful, flat, root=root),
        torch.full_like(colourful, value),
        atol=0.1,
        rtol=0,
    )
    out = match_covariance(plain, colourful, root=root)
    assert out.isfinite().all()
    assert out.abs().max() < 2
    for one in (flat, plain, colourful):
        for other in (flat, plain, colourful):
            assert match_histogram(one, other).isfinite().all()
            assert match_luminance(one, other).isfinite().all()
    assert match_histogram(flat, colourful).unique().numel() <= 3


def test_the_inputs_are_not_changed() -> None:
    content, style = draw(seed=7), draw(seed=8)
    before = content.clone(), style.clone()
    match_covariance(content, style)
    assert torch.equal(content, before[0])
    assert torch.equal(style, before[1])

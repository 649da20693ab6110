"""The distances of the judge against loops written by hand and what they must not notice."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.evaluate.metrics import (
    STYLE_LAYERS,
    color_transfer,
    content_distance,
    pyramid_distance,
    roughness,
    style_distance,
    style_distances,
)


def draw(*shape: int, seed: int) -> Tensor:
    return torch.rand(1, *shape, generator=torch.Generator().manual_seed(seed))


def draw_features(*, seed: int, height: int = 5, width: int = 4) -> dict[str, Tensor]:
    return {
        layer: draw(2 + i, height, width, seed=seed + i) for i, layer in enumerate(STYLE_LAYERS)
    }


def draw_picture(*, seed: int, height: int = 48, width: int = 64) -> Tensor:
    """Blobs with grain on them, as pictures have energy at all scales."""
    blobs = F.interpolate(draw(3, 5, 6, seed=seed), (height, width), mode="bicubic")
    return (0.7 * blobs + 0.3 * draw(3, height, width, seed=seed + 1)).clamp(0, 1)


def blur(image: Tensor, *, radius: int) -> Tensor:
    padded = F.pad(image, (radius,) * 4, mode="reflect")
    return F.avg_pool2d(padded, 2 * radius + 1, stride=1)


def pyramid(a: Tensor, b: Tensor, *, seed: int = 0) -> float:
    return pyramid_distance(a, b, generator=torch.Generator().manual_seed(seed))


def gram_by_loop(features: Tensor) -> np.ndarray:
    maps = features[0].numpy().astype(np.float64)
    channels, height, width = maps.shape
    found = np.zeros((channels, channels))
    for y in range(height):
        for x in range(width):
            found += np.outer(maps[:, y, x], maps[:, y, x])
    return found / (height * width)


def test_style_distance_is_the_formula() -> None:
    out, style = draw_features(seed=1), draw_features(seed=11, height=3, width=7)
    expected = {}
    for layer in STYLE_LAYERS:
        ours, theirs = gram_by_loop(out[layer]), gram_by_loop(style[layer])
        expected[layer] = ((ours - theirs) ** 2).sum() / (theirs**2).sum()
    assert style_distances(out, style) == pytest.approx(expected, rel=1e-4)
    assert style_distance(out, style) == pytest.approx(np.mean(list(expected.values())), rel=1e-4)


def test_style_distance_does_not_see_where_things_are() -> None:
    out, style = draw_features(seed=2), draw_features(seed=12)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    shuffled = {k: v.flatten(2)[:, :, order].view_as(v) for k, v in out.items()}
    assert style_distance(shuffled, style) == pytest.approx(style_distance(out, style), rel=1e-5)
    assert style_distance(shuffled, out) == pytest.approx(0, abs=1e-10)
    assert style_distance(out, style) > 1e-3


def test_no_features_at_all_are_at_one() -> None:
    style = draw_features(seed=3)
    nothing = {layer: torch.zeros_like(maps) for layer, maps in style.items()}
    assert style_distance(nothing, style) == pytest.approx(1)
    assert np.isfinite(style_distance(style, nothing))


def test_content_distance_is_the_formula() -> None:
    out, content = draw_features(seed=4), draw_features(seed=14)
    ours, theirs = (side["relu4_1"][0].numpy() for side in (out, content))
    above = below = 0.0
    for c in range(theirs.shape[0]):
        mean = theirs[c].mean()
        above += sum((ours[c].ravel() - theirs[c].ravel()) ** 2)
        below += sum((theirs[c].ravel() - mean) ** 2)
    assert content_distance(out, content) == pytest.approx(above / below, rel=1e-5)


def test_content_distance_is_zero_for_the_content_and_one_for_its_mean() -> None:
    content = draw_features(seed=5)
    mean = {k: v.mean((2, 3), keepdim=True).expand_as(v) for k, v in content.items()}
    assert content_distance(content, content) == 0
    assert content_distance(mean, content) == pytest.approx(1)


def test_roughness_is_the_ratio_of_squared_steps() -> None:
    out, style = draw(3, 4, 5, seed=6), draw(3, 3, 6, seed=7)

    def energy(image: Tensor) -> float:
        pixels = image[0].numpy().astype(np.float64)
        down, right = pixels[:, 1:] - pixels[:, :-1], pixels[:, :, 1:] - pixels[:, :, :-1]
        return (down**2).mean() + (right**2).mean()

    assert roughness(out, style) == pytest.approx(energy(out) / energy(style), rel=1e-5)
    assert roughness(out, out) == 1


def test_halving_the_contrast_quarters_the_roughness() -> None:
    picture = draw_picture(seed=8)
    assert roughness(picture / 2, picture) == pytest.approx(0.25)
    assert roughness(blur(picture, radius=1), picture) < 0.5


def test_flat_pictures_give_finite_numbers() -> None:
    flat, picture = torch.full((1, 3, 48, 64), 0.5), draw_picture(seed=9)
    assert roughness(flat, picture) == 0
    assert roughness(flat, flat) == 0
    assert np.isfinite(roughness(picture, flat))
    assert pyramid(flat, flat) == 0
    assert 0.5 < pyramid(flat, picture) < 2


def test_pyramid_distance_is_a_distance() -> None:
    a, b = draw_picture(seed=20), draw_picture(seed=30, height=70, width=45)
    assert pyramid(a, a) == 0
    assert pyramid(a, b) > 0.02
    assert pyramid(a, b) == pyramid(b, a)
    assert pyramid(a, b) != pyramid(a, b, seed=1)
    assert pyramid(a, b) == pytest.approx(pyramid(a, b, seed=1), rel=0.1)


def test_pyramid_distance_grows_with_blur() -> None:
    picture = draw_picture(seed=40)
    found = [pyramid(blur(picture, radius=r), picture) for r in (1, 2, 4)]
    assert 0.02 < found[0] < found[1] < found[2]


def test_pyramid_distance_sees_colour_and_contrast() -> None:
    picture = draw_picture(seed=50)
    assert pyramid(picture.roll(1, dims=1), picture) > 0.02
    assert pyramid(0.5 + (picture - 0.5) / 2, picture) > 0.2
    assert pyramid((picture + 0.2).clamp(0, 1), picture) > 0.1


def test_pyramid_distance_hardly_sees_a_mirrored_texture() -> None:
    grain = draw(3, 96, 96, seed=60)
    assert pyramid(grain.flip(3), grain) < 0.2 * pyramid(blur(grain, radius=1), grain)


def test_pyramid_distance_of_one_level_is_the_shift_of_a_flat_picture() -> None:
    # Flat pictures of the smallest size have one level; patches hold ±d/2 around the shared mean,
    # so the distance is d·E|Σw| over d/2, where Σw, over a basis of directions w, is almost normal
    # with deviation 1.
    dark, light = torch.full((1, 3, 16, 16), 0.4), torch.full((1, 3, 16, 16), 0.6)
    assert pyramid(dark, light) == pytest.approx(2 * np.sqrt(2 / np.pi), rel=0.2)


def test_brightness_counts_in_the_coarsest_level_only() -> None:
    faint = 0.1 + 0.02 * draw_picture(seed=65, height=64)
    # 64, 32 and 16 pixels: three levels, of which two are bands and do not hold the mean.
    assert pyramid(faint + 0.7, faint) == pytest.approx(2 * np.sqrt(2 / np.pi) / 3, rel=0.2)


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (31, 64)])
def test_small_and_odd_pictures_have_a_pyramid_distance(size: tuple[int, int]) -> None:
    picture = draw_picture(seed=70, height=size[0], width=size[1])
    assert 0 < pyramid(picture, draw_picture(seed=80)) < 2


def test_color_transfer_moves_the_mean_and_stays_a_picture() -> None:
    content, style = draw_picture(seed=90), 0.3 * draw_picture(seed=100) + 0.3
    out = color_transfer(content, style)
    assert out.shape == content.shape
    torch.testing.assert_close(out.mean((2, 3)), style.mean((2, 3)), atol=5e-3, rtol=0)
    stark = color_transfer(content, (content > 0.5).float())
    assert stark.min() == 0
    assert stark.max() == 1

"""What is promised of colours, masks and smoothing, with methods that take no time."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from impasto.core.contract import Frame, Style
from impasto.core.errors import OptionError
from impasto.core.progress import Progress, silent
from impasto.ops.color import luma
from impasto.tiles import Held, tiled
from impasto.wrappers.controls import Controls
from impasto.wrappers.wrapped import Wrapped, colored, repainted

MODES = ["style", "luminance", "linear", "linear-symmetric", "histogram", "content-only-colors"]


def draw(seed: int, height: int = 37, width: int = 50) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand((1, 3, 6, 7), generator=generator)
    large = torch.nn.functional.interpolate(small, (height, width), mode="bilinear")
    large = large + 0.1 * torch.rand((1, 3, height, width), generator=generator)
    return (large.clamp(0, 1) * 255).round() / 255


CONTENT, PAINTED = draw(1), draw(2)


def stylizer(frame: Frame, *, report=silent) -> Tensor:
    """Paints all the same, and shows a small picture on the way."""
    report(Progress("half", 0.5, image=lambda: PAINTED[:, :, ::2, ::2]))
    return PAINTED


def chroma(image: Tensor) -> Tensor:
    """I and Q are combinations of these."""
    return torch.cat([image[:, :1] - image[:, 1:2], image[:, 1:2] - image[:, 2:]], 1)


def moments(image: Tensor) -> Tensor:
    pixels = image.double().flatten(2)[0]
    return torch.cat([pixels.mean(1)[None], torch.cov(pixels, correction=0)])


def test_luminance_takes_the_luminance_and_leaves_chroma_exact_after_rounding() -> None:
    shown = []

    def inner(frame: Frame, *, report=silent) -> Tensor:
        shown.append(frame)
        return PAINTED

    out = Wrapped(inner, Controls(color="luminance"))(Frame(CONTENT, start=PAINTED))
    for picture, own in ((shown[0].content, CONTENT), (shown[0].start, PAINTED)):
        torch.testing.assert_close(picture, luma(own).expand(1, 3, -1, -1))
    rounded = (out * 255).round() / 255
    assert (chroma(rounded) - chroma(CONTENT)).abs().max() <= 1.01 / 255
    # Where the colours have room, the luminance is that which was painted.
    wanted = CONTENT + (luma(PAINTED) - luma(CONTENT))
    free = ((wanted > 0) & (wanted < 1)).all(1, keepdim=True)
    assert free.float().mean() > 0.3
    torch.testing.assert_close(luma(out)[free], luma(PAINTED)[free], atol=1e-5, rtol=0)
    assert 0 <= out.min() <= out.max() <= 1


@pytest.mark.parametrize("color", ["linear", "linear-symmetric"])
def test_after_linear_matching_mean_and_covariance_agree(color: str) -> None:
    for seed in range(5):
        content, style = draw(seed), draw(100 + seed) ** (1 + seed / 2)
        found = colored(Style(style), content, color=color).image  # type: ignore[arg-type]
        assert found is not None
        assert 0 <= found.min() <= found.max() <= 1
        assert (moments(found) - moments(content)).abs().max() < 1e-3
        assert (moments(style) - moments(content)).abs().max() > 5e-3


@pytest.mark.parametrize("color", MODES)
def test_plain_pictures_stay_finite(color: str) -> None:
    plain = [torch.zeros_like(CONTENT), torch.ones_like(CONTENT), CONTENT[:, :1].expand_as(CONTENT)]
    red = torch.tensor([0.9, 0.1, 0.1]).view(1, 3, 1, 1).expand_as(CONTENT)
    for content in (*plain, red, CONTENT):
        for style in (*plain, red, CONTENT):
            found = colored(Style(style), content, color=color).image  # type: ignore[arg-type]
            assert found is not None
            assert found.isfinite().all()
            assert 0 <= found.min() <= found.max() <= 1
            out = repainted([Style(style)], content, strength=1.0)(Frame(content))
            assert out.isfinite().all()


@pytest.mark.parametrize("color", MODES[2:])
def test_a_style_without_its_picture_is_refused(color: str) -> None:
    style = Style(None, measured={"relu1_1.mean": torch.zeros(1)})
    with pytest.raises(OptionError, match=f"color {color} needs the picture of a style"):
        colored(style, CONTENT, color=color)  # type: ignore[arg-type]


def test_colours_of_a_style_without_its_picture_are_refused() -> None:
    style = Style(None, measured={"relu1_1.mean": torch.zeros(1)})
    with pytest.raises(OptionError, match="color content-only-colors needs the picture"):
        repainted([style], CONTENT, strength=1.0)


def test_only_the_colours_of_the_styles_are_taken() -> None:
    style = draw(3) ** 2
    out = repainted([Style(style)], CONTENT, strength=1.0)(Frame(CONTENT))
    assert (moments(out) - moments(style)).abs().max() < 0.02  # But for what is clipped.
    assert torch.equal(repainted([Style(style)], CONTENT, strength=0.0)(Frame(CONTENT)), CONTENT)
    half = torch.zeros(1, 1, 37, 50)
    half[..., :25] = 1
    both = repainted([Style(style), Style(draw(4), weight=3.0)], CONTENT, strength=1.0)
    parts = both(Frame(CONTENT, regions=[half, 1 - half]))
    assert torch.equal(parts[..., :25], out[..., :25])
    one = both(Frame(CONTENT, regions=[half, torch.zeros_like(half)]))
    assert torch.equal(one[..., 25:], CONTENT[..., 25:])
    blended = both(Frame(CONTENT))
    alone = repainted([Style(draw(4))], CONTENT, strength=1.0)(Frame(CONTENT))
    inside = (blended > 0) & (blended < 1) & (out > 0) & (out < 1) & (alone > 0) & (alone < 1)
    torch.testing.assert_close(blended[inside], (0.25 * out + 0.75 * alone)[inside])


def test_nothing_changes_outside_a_mask_and_all_inside() -> None:
    mask = torch.rand((1, 1, 37, 50), generator=torch.Generator().manual_seed(5))
    mask[..., :20], mask[..., 30:] = 0, 1
    for color in ("style", "luminance"):
        controls = Controls(color=color)
        whole = Wrapped(stylizer, controls)(Frame(CONTENT))
        out = Wrapped(stylizer, controls, Held(mask))(Frame(CONTENT))
        assert torch.equal(out[..., :20], CONTENT[..., :20])
        assert torch.equal(out[..., 30:], whole[..., 30:])
        expected = CONTENT + mask * (whole - CONTENT)
        torch.testing.assert_close(out, expected)


def test_pictures_on_the_way_are_finished_too() -> None:
    events: list[Progress] = []
    mask = torch.zeros(1, 1, 37, 50)
    mask[..., 25:] = 1
    Wrapped(stylizer, Controls(), Held(mask))(Frame(CONTENT), report=events.append)
    assert events[0].image is not None
    early = events[0].image()
    assert early.shape == (1, 3, 19, 25)
    assert (early[..., :10] - PAINTED[:, :, ::2, ::2][..., :10]).abs().mean() > 0.05
    painted = PAINTED[:, :, ::2, ::2]
    torch.testing.assert_close(early[..., 15:], painted[..., 15:])


@dataclass
class Negative:
    """A stylizer of one pass: the picture's negative, and noise of its own for smoothing."""

    def passes(self, size: tuple[int, int]) -> list:
        return [self]

    margin, multiple = 0, 8

    def gather(self, frame: Frame, inside: object) -> dict[str, Tensor]:
        return {}

    def change(self, sums: dict[str, Tensor]):
        return lambda frame: 1 - frame.content

    def __call__(self, frame: Frame, *, report=silent) -> Tensor:
        return 1 - frame.content


@pytest.mark.parametrize("color", ["style", "luminance"])
@pytest.mark.parametrize("smooth", [0.0, 0.7])
@pytest.mark.parametrize("masked", [False, True])
def test_tile_by_tile_gives_the_same(color: str, smooth: float, masked: bool) -> None:
    content = draw(6, 83, 101)
    mask = Held(draw(7, 83, 101)[:, :1]) if masked else None
    wrapped = Wrapped(Negative(), Controls(color=color, smooth=smooth), mask)
    whole = wrapped(Frame(content))
    out = Held(torch.zeros_like(content))
    sink = wrapped.finished(out, content=lambda: Held(content))
    tiled(wrapped.passes((83, 101)), wrapped.shown(Held(content)), sink, side=32)
    torch.testing.assert_close(out.image, whole, atol=1e-5, rtol=0)


def test_recolouring_tile_by_tile_gives_the_same() -> None:
    content = draw(6, 83, 101)
    wrapped = Wrapped(repainted([Style(draw(3))], content, strength=0.5), Controls())
    out = Held(torch.zeros_like(content))
    tiled(wrapped.passes((83, 101)), Held(content), out, side=32)
    torch.testing.assert_close(out.image, wrapped(Frame(content)), atol=1e-6, rtol=0)


def test_smoothing_takes_away_what_is_small_and_nothing_at_0() -> None:
    assert torch.equal(Wrapped(stylizer, Controls(smooth=0))(Frame(CONTENT)), PAINTED)
    rough = [
        (out.diff(dim=3).abs().mean() / PAINTED.diff(dim=3).abs().mean()).item()
        for out in (Wrapped(stylizer, Controls(smooth=s))(Frame(CONTENT)) for s in (0.3, 1.0))
    ]
    assert rough[1] < rough[0] < 0.95

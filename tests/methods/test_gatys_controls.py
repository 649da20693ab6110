"""Where, what and how much of each style: the controls of Gatys' method, on small pictures."""

from collections.abc import Sequence
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from impasto.core.contract import Frame, Style
from impasto.core.errors import OptionError
from impasto.core.progress import Progress, Report, silent
from impasto.losses.choices import ContentLoss, StyleLoss, style_losses
from impasto.methods.gatys import Gatys
from impasto.nets.vgg import VGG
from impasto.ops.resample import resize


def draw(height: int = 40, width: int = 56, *, seed: int = 1) -> Tensor:
    """Colours that vary slowly, and grain."""
    generator = torch.Generator().manual_seed(seed)
    slow = torch.rand((1, 3, 5, 6), generator=generator)
    grain = torch.rand((1, 3, height, width), generator=generator)
    return (0.8 * resize(slow, (height, width)) + 0.2 * grain).clamp(0, 1)


CONTENT = draw()
RED, BLUE = (
    (draw(seed=seed) * torch.tensor(tint).view(1, 3, 1, 1)).clamp(0, 1)
    for seed, tint in ((2, (1, 0.2, 0.2)), (3, (0.2, 0.2, 1)))
)
LEFT = torch.zeros(1, 1, 40, 56)
LEFT[..., :28] = 1
every_style_loss = pytest.mark.parametrize("loss", get_args(StyleLoss))


def paint(
    network: VGG,
    *,
    styles: Sequence[Style] = (Style(RED),),
    regions: Sequence[Tensor] = (),
    seed: int = 5,
    report: Report = silent,
    **options: Any,
) -> Tensor:
    method = Gatys(network=network, **{"iterations": 12, "coarsest": 28, **options})
    stylizer = method.prepare(styles, generator=torch.Generator().manual_seed(seed))
    return stylizer(Frame(CONTENT, regions=regions), report=report)


def redness(image: Tensor) -> float:
    return float((image[:, 0] - image[:, 2]).mean())


# --- what is matched -----------------------------------------------------------------------------


@every_style_loss
def test_every_style_loss_comes_closer_by_its_own_measure(eyes: VGG, loss: Any) -> None:
    out = paint(eyes, style_loss=loss, start="noise")
    start = paint(eyes, style_loss=loss, start="noise", iterations=1)

    def far(image: Tensor) -> float:
        layer = "relu3_1"
        wanted, seen = (eyes(picture, [layer]) for picture in (resize(RED, (40, 56)), image))
        known = style_losses(loss, layer, metric=eyes.metric(layer), seed=1, deep=True)
        return sum(weight * float(each(seen, each.measure(wanted))) for weight, each in known)

    assert far(out) < 0.85 * far(start)
    assert torch.equal(out, paint(eyes, style_loss=loss, start="noise"))


@pytest.mark.parametrize("loss", get_args(ContentLoss))
def test_every_content_loss_holds_the_content(eyes: VGG, loss: Any) -> None:
    weak, strong = (paint(eyes, content_loss=loss, strength=s, iterations=10) for s in (0.03, 0.97))
    assert (weak - CONTENT).abs().mean() < 0.8 * (strong - CONTENT).abs().mean()


@every_style_loss
def test_a_blend_lies_between_its_styles(eyes: VGG, loss: Any) -> None:
    found = [
        redness(
            paint(
                eyes,
                styles=[Style(RED, weight), Style(BLUE, 1 - weight)],
                style_loss=loss,
                strength=0.9,
            )
        )
        for weight in (0.99, 0.5, 0.01)
    ]
    assert found[0] > found[1] > found[2]


# --- where ---------------------------------------------------------------------------------------


@every_style_loss
def test_each_region_gets_its_style_and_beyond_them_nothing_changes(eyes: VGG, loss: Any) -> None:
    right = 1 - LEFT
    right[:, :, 30:] = 0
    out, swapped = (
        paint(eyes, styles=styles, regions=[LEFT, right], style_loss=loss, strength=0.9)
        for styles in ((Style(RED), Style(BLUE)), (Style(BLUE), Style(RED)))
    )
    assert redness(out[..., :28]) > redness(swapped[..., :28]) + 0.02
    assert redness(out[:, :, :30, 28:]) < redness(swapped[:, :, :30, 28:]) - 0.02
    assert torch.equal(out[:, :, 30:, 28:], CONTENT[:, :, 30:, 28:])


def test_the_region_of_a_style_is_where_it_is_looked_at(eyes: VGG) -> None:
    both = torch.cat([RED[..., :28], BLUE[..., 28:]], 3)
    red, blue = (
        redness(paint(eyes, styles=[Style(both, region=where)], strength=0.9))
        for where in (LEFT, 1 - LEFT)
    )
    assert red > blue + 0.05


def test_regions_in_all_places_are_no_regions(eyes: VGG) -> None:
    out = paint(eyes, regions=[torch.ones_like(LEFT)])
    assert torch.equal(out, paint(eyes))


def test_a_region_of_nothing_leaves_the_content(eyes: VGG) -> None:
    assert torch.equal(paint(eyes, regions=[0 * LEFT]), CONTENT)


def test_regions_that_do_not_fit_are_refused(eyes: VGG) -> None:
    with pytest.raises(OptionError, match="regions must be one for each of the 1 styles; got 2"):
        paint(eyes, regions=[LEFT, LEFT])
    with pytest.raises(OptionError, match="the region of a style must not be empty"):
        paint(eyes, styles=[Style(RED, region=0 * LEFT)])


# --- how much of each, at which scale ------------------------------------------------------------


def test_a_mix_of_all_is_no_mix(eyes: VGG) -> None:
    styles = [Style(RED), Style(BLUE)]
    assert torch.equal(
        paint(eyes, styles=styles, style_mix=("all", "all")), paint(eyes, styles=styles)
    )


def test_where_a_style_gives_nothing_the_others_give_all(eyes: VGG) -> None:
    """Beside a style that gives no deep layer, the deep layers are those of the other alone."""
    options: dict[str, Any] = {"style_layers": ("relu1_1", "relu3_1"), "grain_weight": 0}
    two = [Style(RED), Style(BLUE)]
    fine = paint(eyes, styles=two, style_mix=("1/0", "0/0.5"), style_weights=(1, 0), **options)
    assert torch.equal(fine, paint(eyes, style_weights=(1, 0), **options))
    deep = paint(eyes, styles=two, style_mix=("1/0", "0/0.5"), style_weights=(0, 1), **options)
    alone = paint(eyes, styles=[Style(BLUE)], style_weights=(0, 1), **options)
    assert torch.equal(deep, alone)
    assert not torch.equal(deep, fine)


def test_fine_strokes_come_from_one_style_and_coarse_ones_from_another(eyes: VGG) -> None:
    """A picture this small is all coarse: a pixel of it is nine of one of 512."""
    two, layers = [Style(RED), Style(BLUE)], ("relu1_1", "relu4_1")
    mixed = paint(eyes, styles=two, style_mix=("fine", "coarse"), style_layers=layers)
    assert torch.equal(mixed, paint(eyes, styles=[Style(BLUE)], style_layers=layers))


@pytest.mark.parametrize(("scale", "sizes"), [(2.0, 3), (1.0, 2), (0.5, 1)])
def test_a_print_climbs_as_its_preview_did(eyes: VGG, scale: float, sizes: int) -> None:
    seen: list[Progress] = []
    paint(eyes, styles=[Style(RED, scale=scale)], report=seen.append)
    assert len({told.size for told in seen}) == sizes


def test_style_scales_are_factors_to_the_style_scale(eyes: VGG) -> None:
    twice = paint(eyes, style_scale=2.0)
    assert torch.equal(paint(eyes, style_scales=(2.0,)), twice)
    assert torch.equal(paint(eyes, style_scale=4.0, style_scales=(0.5,)), twice)
    with pytest.raises(OptionError, match="style_scales must be one for each of the 1 styles"):
        paint(eyes, style_scales=(1.0, 2.0))
    with pytest.raises(OptionError, match="above 0; got -1"):
        paint(eyes, style_scales=(-1.0,))

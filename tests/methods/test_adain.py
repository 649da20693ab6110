"""AdaIN by its formula, with random weights."""

import pytest
import torch
from torch import Tensor

from impasto.core.contract import Frame, Style
from impasto.methods.adain import AdaIN
from impasto.nets import decoder, zoo
from impasto.nets.decoder import FLOOR, STATISTICS, roughened
from impasto.ops.resample import resize
from impasto.universal import matching

pytestmark = pytest.mark.usefixtures("random_weights")


def draw(height: int = 64, width: int = 96, *, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    slow = torch.rand((1, 3, 5, 6), generator=generator)
    grain = torch.rand((1, 3, height, width), generator=generator)
    return (0.7 * resize(slow, (height, width)) + 0.3 * grain).clamp(0, 1)


CONTENT, STYLE = draw(seed=1), draw(96, 64, seed=2) ** 2


def paint(style: Tensor, *, content: Tensor = CONTENT, **options: object) -> Tensor:
    told = {"precision": "float32", "strength": 1.0, "refine": 0, **options}
    method = AdaIN.model_validate(told)
    return method.prepare([Style(style)], generator=torch.Generator())(Frame(content))


@torch.no_grad()
def by_hand(style: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Huang and Belongie, equations 8 and 14, before the detail comes back."""
    network, styled = zoo.load("petit"), decoder.styled()
    seen, wanted = network(roughened(CONTENT), STATISTICS), network(style, STATISTICS)
    scale = iter(styled.scale.split([size for w in (16, 32, 64, 128) for size in (w, w)]))
    adapted, known = {}, []
    for tap in STATISTICS:
        next(scale)
        floor = (FLOOR * next(scale)).square().view(-1, 1, 1)
        f, s = seen[tap][0], wanted[tap][0]
        means = [x.mean((1, 2), keepdim=True) for x in (f, s)]
        deviations = [x.std((1, 2), keepdim=True, correction=0) for x in (f, s)]
        mean = alpha * means[1] + (1 - alpha) * means[0]
        deviation = alpha * deviations[1] + (1 - alpha) * deviations[0]
        gain = ((deviation**2 + floor) / (deviations[0] ** 2 + floor)).sqrt()
        adapted[tap] = (gain * (f - means[0]) + mean)[None]
        known += [mean.flatten(), deviation.flatten()]
    return styled(adapted, styled.modulation(torch.cat(known)[None]))


def test_it_is_the_formula() -> None:
    torch.testing.assert_close(paint(STYLE), by_hand(STYLE).clamp(0, 1), rtol=0, atol=1e-4)


def test_less_than_all_brings_back_the_detail() -> None:
    method = AdaIN(strength=0.4)
    kept = 1 - method.alpha
    expected = by_hand(STYLE, alpha=method.alpha) + kept * (CONTENT - by_hand(roughened(CONTENT)))
    torch.testing.assert_close(paint(STYLE, strength=0.4), expected.clamp(0, 1), rtol=0, atol=1e-4)


@torch.no_grad()
def test_the_contents_own_statistics_give_its_reconstruction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matching, "roughened", lambda image, **_: image)
    network, styled = zoo.load("petit"), decoder.styled()
    features = network(CONTENT, STATISTICS)
    plain = styled(features, styled.modulation(decoder.statistics(features))).clamp(0, 1)
    torch.testing.assert_close(paint(CONTENT), plain, rtol=0, atol=1e-4)
    assert (paint(STYLE) - plain).abs().max() > 0.05


def test_half_precision_is_nearly_the_same() -> None:
    exact = paint(STYLE)
    rough = paint(STYLE, precision="bfloat16")
    assert 0 < (rough - exact).abs().mean() < 0.01

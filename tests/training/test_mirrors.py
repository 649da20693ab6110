"""What is descended, by the formulas of `impasto.losses`."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.core.contract import Frame, Style
from impasto.core.errors import OptionError
from impasto.core.options import build
from impasto.losses.content import Content
from impasto.losses.loss import PIXELS
from impasto.losses.pixels import outside
from impasto.losses.statistics import Grain, Gram
from impasto.methods.wct import WCT
from impasto.nets import decoder, petit, zoo
from impasto.nets.decoder import LEVELS, RETURNED, STATISTICS, roughened, statistics
from impasto.nets.vgg import VGG
from impasto.training import mirrors
from impasto.training.adain import ForAdaIN
from impasto.training.data import Pairs, anywhere
from impasto.training.distances import FLAT
from impasto.training.mirrors import Decode
from impasto.training.shelves import Shelf
from impasto.training.wct import PIXEL_WEIGHTS, TAPS, ForCascade, ForWCT, moved


@pytest.fixture(autouse=True)
def _exact(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mirrors, "bfloat16_is_fast", lambda _: False)


def source(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=source(seed))


class Twice(Pairs):
    """Gives one content and one style, each as often as is asked for."""

    def __init__(self, side: int = 64) -> None:
        self.content, self.style = noise(1, 3, side, side), noise(1, 3, side, side, seed=2) ** 2

    def contents(self, count: int) -> Tensor:
        return self.content.expand(count, -1, -1, -1)

    def styles(self, count: int) -> Tensor:
        return self.style.expand(count, -1, -1, -1)

    mixed = contents


def one(features: dict[str, Tensor]) -> dict[str, Tensor]:
    return {tap: f[:1] for tap, f in features.items()}


def style_distance(eyes: VGG, made: Tensor, style: Tensor, taps: tuple[str, ...]) -> Tensor:
    found, wanted = one(eyes(made, taps)), eyes(style, taps)
    losses = [Gram(tap, eyes.metric(tap)) for tap in taps]
    each = [loss(found, loss.measure(wanted)) for loss in losses]
    return torch.stack(each).mean() / (1 + FLAT)


def content_distance(eyes: VGG, made: Tensor, content: Tensor, tap: str) -> Tensor:
    loss = Content(tap, eyes.metric(tap))
    found, wanted = (loss.measure(one(eyes(x, [tap]))) for x in (made, content))
    varied = wanted - wanted.mean((2, 3), keepdim=True)
    return (found - wanted).square().sum() / varied.square().sum() / (1 + FLAT)


def close(found: dict[str, Tensor], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("step", range(5))
def test_what_is_descended_for_wct(eyes: VGG, step: int):
    pairs, levels = Twice(), (5, 2, 4, 1, 3)
    options = build(Decode, {"method": "wct", "batch": 2, "levels": levels})
    mirror = ForWCT(options, eyes=eyes, generator=source())
    strength = (2 * torch.rand(2, generator=source(7))).clamp_max(1)
    mirror.generator.manual_seed(7)
    level = levels[step]
    taps, tap = TAPS[:level], TAPS[level - 1]
    # With itself for a style a picture keeps its activations, as far as they have full rank.
    made = mirror.decoders[tap](eyes(pairs.content, [tap])[tap])
    losses = mirror.losses(step + len(levels), pairs)
    pull = (2 + strength.sum()) / 4
    expected = {
        "pixels": PIXEL_WEIGHTS[level - 1] * F.mse_loss(made, pairs.content),
        "features": content_distance(eyes, made, pairs.content, tap),
        "grams": 0.3 * pull * style_distance(eyes, made, pairs.content, taps),
        "outside": 10 * outside(made),
    }
    if level < 4:
        close(losses, expected)
    else:
        close({"pixels": losses["pixels"]}, {"pixels": expected["pixels"]})
    torch.stack(list(losses.values())).sum().backward()
    trained = {name for name, p in mirror.network.named_parameters() if p.grad is not None}
    assert {name.partition(".")[0] for name in trained} == {tap}


def test_the_cascade_that_is_trained_is_that_of_the_method(
    eyes: VGG, monkeypatch: pytest.MonkeyPatch
):
    options = build(Decode, {"method": "wct", "together": True, "batch": 2})
    mirror = ForCascade(options, eyes=eyes, teacher=eyes, generator=source())
    monkeypatch.setattr(zoo, "load", lambda *_, **__: eyes)
    monkeypatch.setattr(decoder, "decoders", lambda: mirror.decoders)
    contents, styles = noise(2, 3, 64, 64), noise(2, 3, 64, 64, seed=2) ** 2
    strengths = torch.tensor([1.0, 0.6])
    with torch.no_grad():
        found, beyond, _ = mirror._painted(contents, styles, strengths)
        torch.testing.assert_close(mirror.stylized(contents, styles)[:1], found[:1])
    for i, alpha in enumerate(strengths.tolist()):
        method = build(WCT, {"strength": 1 - (1 - alpha) ** (1 / 3), "refine": 0})
        stylizer = method.prepare([Style(styles[i : i + 1])], generator=source())
        expected = stylizer(Frame(contents[i : i + 1]))
        torch.testing.assert_close(found[i : i + 1], expected, rtol=0, atol=2e-3)
    assert float(beyond) >= 0


def test_what_is_descended_for_the_cascade(eyes: VGG):
    pairs = Twice()
    words = {"method": "wct", "together": True, "batch": 2, "content_weight": 0.2}
    mirror = ForCascade(build(Decode, words), eyes=eyes, teacher=eyes, generator=source())
    mirror.start(pairs, fresh=True)
    mirror.generator.manual_seed(7)
    losses = mirror.losses(1, pairs)
    mirror.generator.manual_seed(7)
    mirror.shelves.draw(2, mirror.generator)
    strength = (2 * torch.rand(2, generator=mirror.generator)).clamp_max(1)
    at = anywhere(mirror.generator)
    style, moves, missed, beyond = [], [], [], []
    for alpha in strength:
        x = pairs.content
        for level in LEVELS:
            tap, inverse = TAPS[level - 1], mirror.decoders[TAPS[level - 1]]
            shown = roughened(x, at=at) if level == LEVELS[0] else x
            f, s = eyes(shown, [tap])[tap], eyes(pairs.style, [tap])[tap]
            again = inverse(f)
            missed.append(PIXEL_WEIGHTS[level - 1] * F.mse_loss(again, x))
            out = inverse(moved(f, s, alpha[None]))
            out = out + (1 - alpha * (1 - RETURNED[level])) * (x - again)
            beyond.append(outside(out))
            x = out.clamp(0, 1)
        style.append(alpha * style_distance(eyes, x, pairs.style, STATISTICS))
        moves.append(content_distance(eyes, x, pairs.content, "relu4_1"))
    means = [torch.stack(each).mean() for each in (style, moves, missed, beyond)]
    names = ("style", "content", "pixels", "outside")
    weights = (1, 0.2, 1, 10)
    close(losses, {n: w * m for n, w, m in zip(names, weights, means, strict=True)})
    torch.stack(list(losses.values())).sum().backward()
    trained = {name for name, p in mirror.network.named_parameters() if p.grad is not None}
    assert {name.partition(".")[0] for name in trained} == {TAPS[level - 1] for level in LEVELS}


def test_activations_are_moved_to_the_moments_of_others_as_far_as_the_strength():
    mixing = noise(2, 5, 5, seed=3)
    content = torch.einsum("nkc,nchw->nkhw", mixing, noise(2, 5, 9, 8))
    style, full = noise(2, 5, 7, 6, seed=2) ** 3, torch.ones(2)
    made = moved(content, style, full)
    assert made.shape == content.shape
    for found, wanted in zip(made.flatten(2), style.flatten(2), strict=True):
        torch.testing.assert_close(found.mean(1), wanted.mean(1))
        torch.testing.assert_close(
            found.cov(correction=0), wanted.cov(correction=0), rtol=1e-3, atol=1e-5
        )
    torch.testing.assert_close(moved(content, content, full), content, rtol=1e-3, atol=1e-4)
    part = moved(content, style, torch.tensor([0.0, 0.25]))
    torch.testing.assert_close(part[0], content[0])
    torch.testing.assert_close(part[1], torch.lerp(content[1], made[1], 0.25))


def test_levels_that_no_decoder_has_are_refused():
    for levels in ((0,), (4, 6)):
        got = ", ".join(map(str, levels))
        with pytest.raises(OptionError, match=f"^levels must be .* from 1 to 5; got {got}$"):
            build(Decode, {"levels": levels})
    with pytest.raises(OptionError, match="levels must"):
        build(Decode, {"levels": ()})


@pytest.mark.parametrize("same", [0.0, 1.0])
def test_what_is_descended_for_adain(eyes: VGG, same: float):
    pairs = Twice()
    options = build(Decode, {"batch": 2, "same_share": same, "content_weight": 0.2})
    mirror = ForAdaIN(options, eyes=eyes, teacher=eyes, generator=source())
    mirror.start(pairs, fresh=True)
    nn.init.normal_(mirror.network.get_parameter("modulate.weight"), std=0.05, generator=source())
    content, style = pairs.content, pairs.content if same else pairs.style

    net, wanted = mirror.network, statistics(eyes(style, STATISTICS))

    def by_hand(at: tuple[int, int]) -> Tensor:
        features = eyes(roughened(content, at=at), STATISTICS)
        return net(net.adapted(features, statistics(features), wanted), net.modulation(wanted))

    torch.testing.assert_close(mirror.stylized(content, style), by_hand((0, 0)).clamp(0, 1))
    mirror.generator.manual_seed(7)
    mirror._drawn()
    made = by_hand(anywhere(mirror.generator))
    mirror.generator.manual_seed(7)
    grain = Grain()
    close(
        mirror.losses(1, pairs),
        {
            "style": style_distance(eyes, made, style, STATISTICS),
            "content": 0.2 * content_distance(eyes, made, content, "relu4_1"),
            "grain": 0.1 * grain({PIXELS: made}, grain.measure({PIXELS: style})),
            "pixels": 20 * same * F.mse_loss(made, content),
            "outside": 10 * outside(made),
        },
    )


def test_the_usual_statistics_are_those_of_styles_unless_weights_are_taken_up(eyes: VGG):
    pairs = Twice(32)
    mirror = ForAdaIN(build(Decode, {"batch": 2}), eyes=eyes, teacher=eyes, generator=source())
    mirror.start(pairs, fresh=False)
    assert torch.equal(mirror.network.scale, torch.ones_like(mirror.network.scale))
    mirror.start(pairs, fresh=True)
    usual = statistics(eyes(pairs.style, STATISTICS))[0]
    expected = usual.clamp_min(0.05 * float(usual.mean()))
    torch.testing.assert_close(mirror.network.scale, expected)


def test_a_shelf_gives_crops_with_their_own_answers_and_forgets_the_oldest(eyes: VGG):
    shelf, x = Shelf(eyes, size=4), noise(6, 3, 32, 32)
    for part in x.split(2):
        shelf.add(part)
    assert torch.equal(shelf.state(), x[2:])
    shown = shelf.draw(8, source())
    assert {tuple(crop.flatten()[:3].tolist()) for crop in shown.crops} <= {
        tuple(crop.flatten()[:3].tolist()) for crop in x[2:]
    }
    features = eyes(shown.crops, petit.TAPS)
    torch.testing.assert_close(shown.deep, features["relu4_1"])
    for tap, grams in zip(STATISTICS, shown.grams, strict=True):
        loss = Gram(tap, eyes.metric(tap))
        torch.testing.assert_close(grams[5], loss.measure({tap: features[tap][5:6]}))

"""WCT by what it promises of features, with random weights."""

from typing import Any

import pytest
import torch
from skimage import data
from torch import Tensor

from impasto.core.contract import Frame, Style
from impasto.core.errors import OptionError
from impasto.core.options import build
from impasto.media.image import from_array
from impasto.methods.wct import WCT
from impasto.nets import decoder, zoo
from impasto.nets.decoder import RETURNED
from impasto.ops.resample import resize
from impasto.ops.stats import RANK
from impasto.universal import matching

BUNDLED = zoo.load
"""Before random weights take its place."""

pytestmark = pytest.mark.usefixtures("random_weights")


def draw(height: int = 64, width: int = 96, *, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    slow = torch.rand((1, 3, 5, 6), generator=generator)
    grain = torch.rand((1, 3, height, width), generator=generator)
    return (0.7 * resize(slow, (height, width)) + 0.3 * grain).clamp(0, 1)


STYLES = [Style(draw(208, 160, seed=2) ** 2, 1.0), Style(1 - draw(160, 224, seed=3), 2.0)]


def paint(*styles: Style, content: Tensor, **options: Any) -> Tensor:
    method: Any = build(WCT, {"precision": "float32", "strength": 1.0, "refine": 0, **options})
    return method.prepare(styles, generator=torch.Generator())(Frame(content))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The features that decoders are handed."""
    handed: list[Tensor] = []
    forward = decoder.Decoder.forward

    def spy(self: decoder.Decoder, features: Tensor) -> Tensor:
        handed.append(features)
        return forward(self, features)

    monkeypatch.setattr(decoder.Decoder, "forward", spy)
    return handed


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    flat = features[0].flatten(1).double()
    return flat.mean(1), flat.cov(correction=0)


def far(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("level", [1, 2, 3])
def test_features_get_the_mean_and_covariance_of_the_style(
    level: int, decoded: list[Tensor]
) -> None:
    # Deeper, random weights leave channels dead, and what a content lacks cannot be coloured.
    content = draw(192, 208)
    paint(STYLES[0], content=content, levels=(level,))
    mean, covariance = moments(decoded[0])
    tap = f"relu{level}_1"
    assert STYLES[0].image is not None
    wanted = moments(zoo.load("petit")(STYLES[0].image, [tap])[tap])
    assert far(mean, wanted[0]) < 1e-3
    assert far(covariance, wanted[1]) < 1e-3


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_so_do_those_of_the_bundled_network_in_what_the_content_varies(
    level: int, decoded: list[Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = BUNDLED("petit")
    monkeypatch.setattr(zoo, "load", lambda *_, **__: network)
    monkeypatch.setattr(matching, "roughened", lambda image, **_: image)
    content, style = from_array(data.astronaut()), resize(from_array(data.coffee()), (352, 512))
    tap = f"relu{level}_1"
    paint(Style(style), content=content, levels=(level,))
    mean, covariance = moments(decoded[0])
    values, vectors = torch.linalg.eigh(moments(network(content, [tap])[tap])[1])
    varied = vectors[:, values > RANK * values[-1]]
    assert varied.shape[1] > 15
    wanted = moments(network(style, [tap])[tap])
    assert far(varied.T @ mean, varied.T @ wanted[0]) < 1e-3
    assert far(varied.T @ covariance @ varied, varied.T @ wanted[1] @ varied) < 1e-3


def test_a_blend_is_that_of_the_coloured_features(decoded: list[Tensor]) -> None:
    content = draw()
    paint(STYLES[0], content=content, levels=(3,))
    paint(STYLES[1], content=content, levels=(3,))
    paint(*STYLES, content=content, levels=(3,))
    one, other, blended = decoded[::2]  # Each followed by the content's own.
    torch.testing.assert_close(blended, one / 3 + 2 * other / 3, rtol=0, atol=1e-4)


def test_strength_mixes_features_and_brings_back_the_detail(decoded: list[Tensor]) -> None:
    content = draw()
    paint(STYLES[0], content=content, levels=(2,))
    out = paint(STYLES[0], content=content, levels=(2,), strength=0.4)
    alpha = WCT(strength=0.4).alpha
    full, _, mixed, own = decoded
    torch.testing.assert_close(mixed, alpha * full + (1 - alpha) * own, rtol=0, atol=1e-4)
    plain = decoder.decoders()["relu2_1"]
    returned = 1 - alpha + alpha * RETURNED[2]
    expected = plain(mixed) + returned * (content - plain(own))
    torch.testing.assert_close(out, expected.detach().clamp(0, 1), rtol=0, atol=1e-4)


def test_levels_work_on_each_others_results_and_the_first_is_shown_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = draw()
    once = paint(STYLES[0], content=content, levels=(4, 2))
    first = paint(STYLES[0], content=content, levels=(4,))
    monkeypatch.setattr(matching, "roughened", lambda image, **_: image)
    assert not torch.equal(first, paint(STYLES[0], content=content, levels=(4,)))
    assert torch.equal(once, paint(STYLES[0], content=first, levels=(2,)))


@pytest.mark.parametrize("levels", [(), (1, 2), (3, 3), (6, 1), (2, 0)])
def test_levels_that_do_not_fall_are_refused(levels: tuple[int, ...]) -> None:
    got = ", ".join(map(str, levels)) or "none"
    sentence = f"levels must be whole numbers from 5 down to 1; got {got}"
    with pytest.raises(OptionError, match=sentence):
        build(WCT, {"levels": levels})


def test_half_precision_is_nearly_the_same() -> None:
    exact, rough = (
        paint(STYLES[0], content=draw(192, 192), levels=(3, 2, 1), precision=precision)
        for precision in ("float32", "bfloat16")
    )
    assert 0 < (rough - exact).abs().mean() < 0.01

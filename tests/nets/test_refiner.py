"""A network that says how to bring a picture nearer to its style."""

from dataclasses import replace

import pytest
import torch
from skimage import data
from torch import Tensor

from impasto.core.contract import Frame, Style
from impasto.core.errors import WeightsError
from impasto.methods import load
from impasto.nets import petit, refiner, zoo
from impasto.nets.decoder import STATISTICS
from impasto.nets.optimizer import MOVE
from impasto.nets.refiner import Refiner, build
from impasto.ops.errors import felt
from impasto.ops.resample import resize
from impasto.ops.stats import gram


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def _shown(*, size=(32, 48)):
    pictures = [_draw(2, 3, *size, seed=i) for i in range(3)]
    widths = [petit.WIDTHS[tap.replace("relu", "conv")] for tap in STATISTICS]
    maps = [_draw(2, w, size[0] >> k, size[1] >> k, seed=10 + k) for k, w in enumerate(widths)]
    errors = [_draw(2, w, w, seed=20 + k) - 0.5 for k, w in enumerate(widths)]
    return *pictures, maps, [e + e.mT for e in errors]


def _far(method, photo, painting):
    """How far the Gram matrices of a result are from those of a painting, seen by petit."""
    eyes = zoo.load("petit")
    style = Style(painting)
    out = method.prepare([style], generator=torch.Generator().manual_seed(0))(Frame(photo))
    found = []
    with torch.no_grad():
        seen, wanted = eyes(out, STATISTICS), eyes(painting, STATISTICS)
    for tap in STATISTICS:
        metric = eyes.metric(tap)
        a, b = (metric @ gram(f[tap]) @ metric.mT for f in (seen, wanted))
        found.append(float((a - b).square().sum() / b.square().sum()))
    return sum(found) / len(found)


def test_a_fresh_network_moves_nothing():
    assert not Refiner()(*_shown()).any()


def test_no_move_holds_a_grid_of_two_pixels():
    network = Refiner().requires_grad_(False)
    network.leave.bias.copy_(torch.arange(12.0))  # Each place of a cell has its own.
    expected = MOVE * torch.arange(12.0).view(1, 3, 4).mean(2)[..., None, None]
    moved = network(*_shown())
    torch.testing.assert_close(moved, expected.expand_as(moved), atol=1e-5, rtol=0)


def test_sizes_are_told_in_units_of_what_is_usual(random_weights):
    network, shown = refiner.bundled(torch.device("cpu")), _shown()
    *pictures, features, errors = shown
    before = network(*shown)
    network.usual[:4] *= 2
    network.usual[4:] *= 3
    after = network(*pictures, [2 * f for f in features], [1.5 * e for e in errors])
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-6)
    assert (network(*shown) - before).abs().max() > 1e-5


def test_activations_and_what_is_missed_are_seen_side_by_side(random_weights):
    network = refiner.bundled(torch.device("cpu"))
    *_, features, errors = _shown()
    for at, name in enumerate(("finest_enter", "fine_enter", "middle_enter", "coarse_enter")):
        f, e, conv = features[at], errors[at], network.get_submodule(name)
        both = [f / network.usual[at], felt(f, e) / network.usual[4 + at]]
        found = network._entered(conv, f, e, at)
        torch.testing.assert_close(found, conv(torch.cat(both, 1)), rtol=1e-4, atol=1e-4)


def test_regions_of_a_picture_are_joined(random_weights):
    """By halves of maps that are linear in what is missed: it is as one with the mean of that."""
    network = refiner.bundled(torch.device("cpu"))
    *pictures, features, errors = _shown()
    single = [x[:1] for x in pictures], [f[:1] for f in features]
    joined = network(*single[0], single[1], errors, joined=lambda maps: maps.mean(0, keepdim=True))
    mean = [e.mean(0, keepdim=True) for e in errors]
    torch.testing.assert_close(joined, network(*single[0], single[1], mean), rtol=1e-4, atol=1e-6)


def test_half_precision_is_nearly_the_same_and_moves_are_float32(random_weights):
    network, shown = refiner.bundled(torch.device("cpu")), _shown()
    exact = network(*shown)
    rough = network.half()(*shown)
    assert rough.dtype == torch.float32
    assert 0 < (rough - exact).abs().mean() < 0.1 * exact.abs().mean()


def test_a_state_comes_back_and_others_are_refused(random_weights):
    network = refiner.bundled(torch.device("cpu"))
    again = build(network.state_dict())
    assert torch.equal(again(*_shown()), network(*_shown()))
    with pytest.raises(WeightsError, match="of no refiner"):
        build({"conv1_1.weight": torch.zeros(1)})
    with pytest.raises(WeightsError, match="of no refiner"):
        build(network.state_dict() | {"enter.weight": torch.zeros(3, 3, 1, 1)})


def test_one_of_another_petit_is_refused(monkeypatch):
    table = zoo.models()
    other = replace(table["petit"], sha256="0" * 64)
    monkeypatch.setattr(zoo, "models", lambda: table | {"petit": other})
    refiner.bundled.cache_clear()
    with pytest.raises(WeightsError, match="another version of petit"):
        refiner.bundled(torch.device("cpu"))


@pytest.mark.parametrize("name", ["adain", "wct"])
def test_moves_of_the_bundled_network_bring_a_picture_nearer_to_its_style(name, monkeypatch):
    # However near it is already.
    monkeypatch.setattr(load(name), "enough", {1: (0.0, 0.0), 2: (0.0, 0.0)})
    monkeypatch.setattr(load(name), "spared", 0.0)
    photo, painting = (
        resize(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255, size)
        for pixels, size in ((data.astronaut(), (192, 192)), (data.coffee(), (128, 192)))
    )
    far = [_far(load(name)(strength=1.0, refine=n), photo, painting) for n in (0, 1, 4)]
    assert far[1] < 0.8 * far[0]
    assert far[2] < 0.9 * far[1]

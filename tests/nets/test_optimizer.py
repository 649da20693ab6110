"""A network that leads descents."""

import copy

import pytest
import torch
from skimage import data
from torch.nn import functional as F

from impasto.core.contract import Frame, Style
from impasto.core.errors import WeightsError
from impasto.methods import load
from impasto.nets import optimizer, zoo
from impasto.nets.optimizer import (
    MOVE,
    WINDOW,
    Leading,
    LearnedOptimizer,
    build,
    without_grid,
)
from impasto.ops.resample import resize
from impasto.optimize import LED, descend


def _picture(*, size=(21, 30), seed=0):
    return torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network():
    made = LearnedOptimizer((4, 5, 6)).requires_grad_(False)
    generator = torch.Generator().manual_seed(1)
    for value in made.parameters():
        value.copy_(0.3 * torch.randn(value.shape, generator=generator))
    return made


def test_a_fresh_network_moves_nothing():
    assert not LearnedOptimizer()(*(_picture(seed=i) for i in range(5))).any()


@pytest.mark.parametrize("size", [(1, 1), (7, 40), (16, 24), (21, 30)])
def test_a_picture_of_any_size_is_moved_in_that_size(network, size):
    moved = network(*(_picture(size=size, seed=i) for i in range(5)))
    assert moved.shape == (1, 3, *size)
    assert moved.dtype == torch.float32
    assert moved.any()


def test_no_move_holds_a_grid_of_two_pixels():
    network = LearnedOptimizer().requires_grad_(False)
    network.leave.bias.copy_(torch.arange(12.0))  # Each place of a cell has its own.
    moved = network(*(_picture(size=(40, 48), seed=i) for i in range(5)))
    expected = MOVE * torch.arange(12.0).view(1, 3, 4).mean(2)[..., None, None]
    torch.testing.assert_close(moved, expected.expand_as(moved), atol=1e-5, rtol=0)


def _without_grid(picture):
    return F.pixel_shuffle(without_grid(F.pixel_unshuffle(picture, 2)), 2)


def test_what_is_smooth_has_no_grid_and_stays():
    down, across = torch.meshgrid(torch.arange(32.0), torch.arange(24.0), indexing="ij")
    slope = (0.3 * down + across / 24).expand(2, 3, 32, 24)
    inside = (..., slice(WINDOW, -WINDOW), slice(8, -8))
    torch.testing.assert_close(_without_grid(slope)[inside], slope[inside])
    for grating in ((-1) ** down, (-1) ** across, (-1) ** (down + across)):
        left = _without_grid(slope + 0.2 * grating)
        torch.testing.assert_close(left, _without_grid(slope), atol=1e-5, rtol=0)


def test_it_is_told_the_last_move_and_how_the_gradient_turned():
    heard = []

    class Moving(LearnedOptimizer):
        def forward(self, *pictures):
            heard.append([each.clone() for each in pictures])
            return pictures[0] * 0.1

    content, first, second = (_picture(seed=i) for i in range(3))
    slopes = [_picture(seed=i) - 0.5 for i in (3, 4)]
    leading = Leading(Moving(), content)
    move = leading(first, slopes[0], 0.5)
    assert torch.equal(move, first * 0.1)
    leading(second, slopes[1], 0.25)
    # Of the logarithm of the loss, for all values together.
    told = [slope * slope.numel() / loss for slope, loss in zip(slopes, (0.5, 0.25), strict=True)]
    nothing = torch.zeros_like(first)
    for given, expected in zip(heard[0], [first, content, told[0], nothing, nothing], strict=True):
        torch.testing.assert_close(given, expected)
    expected = [second, content, told[1], move, told[1] - told[0]]
    for given, wanted in zip(heard[1], expected, strict=True):
        torch.testing.assert_close(given, wanted)


def test_a_state_comes_back_and_others_are_refused(network):
    pictures = [_picture(seed=i) for i in range(5)]
    state = network.state_dict()
    assert torch.equal(build(state)(*pictures), network(*pictures))
    for damaged in ({}, state | {"enter.weight": torch.zeros(4)}):
        with pytest.raises(WeightsError, match="no learned optimizer"):
            build(damaged)


def test_one_of_another_petit_is_refused(monkeypatch):
    models = copy.deepcopy(zoo.models())
    object.__setattr__(models["petit"], "sha256", "0" * 64)
    monkeypatch.setattr(zoo, "models", lambda: models)
    with pytest.raises(WeightsError, match="another version of petit"):
        zoo.load_decoder("optimizer")


def test_it_is_noted_in_recipes():
    with zoo.noted() as found:
        optimizer.bundled(torch.device("cpu"))
    assert found == {"optimizer": zoo.optimizers()["optimizer"].sha256}


def test_its_moves_are_worth_more_than_twice_as_many_steps_of_lbfgs():
    photo = torch.from_numpy(data.coffee()).permute(2, 0, 1)[None].float() / 255
    painting = torch.from_numpy(data.immunohistochemistry()).permute(2, 0, 1)[None].float() / 255
    content, style = resize(photo, (160, 240)), resize(painting, (240, 240))
    stylizer = load("gatys")().prepare([Style(style)], generator=torch.Generator().manual_seed(0))
    objective = stylizer.objective(Frame(content), (160, 240))

    def left(iterations, lead=None):
        losses = []
        descend(
            content,
            objective,
            iterations=iterations,
            lead=lead,
            after=lambda _step, found, _best: losses.append(sum(found.values())),
        )
        return min(losses)

    lead = Leading(optimizer.bundled(torch.device("cpu")), content)
    assert left(LED + 1, lead) < left(2 * LED + 2)


def test_the_network_of_one_device_is_loaded_once():
    device = torch.device("cpu")
    assert optimizer.bundled(device) is optimizer.bundled(device)


def test_it_is_as_precise_as_it_is_asked_to_be(monkeypatch):
    device = torch.device("cpu")
    monkeypatch.setattr(optimizer, "bfloat16_is_fast", lambda _: True)
    assert optimizer.bundled(device).enter.weight.dtype == torch.bfloat16
    assert optimizer.bundled(device, precise=True).enter.weight.dtype == torch.float32

"""Networks of VGG's shape against a stack of torch's own modules."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.core.errors import WeightsError
from impasto.nets import petit, vgg
from impasto.nets.vgg import OPEN, VGG, Padding, Pooling

WIDTHS = {"conv1_1": 3, "conv1_2": 5, "conv2_1": 4, "conv3_1": 7, "conv3_2": 6}
IMAGE = torch.rand((2, 3, 21, 18), generator=torch.Generator().manual_seed(2))


class Both(nn.Module):
    """Averages, then maxima."""

    def forward(self, h: Tensor) -> Tensor:
        windows = F.unfold(h, 2, stride=2).unflatten(1, (h.shape[1], 4))
        found = torch.cat([windows.mean(2), windows.amax(2)], 1)
        return found.unflatten(2, (h.shape[2] // 2, h.shape[3] // 2))


def weights(*, seed: int = 1, pooling: Pooling = "max") -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) / 3

    state = {"input.weight": draw(3, 3, 1, 1), "input.bias": draw(3)}
    channels = 3
    for name, width in WIDTHS.items():
        channels *= 1 + (pooling == "both" and name in ("conv2_1", "conv3_1"))
        state |= {f"{name}.weight": draw(width, channels, 3, 3), f"{name}.bias": draw(width)}
        channels = width
    return state


def by_hand(
    state: dict[str, Tensor], image: Tensor, *, pool: nn.Module, padding: str
) -> dict[str, Tensor]:
    """The same from `nn.Sequential`, its convolutions padding themselves: each ReLU's output."""
    h = torch.einsum("oi,nihw->nohw", state["input.weight"][:, :, 0, 0], image)
    h = h + state["input.bias"].view(3, 1, 1)
    found = {}
    for name, width in WIDTHS.items():
        h = pool(h) if name in ("conv2_1", "conv3_1") else h
        conv = nn.Conv2d(h.shape[1], width, 3, padding=1, padding_mode=padding)
        conv.load_state_dict({part: state[f"{name}.{part}"] for part in ("weight", "bias")})
        h = nn.Sequential(conv, nn.ReLU())(h)
        found[name.replace("conv", "relu")] = h
    return found


@pytest.mark.parametrize(
    ("pooling", "pool"),
    [("max", nn.MaxPool2d(2)), ("average", nn.AvgPool2d(2)), ("both", Both())],
)
@pytest.mark.parametrize("padding", ["reflect", "zeros"])
def test_every_layer_is_that_of_a_stack_of_modules(
    pooling: Pooling, pool: nn.Module, padding: Padding
) -> None:
    state = weights(pooling=pooling)
    expected = by_hand(state, IMAGE, pool=pool, padding=padding)
    network = VGG(state, pooling=pooling, padding=padding)
    assert network.layers == tuple(expected)
    found = network(IMAGE, network.layers)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_without_an_input_map_the_picture_goes_in_as_it_is() -> None:
    state = weights() | {
        "input.weight": torch.eye(3).view(3, 3, 1, 1),
        "input.bias": torch.zeros(3),
    }
    bare = {key: value for key, value in state.items() if not key.startswith("input")}
    found, expected = (VGG(s)(IMAGE, ["relu3_2"])["relu3_2"] for s in (bare, state))
    assert torch.equal(found, expected)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor]]:
    """What comes out of every convolution that runs, and its weight."""
    found: list[tuple[Tensor, Tensor]] = []

    def noted(h: Tensor, weight: Tensor, *rest: Any) -> Tensor:
        found.append((seen(h, weight, *rest), weight))
        return found[-1][0]

    seen = vgg._seen
    monkeypatch.setattr(vgg, "_seen", noted)
    return found


def test_no_layer_runs_that_is_deeper_than_needed(ran: list[tuple[Tensor, Tensor]]) -> None:
    layers = VGG(weights()).walk(IMAGE, ["relu2_1", "relu1_1", "relu2_1"])
    for name, convolutions in (("relu1_1", 1), ("relu2_1", 3)):
        layer, found = next(layers)
        assert layer == name
        assert found is ran[-1][0]
        assert len(ran) == convolutions
    assert list(layers) == []


@pytest.mark.parametrize("padding", ["reflect", "zeros"])
@pytest.mark.parametrize("size", [(21, 18), (16, 16), (9, 2), (4, 1)])
@pytest.mark.parametrize("every", [1, 2])
def test_frozen_weights_give_the_same_gradient_of_a_picture(
    size: tuple[int, int], padding: Padding, every: int
) -> None:
    network = VGG(weights(pooling="both"), pooling="both", padding=padding)
    generator = torch.Generator().manual_seed(3)
    image = torch.rand((2, 3, *size), generator=generator).requires_grad_()
    gradients = []
    for frozen in (False, True):
        network.requires_grad_(not frozen)
        found = network(image, network.layers[every - 1 :: every])
        total = sum((f * f.detach().cos()).sum() for f in found.values())
        gradients += torch.autograd.grad(torch.as_tensor(total), image)
    assert float(gradients[0].abs().max()) > 0
    torch.testing.assert_close(gradients[1], gradients[0])


def test_where_nobody_looks_only_places_are_kept() -> None:
    network = VGG(weights(pooling="both"), pooling="both").requires_grad_(False)
    kept: dict[int, Tensor] = {}

    def note(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x
        return x

    image = IMAGE.clone().requires_grad_()
    last = network.layers[-1]
    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        (looked_at,) = network(image, [last]).values()
    own = {p.untyped_storage().data_ptr() for p in network.parameters()}
    maps = [x for at, x in kept.items() if at not in own]
    large = [x for x in maps if x.dtype not in (torch.bool, torch.int32)]
    assert [x.shape for x in large] == [looked_at.shape]
    assert sum(x.dtype == torch.bool for x in maps) == len(network.layers) - 1


def test_of_frozen_weights_only_what_comes_out_is_kept() -> None:
    network = VGG(weights(pooling="average"), pooling="average").requires_grad_(False)
    kept: dict[int, int] = {}

    def note(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    image = IMAGE.clone().requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        found = network(image, network.layers)
    maps = sum(f.untyped_storage().nbytes() for f in found.values())
    own = sum(p.untyped_storage().nbytes() for p in network.parameters())
    assert sum(kept.values()) <= maps + own


@pytest.mark.parametrize(
    "size", [(16, 16), (17, 17), (16, 64), (10, 128), (1, 40), (40, 3), (2, 2), (1, 1)]
)
def test_tiny_and_thin_pictures_reach_every_tap(size: tuple[int, int]) -> None:
    network = VGG(petit.initial_state(torch.Generator().manual_seed(1)), pooling=petit.POOLING)
    image = torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(2)).requires_grad_()
    found = network(image, network.layers)
    for name, f in found.items():
        halvings = int(name[4]) - 1
        assert f.shape[2:] == tuple(max(1, side >> halvings) for side in size)
        assert f.isfinite().all()
    (gradient,) = torch.autograd.grad(found["relu5_1"].square().sum(), image)
    assert gradient.abs().sum() > 0


def test_a_flat_picture_is_flat_at_every_layer(eyes: VGG) -> None:
    flat = torch.tensor([0.2, 0.7, 0.4]).view(1, 3, 1, 1).expand(1, 3, 48, 40)
    for name, f in eyes(flat, eyes.layers).items():
        # Reflection draws no frame; zeros would.
        torch.testing.assert_close(f, f[..., :1, :1].expand_as(f), msg=name)


@torch.no_grad()
def test_half_precision_is_close_and_keeps_the_input_map_exact() -> None:
    state = petit.initial_state(torch.Generator().manual_seed(1))
    full, half = VGG(state, pooling="both"), VGG(state, pooling="both").half()
    assert half.input.weight.dtype == torch.float32
    f, h = full(IMAGE, petit.TAPS), half(IMAGE, petit.TAPS)
    for tap in petit.TAPS:
        assert h[tap].dtype == torch.bfloat16
        far = (h[tap].float() - f[tap]).square().sum() / f[tap].square().sum()
        assert 0 < float(far) < 1e-3


def test_a_metric_is_on_the_device_of_the_weights() -> None:
    network = VGG(weights() | {"metric.relu1_1": torch.eye(3).half()})
    metric = network.metric("relu1_1")
    assert metric is not None
    assert metric.dtype == torch.float32
    assert torch.equal(metric, torch.eye(3))
    assert network.metric("relu1_2") is None
    there = network.to("meta").metric("relu1_1")
    assert there is not None
    assert there.device.type == "meta"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"conv2_1.weight": torch.ones(4, 3, 3, 3)}, r"conv2_1.weight must be \(O, 5, 3, 3\)"),
        ({"conv2_1.weight": torch.ones(4, 5, 5, 5)}, r"conv2_1.weight must be \(O, 5, 3, 3\)"),
        ({"conv2_1.weight": torch.tensor(1.0)}, r"conv2_1.weight must be .*; got \(\)"),
        ({"conv1_1.weight": torch.ones(3, 1, 3, 3)}, r"conv1_1.weight must be \(O, 3, 3, 3\)"),
        ({"conv2_1.bias": torch.ones(5)}, r"conv2_1.bias must be \(4,\); got \(5,\)"),
        ({"conv2_1.bias": None}, r"conv2_1.bias must be \(4,\); got none"),
        ({"input.weight": torch.ones(3, 3, 3, 3)}, r"input.weight must be \(O, 3, 1, 1\)"),
        ({"input.weight": torch.ones(4, 3, 1, 1)}, "input.weight must be"),
        ({"input.bias": torch.ones(1)}, r"input.bias must be \(3,\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: dict[str, Tensor | None], words: str) -> None:
    changed = weights() | change
    state = {key: value for key, value in changed.items() if value is not None}
    with pytest.raises(WeightsError, match=words):
        VGG(state)


def test_weights_without_a_convolution_are_refused() -> None:
    with pytest.raises(WeightsError, match="no convolution named convX_Y in the weights"):
        VGG({"features.0.weight": torch.ones(3, 3, 3, 3)})


def test_petit_costs_what_it_says(ran: list[tuple[Tensor, Tensor]]) -> None:
    network, side = VGG(petit.initial_state(torch.Generator().manual_seed(1)), pooling="both"), 64
    network(torch.rand(1, 3, side, side), petit.TAPS)
    macs = sum(out[0].numel() * weight[0].numel() for out, weight in ran)
    assert macs / side**2 == petit.multiply_adds() <= 16_000
    assert sum(p.numel() for p in network.parameters()) < 1e6  # 2 MB in fp16


def held(goals: dict[str, torch.Tensor]):
    """Pulls that do not ask for the activations."""
    return {tap: lambda _, goal=goal: goal for tap, goal in goals.items()}


def test_a_gentle_gradient_is_that_of_windows_and_of_open_relus():
    """By hand: a maximum's to all of its window, a ReLU's by how far it is open."""
    generator = torch.Generator().manual_seed(0)
    state = petit.initial_state(generator)
    net = VGG(state, pooling="both").requires_grad_(requires_grad=False)
    image = torch.rand((1, 3, 12, 16), generator=generator)
    seen = net(image, net.down_to(["relu2_1"]))
    goals = {
        tap: torch.randn(seen[tap].shape, generator=generator) for tap in ("relu1_1", "relu2_1")
    }
    gradient = net.back(seen, held(goals))

    class Gate(torch.autograd.Function):
        @staticmethod
        def forward(ctx, h):
            out = h.relu()
            ctx.save_for_backward(out)
            return out

        @staticmethod
        def backward(ctx, g):
            return g * (ctx.saved_tensors[0] / OPEN).clamp(max=1)

    def step(h, name):
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return Gate.apply(F.conv2d(F.pad(h, (1, 1, 1, 1), mode="reflect"), weight, bias))

    y = image.clone().requires_grad_()
    first = step(net._mapped(y), "conv1_1")
    h = step(first, "conv1_2")
    mean = F.avg_pool2d(h, 2)
    top = mean + (F.max_pool2d(h, 2) - mean).detach()
    deep = step(torch.cat([mean, top], 1), "conv2_1")
    (wanted,) = torch.autograd.grad([first, deep], y, [*goals.values()])
    torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(12, 16), (13, 19), (1, 9), (2, 3)])
@pytest.mark.parametrize("padding", ["reflect", "zeros"])
@pytest.mark.parametrize("deepest", ["relu2_1", "relu3_1"])
def test_a_gentle_gradient_is_exact_where_all_is_open(size, padding, deepest):
    generator = torch.Generator().manual_seed(0)
    state = petit.initial_state(generator)
    # Averages have half of the channels of both; without a weight below 0 every ReLU is open.
    for key, value in state.items():
        half = key.endswith("_1.weight") and value.shape[1] > 3
        state[key] = value.abs()[:, : value.shape[1] // (1 + half)] if value.ndim > 1 else value + 9
    net = VGG(state, pooling="average", padding=padding).requires_grad_(requires_grad=False)
    net, double = net.double(), torch.float64
    image = torch.rand((2, 3, *size), generator=generator, dtype=double).requires_grad_()
    seen = net(image, net.down_to([deepest]))
    assert all(bool((f > OPEN).all()) for f in seen.values())
    pulls = {
        tap: torch.randn(seen[tap].shape, generator=generator, dtype=double)
        for tap in ("relu1_2", deepest)
    }
    (exact,) = torch.autograd.grad([seen[tap] for tap in pulls], image, [*pulls.values()])
    torch.testing.assert_close(net.back(seen, held(pulls)), exact, rtol=1e-9, atol=1e-9)
    # What takes the memory is gone, what may be looked at again is there.
    assert seen.keys() == pulls.keys()


def test_a_gentle_gradient_changes_little_where_the_picture_does():
    generator = torch.Generator().manual_seed(0)
    net = VGG(petit.initial_state(generator), pooling="both").requires_grad_(requires_grad=False)
    image = torch.full((1, 3, 16, 16), 0.8)  # All of a window are nearly its largest.
    goal = torch.randn((1, 32, 8, 8), generator=generator)
    change = {}
    for gentle in (False, True):
        gradients = []
        for seed in (1, 2):
            noise = torch.rand(image.shape, generator=torch.Generator().manual_seed(seed))
            x = (image + 1e-5 * noise).requires_grad_()
            found = net(x, net.down_to(["relu2_1"]))
            exact = torch.autograd.grad(found["relu2_1"], x, goal, retain_graph=True)[0]
            gradients.append(net.back(found, held({"relu2_1": goal})) if gentle else exact)
        change[gentle] = float((gradients[0] - gradients[1]).abs().max() / gradients[0].abs().max())
    assert change[True] < 1e-2 < change[False]

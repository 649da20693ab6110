"""Gatys' method by what it promises, on small pictures and a network with random weights."""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from impasto import painted
from impasto.core.contract import Frame, Style
from impasto.core.errors import OptionError
from impasto.core.progress import Progress
from impasto.features import STYLE_LAYERS, Hooked, Network
from impasto.losses.content import Content
from impasto.losses.pixels import total_variation
from impasto.losses.statistics import Gram
from impasto.media.image import from_array
from impasto.methods.gatys import Gatys, content_weight
from impasto.nets import petit, zoo
from impasto.nets.vgg import VGG
from impasto.ops.resample import mirror, resize

TEACHER = Path(__file__).parents[3] / "shared" / "teacher"
EXACT = TEACHER / "vgg19_conv1_1_to_conv4_1.safetensors"


def draw(height: int = 40, width: int = 56, *, seed: int = 1) -> Tensor:
    """Colours that vary slowly, and grain."""
    generator = torch.Generator().manual_seed(seed)
    slow = torch.rand((1, 3, 5, 6), generator=generator)
    grain = torch.rand((1, 3, height, width), generator=generator)
    return (0.8 * resize(slow, (height, width)) + 0.2 * grain).clamp(0, 1)


CONTENT, STYLE, OTHER = draw(seed=1), draw(48, 40, seed=2) ** 2, 1 - draw(32, 64, seed=3)


def paint(
    network: Network | str,
    *,
    content: Tensor = CONTENT,
    styles: Sequence[Style] = (Style(STYLE),),
    picture: Tensor | None = None,
    seed: int = 5,
    report: Any = lambda _: None,
    **options: Any,
) -> Tensor:
    method = Gatys(network=network, **{"iterations": 8, "coarsest": 28, **options})
    stylizer = method.prepare(styles, generator=torch.Generator().manual_seed(seed))
    return stylizer(Frame(content, picture), report=report)


@torch.no_grad()
def distances(network: Network, out: Tensor, *, style: Tensor = STYLE) -> tuple[float, float]:
    """Style and content distance of a picture, the style at its scale, all in surroundings."""
    scaled = resize(style, (round(48 * 56 / 48), round(40 * 56 / 48)))
    out, scaled, kept = (mirror(x, margin=8, multiple=16) for x in (out, scaled, CONTENT))
    seen, wanted = network(out, STYLE_LAYERS), network(scaled, STYLE_LAYERS)
    losses = [Gram(layer, network.metric(layer)) for layer in STYLE_LAYERS]
    far = sum(float(loss(seen, loss.measure(wanted))) for loss in losses) / len(losses)
    content = Content("relu4_2", network.metric("relu4_2"))
    target = content.measure(network(kept, ["relu4_2"]))
    return far, float(content(network(out, ["relu4_2"]), target))


def difference(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().mean())


# --- strength ------------------------------------------------------------------------------------


def test_strength_0_returns_the_content_bit_for_bit(eyes: VGG) -> None:
    out = paint(eyes, strength=0, start="noise")
    assert torch.equal(out, CONTENT)
    assert out.data_ptr() != CONTENT.data_ptr()


def test_more_strength_is_more_style_and_less_content(eyes: VGG) -> None:
    found = [
        distances(eyes, paint(eyes, strength=strength, iterations=48, coarsest=56))
        for strength in (0.25, 0.5, 0.75, 1)
    ]
    style, content = zip(*[distances(eyes, CONTENT), *found], strict=True)
    # Near the floor a descent this short leaves a few per cent to chance.
    assert all(after < 1.05 * before for before, after in pairwise(style))
    assert list(content) == sorted(content)
    assert content[0] == 0
    assert style[-1] < 0.5 * style[0]


def test_the_weight_of_content_falls_with_strength_to_a_trace() -> None:
    content = [content_weight(s / 100) for s in range(1, 101)]
    assert content == sorted(content, reverse=True)
    # Each quarter of the way takes at least four tenths of the weight, and leaves a trace.
    quarters = [content_weight(s) for s in (0.25, 0.5, 0.75, 1.0)]
    assert all(b <= 0.61 * a for a, b in pairwise(quarters))
    assert 0 < content[-1] <= 0.03


# --- styles --------------------------------------------------------------------------------------


# Few steps, because a maximum that changes places makes two descents part for good.
@pytest.mark.parametrize("loss", ["gram", "covariance"])
def test_a_style_of_next_to_no_weight_changes_next_to_nothing(eyes: VGG, loss: str) -> None:
    options = {"style_loss": loss, "optimizer": "adam", "iterations": 4}
    alone = paint(eyes, **options)
    beside = paint(eyes, styles=[Style(STYLE), Style(OTHER, 1e-6)], **options)
    half = paint(eyes, styles=[Style(STYLE), Style(OTHER)], **options)
    assert difference(alone, beside) < 1e-4
    assert difference(alone, half) > 1e-2


def test_only_shares_of_weights_count(eyes: VGG) -> None:
    some = paint(eyes, styles=[Style(STYLE, 1.0), Style(OTHER, 3.0)])
    same = paint(eyes, styles=[Style(STYLE, 0.5), Style(OTHER, 1.5)])
    assert torch.equal(some, same)


def test_two_equal_styles_are_one(eyes: VGG) -> None:
    out = paint(eyes, styles=[Style(STYLE), Style(STYLE)])
    assert difference(out, paint(eyes)) < 1e-3


def test_the_style_scale_is_that_of_the_style_beside_the_result(eyes: VGG) -> None:
    # At half the scale a style is seen as if it came in half the size.
    small = resize(STYLE, (28, 23))
    out = paint(eyes, style_scale=0.5, coarsest=56)
    assert difference(out, paint(eyes, styles=[Style(small)], style_scale=0.5, coarsest=56)) < 1e-3
    assert difference(out, paint(eyes, coarsest=56)) > 1e-3


def test_no_style_is_refused(eyes: VGG) -> None:
    with pytest.raises(OptionError, match="at least one style is needed"):
        paint(eyes, styles=[])


# --- where it begins -----------------------------------------------------------------------------


def first(network: VGG, **options: Any) -> Tensor:
    """The picture at which the descent begins."""
    seen: list[Tensor] = []

    def report(progress: Progress) -> None:
        assert progress.image is not None
        seen.append(progress.image())

    paint(network, report=report, iterations=1, coarsest=56, **options)
    return seen[0]


def test_the_descent_begins_where_it_is_told(eyes: VGG) -> None:
    size = CONTENT.shape[2:]
    picture = draw(70, 30, seed=9)
    assert torch.equal(first(eyes), CONTENT)
    assert torch.equal(first(eyes, start="style"), resize(STYLE, tuple(size)))
    assert torch.equal(first(eyes, picture=picture), resize(picture, tuple(size)))
    noise = first(eyes, start="noise")
    assert noise.std() > 0.25
    assert torch.equal(first(eyes, start="noise"), noise)
    assert not torch.equal(first(eyes, start="noise", seed=6), noise)


# --- every option --------------------------------------------------------------------------------


def losses(network: Network | str, **options: Any) -> list[dict[str, float]]:
    """What was reported, step by step."""
    heard: list[dict[str, float]] = []
    paint(network, report=lambda p: heard.append(p.losses), **options)
    return heard


def test_every_term_is_reported_with_its_weight(eyes: VGG) -> None:
    one, two = (
        losses(
            eyes,
            iterations=1,
            coarsest=56,
            style_layers=("relu2_1", "relu1_1"),
            style_weights=weights,
            content_layers=("relu3_1", "relu4_1"),
            start="noise",
            tv_weight=tv_weight,
        )[0]
        for weights, tv_weight in ((None, 1.0), ((3.0, 1.0), 2.0))
    )
    assert set(one) >= {"style relu2_1", "style relu1_1", "content relu3_1", "content relu4_1"}
    assert two["style relu2_1"] == pytest.approx(one["style relu2_1"] * 0.75 / 0.5)
    assert two["style relu1_1"] == pytest.approx(one["style relu1_1"] * 0.25 / 0.5)
    assert two["content relu3_1"] == one["content relu3_1"]
    assert two["total variation"] == pytest.approx(2 * one["total variation"])
    assert one["total"] == pytest.approx(sum(one.values()) - one["total"])


LAYERS = ", ".join(name.replace("conv", "relu") for name in petit.WIDTHS)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"style_layers": ("relu1_1", "conv9_1")},
            f"style_layers must be among {LAYERS}; got conv9_1",
        ),
        ({"content_layers": ()}, f"content_layers must be among {LAYERS}; got none"),
        (
            {"style_layers": ("relu1_1", "relu2_1"), "style_weights": (1.0,)},
            "style_weights must be one for each of the layers relu1_1, relu2_1, none below 0, "
            "not all 0; got 1",
        ),
        (
            {"content_weights": (-1.0,)},
            "content_weights must be one for each of the layers relu4_2, none below 0, "
            "not all 0; got -1",
        ),
        (
            {"content_weights": (0.0,)},
            "content_weights must be one for each of the layers relu4_2, none below 0, "
            "not all 0; got 0",
        ),
        ({"pooling": "max"}, "pooling can be chosen for a network of weights only"),
    ],
)
def test_layers_and_weights_that_do_not_fit_are_refused_in_one_sentence(
    eyes: VGG, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(OptionError) as refusal:
        paint(eyes, **options)
    assert str(refusal.value) == sentence


def test_total_variation_smooths(eyes: VGG) -> None:
    rough, smooth = (
        float(total_variation(paint(eyes, tv_weight=weight, iterations=12))) for weight in (0, 30)
    )
    assert smooth < 0.7 * rough


def test_adam_descends_too(eyes: VGG) -> None:
    out = paint(eyes, optimizer="adam", iterations=30, coarsest=56)
    assert distances(eyes, out)[0] < 0.7 * distances(eyes, CONTENT)[0]
    assert not torch.equal(
        out, paint(eyes, optimizer="adam", rate=0.01, iterations=30, coarsest=56)
    )


@pytest.mark.parametrize("start", ["content", "noise"])
def test_a_network_leads_at_each_size_of_any_network_that_looks(eyes: VGG, start: str) -> None:
    with zoo.noted() as known:
        out = paint(eyes, optimizer="learned", start=start, iterations=40, coarsest=28)
    assert known.keys() == {"optimizer"}
    alone = paint(eyes, start=start, iterations=40, coarsest=28)
    assert not torch.equal(out, alone)
    assert distances(eyes, out)[0] < 1.5 * distances(eyes, alone)[0]


def test_normalised_gradients_descend_too(eyes: VGG) -> None:
    def run(**options: Any) -> Tensor:
        options = {"optimizer": "adam", "iterations": 30, "coarsest": 56, **options}
        options["style_loss"] = "gram"  # Which is what `distances` measures.
        return paint(eyes, normalize_gradients=True, **options)

    weak, strong = distances(eyes, run(strength=0.2)), distances(eyes, run(strength=0.9))
    assert max(weak[0], strong[0]) < 0.6 * distances(eyes, CONTENT)[0]
    assert weak[1] < strong[1]


@pytest.mark.parametrize("strength", [0.3, 0.8])
def test_a_normalised_gradient_is_as_long_as_the_weight_of_its_term(
    eyes: VGG, strength: float
) -> None:
    lengths: list[float] = []

    class Watched:
        """The same eyes; the gradient that comes back to their deepest layer is measured."""

        layers, metric = eyes.layers, eyes.metric

        def __call__(self, image: Tensor, taps: Iterable[str]) -> dict[str, Tensor]:
            found = eyes(image, taps)
            if image.requires_grad:
                found["relu5_1"].register_hook(lambda g: lengths.append(float(g.abs().sum())))
            return found

    def run(**options: Any) -> float:
        lengths.clear()
        options = {"start": "noise", "iterations": 1, "coarsest": 56, **options}
        paint(Watched(), normalize_gradients=True, strength=strength, **options)
        return lengths[0]

    content = content_weight(strength)
    shallow = run(style_layers=("relu1_1",), content_layers=("relu5_1",))
    assert shallow == pytest.approx(content, rel=1e-4)
    layers = {"style_layers": ("relu1_1", "relu5_1"), "style_weights": (1.0, 3.0)}
    assert run(**layers, content_layers=("relu4_2",)) == pytest.approx(0.75, rel=1e-4)


def test_steps_fall_to_sizes_and_the_total_falls(eyes: VGG) -> None:
    heard: list[Progress] = []
    paint(eyes, iterations=20, coarsest=14 * 2, report=heard.append)
    assert {p.size for p in heard} == {(20, 28), (40, 56)}
    totals = [p.losses["total"] for p in heard if p.losses and p.size == (20, 28)]
    assert min(totals) < 0.7 * totals[0]
    assert heard[-1].done == pytest.approx(1)


def test_a_stop_by_the_report_comes_through(eyes: VGG) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paint(eyes, report=stop)


def test_a_stylizer_serves_several_frames(eyes: VGG) -> None:
    method = Gatys(network=eyes, iterations=6, coarsest=28)
    stylizer = method.prepare([Style(STYLE)], generator=torch.Generator().manual_seed(5))
    outs = [stylizer(Frame(content)) for content in (CONTENT, OTHER, CONTENT)]
    assert torch.equal(outs[0], outs[2])
    assert outs[1].shape == OTHER.shape


# --- networks ------------------------------------------------------------------------------------


def plain() -> dict[str, torch.Tensor]:
    """The weights of a network of petit's widths that hands on one value a channel."""
    state, narrow = petit.initial_state(torch.Generator().manual_seed(3)), {}
    for key, value in state.items():
        doubled = key.endswith("_1.weight") and not key.startswith("conv1")
        narrow[key] = value.chunk(2, 1)[0].contiguous() if doubled else value
    return narrow


def write(path: Path) -> str:
    """A file with such a network."""
    save_file(plain(), path, {"pooling": "average"})
    return str(path)


def test_a_file_is_a_network_with_either_pooling(tmp_path: Path) -> None:
    name, state = write(tmp_path / "eyes.safetensors"), plain()
    for pooling in ("average", "max"):
        expected = paint(VGG(state, pooling=pooling).requires_grad_(False))
        assert torch.equal(paint(name, pooling=pooling, precision="float32"), expected)
    own = paint(name, precision="float32")
    assert torch.equal(own, paint(VGG(state, pooling="average").requires_grad_(False)))
    assert not torch.equal(own, expected)


def test_bfloat16_is_close_to_float32(tmp_path: Path) -> None:
    name = write(tmp_path / "eyes.safetensors")
    full, half = (paint(name, precision=p, iterations=4) for p in ("float32", "bfloat16"))
    assert 0 < difference(full, half) < 0.02


def test_the_network_goes_where_the_pictures_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = Gatys(network=write(tmp_path / "eyes.safetensors"), precision="float32")
    loaded: list[VGG] = []
    load = zoo.load

    def kept(*args: Any, **options: Any) -> VGG:
        loaded.append(load(*args, **options))
        return loaded[-1]

    monkeypatch.setattr(zoo, "load", kept)
    method.prepare([Style(STYLE.to("meta"))], generator=torch.Generator())
    assert {parameter.device.type for parameter in loaded[0].parameters()} == {"meta"}


def test_any_module_is_a_network_by_its_layer_names(eyes: VGG) -> None:
    """The same network twice: our class without metrics, and plain modules that are hooked."""
    state = plain()
    parts: dict[str, nn.Module] = {"input": nn.Conv2d(3, 3, 1)}
    channels = 3
    for name, width in list(petit.WIDTHS.items())[:4]:
        if name == "conv2_1":
            parts["pool"] = nn.AvgPool2d(2)
        parts[name] = nn.Conv2d(channels, width, 3, padding=1, padding_mode="reflect")
        parts[name.replace("conv", "relu")] = nn.ReLU(inplace=True)
        channels = width
    module = nn.Sequential()
    for name, part in parts.items():
        module.add_module(name, part)
    module.load_state_dict(
        {key: value for key, value in state.items() if key in module.state_dict()}
    )
    layers = {"style_layers": ("relu1_1", "relu2_1"), "content_layers": ("relu2_2",)}
    hooked = paint(Hooked(module), **layers, iterations=3)
    assert difference(hooked, paint(VGG(state, pooling="average"), **layers, iterations=3)) < 1e-3
    usual = {"style_layers": ("relu1_1", "relu2_1"), "content_layers": ("relu2_1",)}
    chosen = paint(Hooked(module), iterations=3)
    assert torch.equal(chosen, paint(Hooked(module), **usual, iterations=3))
    # A module as it is will do.
    assert torch.equal(chosen, paint(module, iterations=3))


@pytest.mark.skipif(not EXACT.is_file(), reason="the exact layers of VGG-19 are not here")
def test_the_exact_layers_of_vgg_serve_as_a_network() -> None:
    network = zoo.load(EXACT)
    assert network.layers[-1] == "relu4_1"
    heard = losses(str(EXACT), iterations=6, coarsest=56)
    assert set(heard[0]) >= {f"style relu{i}_1" for i in range(1, 5)} | {"content relu4_1"}
    assert heard[-1]["total"] < 0.8 * heard[0]["total"]


@pytest.mark.skipif(not zoo.models()["petit"].path.is_file(), reason="petit is not bundled yet")
def test_petit_paints(eyes: VGG) -> None:
    network = zoo.load("petit")
    assert set(network.metrics) == set(petit.TAPS)
    out = paint("petit", iterations=16)
    assert distances(network, out)[0] < 0.7 * distances(network, CONTENT)[0]


# --- the same twice ------------------------------------------------------------------------------

PROGRAM = """
import hashlib, sys
import torch
torch.set_num_threads(2)
from impasto import painted
from impasto.core.contract import Frame, Style
from impasto.methods.gatys import Gatys
from impasto.nets import petit
from impasto.nets.vgg import VGG

eyes = VGG(petit.initial_state(torch.Generator().manual_seed(3)), pooling=petit.POOLING)
draw = torch.Generator().manual_seed(1)
content, style = torch.rand((2, 1, 3, 40, 56), generator=draw)
method = Gatys(network=eyes, iterations=4, coarsest=28, start="noise")
out = method.prepare([Style(style)], generator=torch.Generator().manual_seed(5))(Frame(content))
sys.stdout.write(hashlib.sha256(out.contiguous().numpy().tobytes()).hexdigest())
"""


def test_two_processes_paint_the_same_bytes() -> None:
    command = [sys.executable, "-c", PROGRAM]
    # Threads that sleep while they wait do not mind busy cores.
    waiting = os.environ | {"OMP_WAIT_POLICY": "passive"}
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=waiting) for _ in range(2)
    ]
    one, two = (run.communicate(timeout=120)[0] for run in runs)
    assert len(one) == 64
    assert one == two


@pytest.mark.skipif(not zoo.models()["petit"].path.exists(), reason="petit is not bundled")
@pytest.mark.parametrize("size", [(77, 95), (64, 95), (79, 79)])
def test_the_border_is_painted_as_the_middle_is(size: tuple[int, int]) -> None:
    # Without mirrored surroundings the border of this picture is 0.011 brighter than its middle.
    style = Style(from_array(painted.paint("swirl", width=96, height=72)))
    flat = torch.full((1, 3, *size), 0.5)
    out = paint("petit", content=flat, styles=[style], iterations=140, coarsest=32)
    middle = out[:, :, 16:-16, 16:-16].mean((2, 3))
    border = out.clone()
    border[:, :, 5:-5, 5:-5] = torch.nan
    assert (border.nanmean((2, 3)) - middle).abs().max() < 0.004

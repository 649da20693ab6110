"""The judge on rows whose numbers are known in advance."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from impasto.core.errors import MediaError, WeightsError
from impasto.evaluate.compare import Row, Verdict, judge, summarise
from impasto.evaluate.metrics import STYLE_LAYERS, roughness, style_distance
from impasto.nets.vgg import VGG

TEACHER = Path(__file__).parents[3] / "shared/teacher/vgg19_conv1_1_to_conv4_1.safetensors"


def draw(*, seed: int, height: int = 40, width: int = 56) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    blobs = F.interpolate(
        torch.rand(1, 3, 4, 5, generator=generator), (height, width), mode="bicubic"
    )
    grain = torch.rand(1, 3, height, width, generator=generator)
    return (0.8 * blobs + 0.2 * grain).clamp(0, 1)


def random_network(*, depth: int = 4) -> VGG:
    """VGG's first layers of each stage with random weights; any eyes obey the invariants."""
    generator = torch.Generator().manual_seed(0)
    state: dict[str, Tensor] = {}
    for stage, (inside, outside) in enumerate([(3, 6), (6, 8), (8, 10), (10, 12)][:depth], 1):
        weight = torch.randn(outside, inside, 3, 3, generator=generator)
        state[f"conv{stage}_1.weight"] = weight / (3 * inside**0.5)
        state[f"conv{stage}_1.bias"] = torch.full((outside,), 0.05)
    return VGG(state, padding="zeros")


def judged(out: Tensor, content: Tensor, style: Tensor, *, style_scale: float = 1.0) -> Verdict:
    return judge(
        out,
        content,
        style=style,
        network=random_network(),
        style_scale=style_scale,
        generator=torch.Generator().manual_seed(0),
    )


def test_the_content_copied_is_at_its_own_row() -> None:
    content = draw(seed=1)
    verdict = judged(content, content, draw(seed=2))
    assert verdict.copied.content == 0
    assert verdict.copied.ratio == 1
    assert verdict.copied.style > 0
    assert dataclasses.replace(verdict.result, answer="content copied") == verdict.copied


def test_the_style_itself_has_no_style_distance() -> None:
    content, style = draw(seed=3), draw(seed=4)
    verdict = judged(style, content, style)
    assert verdict.result.style == 0
    assert verdict.result.roughness == 1
    assert verdict.result.pyramid == 0
    assert verdict.result.content > 0.5
    assert dataclasses.replace(verdict.result, answer="style cropped") == verdict.cropped
    assert verdict.against_trivial == 0


def test_transferred_colours_are_nearer_to_a_style_that_differs_in_colour_only() -> None:
    content = draw(seed=5)
    style = 0.5 * content.flip(3) + torch.tensor([0.4, 0.1, 0.0]).view(1, 3, 1, 1)
    verdict = judged(content, content, style)
    assert verdict.transferred.ratio < 0.01
    assert verdict.transferred.pyramid < 0.5 * verdict.copied.pyramid
    assert verdict.transferred.content > 0
    assert verdict.against_trivial == pytest.approx(
        verdict.copied.style / verdict.transferred.style
    )


def test_all_pictures_are_brought_to_the_result() -> None:
    out, content = draw(seed=6, height=48, width=64), draw(seed=7, height=96, width=128)
    style = draw(seed=8, height=120, width=90)
    verdict = judged(out, content, style)
    assert verdict.size == (48, 64)
    small = F.interpolate(style, (64, 48), mode="bicubic", antialias=True).clamp(0, 1)
    assert verdict.result.roughness == pytest.approx(roughness(out, small), rel=1e-5)
    half = F.interpolate(style, (32, 24), mode="bicubic", antialias=True).clamp(0, 1)
    scaled = judged(out, content, style, style_scale=0.5)
    assert scaled.result.roughness == pytest.approx(roughness(out, half), rel=1e-5)
    assert scaled.result.content == verdict.result.content


def test_equal_generators_give_equal_verdicts_and_inputs_stay() -> None:
    pictures = draw(seed=9), draw(seed=10), draw(seed=11)
    before = [picture.clone() for picture in pictures]
    assert judged(*pictures) == judged(*pictures)
    assert all(map(torch.equal, pictures, before))


def test_a_verdict_is_plain_data_and_a_table() -> None:
    verdict = judged(draw(seed=12), draw(seed=13), draw(seed=14))
    data = json.loads(json.dumps(verdict.as_dict()))
    assert data["copied"]["ratio"] == 1
    assert data["padding"] == "zeros"
    headings, *rows = verdict.table()
    assert headings == ("answer", "style", "ratio", "content", "roughness", "pyramid")
    assert [row[0] for row in rows] == [row.answer for row in verdict.rows]
    assert rows[1][2:4] == ("1.000", "0.000")


def test_pictures_too_small_for_the_judge_are_refused() -> None:
    picture = draw(seed=15)
    with pytest.raises(MediaError, match="result is judged at 15 by 40"):
        judged(draw(seed=16, height=40, width=15), picture, picture)
    with pytest.raises(MediaError, match="style is judged at 14 by 10"):
        judged(picture, picture, picture, style_scale=0.25)


def test_a_network_without_the_layers_is_refused() -> None:
    picture = draw(seed=17)
    network = random_network(depth=2)
    with pytest.raises(WeightsError, match="lacks relu3_1, relu4_1"):
        judge(picture, picture, style=picture, network=network, generator=torch.Generator())


def verdict_of(*, style: float, copied: float, transferred: float, content: float) -> Verdict:
    def row(answer: str, distance: float) -> Row:
        return Row(answer, distance, distance / copied, content, roughness=style, pyramid=0.5)

    return Verdict(
        result=row("result", style),
        copied=row("content copied", copied),
        transferred=row("colours transferred", transferred),
        cropped=row("style cropped", 0.0),
        size=(16, 16),
        padding="zeros",
    )


def test_a_summary_holds_medians_and_the_worst_pair() -> None:
    summary = summarise(
        [
            verdict_of(style=0.1, copied=1.0, transferred=0.5, content=1.0),
            verdict_of(style=0.3, copied=1.0, transferred=2.0, content=0.5),
            verdict_of(style=0.2, copied=0.5, transferred=0.4, content=2.0),
        ]
    )
    assert summary.pairs == 3
    assert summary.ratio == pytest.approx(0.3)
    assert summary.content == 1.0
    assert summary.roughness == 0.2
    assert summary.pyramid == 1.0
    # 0.1 / 0.5, 0.3 / 1.0, 0.2 / 0.4
    assert summary.worst == pytest.approx(0.5)
    assert summary.worst_pair == 2
    assert json.loads(json.dumps(summary.as_dict()))["pairs"] == 3


def test_with_zeros_the_network_is_the_plain_stack_of_padded_convolutions() -> None:
    network, picture = random_network(), draw(seed=18)
    found = network(picture, network.layers)
    assert network.layers == STYLE_LAYERS
    maps = picture
    for layer in network.layers:
        conv = layer.replace("relu", "conv")
        weight, bias = (network.get_parameter(f"{conv}.{part}") for part in ("weight", "bias"))
        maps = F.max_pool2d(maps, 2) if layer != "relu1_1" else maps
        maps = F.conv2d(maps, weight, bias, padding=1).relu()
        torch.testing.assert_close(found[layer], maps)


@pytest.mark.skipif(not TEACHER.exists(), reason="the exact VGG-19 layers are not here")
def test_the_exact_layers_prefer_a_mirrored_style_to_a_blurred_one() -> None:
    state = load_file(TEACHER)
    state["input.weight"] = 255 * torch.eye(3).view(3, 3, 1, 1)
    state["input.bias"] = -torch.tensor([123.68, 116.779, 103.939])
    network = VGG(state, padding="zeros")
    style = draw(seed=21, height=64, width=64)
    with torch.inference_mode():
        target, mirrored, blurred = (
            network(picture, STYLE_LAYERS)
            for picture in (style, style.flip(3), F.avg_pool2d(style, 3, 1))
        )
    assert 0 < style_distance(mirrored, target) < 0.5 * style_distance(blurred, target)

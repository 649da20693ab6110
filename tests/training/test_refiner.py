"""Training AdaIN's decoder and the network that refines its pictures, together."""

import copy
import json
from itertools import pairwise

import pytest
import torch
from safetensors.torch import load_file

from impasto import methods
from impasto.core.contract import Frame, Style
from impasto.core.errors import WeightsError
from impasto.core.options import build
from impasto.evaluate.metrics import color_transfer
from impasto.media.image import read
from impasto.nets import decoder, refiner, zoo
from impasto.nets.decoder import STATISTICS, StyledDecoder
from impasto.ops.errors import FLOOR
from impasto.ops.resample import resize
from impasto.training import mirrors
from impasto.training import refiner as recipe
from impasto.training.asked import LEAST, USUAL, _grain, ask
from impasto.training.data import Pairs
from impasto.training.distances import grams
from impasto.training.refiner import DECODER, REFINER, Refine, Refining, refine

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(recipe, "EXAM", 3)
    monkeypatch.setattr(recipe, "MEASURED", 2)
    for module in (recipe, mirrors):
        monkeypatch.setattr(module, "bfloat16_is_fast", lambda _: False)


def _refine(photos, folder, begin=None, **options):
    options = {"batch": 2, "size": 32, "rate": 2e-3, "save_every": 4} | options
    options = build(Refine, options)
    return refine(options, photos=[photos], begin=begin, folder=folder, device=CPU)


@pytest.fixture
def refining(photos, tmp_path):
    options = build(Refine, {"batch": 2, "size": 32})
    paths = sorted(photos.iterdir())
    pairs, held = (
        Pairs(
            paths,
            paths,
            size=32,
            paintings_share=0.5,
            generator=torch.Generator().manual_seed(seed),
            device=CPU,
        )
        for seed in (0, 1)
    )
    eyes = zoo.load("petit")
    return Refining(
        options, eyes=eyes, pairs=pairs, held=held, begin=None, folder=tmp_path, provenance={}
    )


def _pictures(photos, *names):
    return torch.cat([resize(read(photos / f"{name}.png"), (32, 32)) for name in names])


def test_what_the_network_is_shown_is_the_gradient_of_the_distance_of_the_style(refining, photos):
    content, style = _pictures(photos, 0, 1), _pictures(photos, 2, 3)
    asked, eyes = ask(refining.eyes, content, style), refining.eyes
    image = torch.lerp(content, style.flip(2), 0.3)
    goals = grams(eyes, eyes(style, STATISTICS), STATISTICS)

    seen = eyes(image, eyes.down_to(STATISTICS))
    maps = {tap: seen[tap].clone().requires_grad_() for tap in STATISTICS}
    found = grams(eyes, maps, STATISTICS)
    squares = [(found[t] - g).square().sum((1, 2)) for t, g in goals.items()]
    sizes = [g.square().sum((1, 2)) for g in goals.values()]
    far = sum(s / size for s, size in zip(squares, sizes, strict=True)) / len(STATISTICS)
    pulls = torch.autograd.grad(far.sum(), [*maps.values()])
    given = zip(STATISTICS, pulls, strict=True)
    wanted = eyes.back(seen, {tap: lambda _, pull=pull: pull for tap, pull in given})
    wanted = wanted * (image[0].numel() / (far + FLOOR).sqrt().view(-1, 1, 1, 1)).detach()
    known = refining.looked(image, asked)
    torch.testing.assert_close(known.style, far.detach())
    shown = known.shown.gradient
    torch.testing.assert_close(shown, wanted, rtol=1e-3, atol=1e-4 * float(wanted.max()))


def test_the_slope_is_of_the_root_of_the_loss(refining, photos):
    content, style = _pictures(photos, 0, 1), _pictures(photos, 2, 3)
    image = content.lerp(style, 0.4) * 1.2 - 0.1
    for same in (False, True):
        asked = ask(refining.eyes, content, content if same else style, alpha=0.7, same=same)
        known = refining.looked(image, asked)
        step = known.slope / known.slope.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        ends = [refining.looked(image + by * step, asked).root for by in (1e-2, -1e-2)]
        slope = (ends[0] - ends[1]) / 2e-2
        torch.testing.assert_close(slope, (known.slope * step).sum((1, 2, 3)), rtol=2e-2, atol=0)


def test_the_style_counts_by_what_the_trivial_answers_miss(refining, photos):
    content, style = _pictures(photos, 0, 1), _pictures(photos, 2, 3)
    asked = ask(refining.eyes, content, style)
    pairs = list(zip(content.split(1), style.split(1), strict=True))
    recolored = torch.cat([color_transfer(*pair) for pair in pairs])
    answers = [refining.looked(x, asked).style for x in (content, recolored)]
    torch.testing.assert_close(asked.easy, torch.minimum(*answers))
    # Of pictures that are both, for little else counts there.
    refining.options = build(Refine, {"content_weight": 0.0})
    known = refining.looked(recolored, asked._replace(grain=_grain(recolored)))
    wanted = known.style * USUAL / asked.easy.clamp_min(LEAST)
    torch.testing.assert_close(known.root.square(), wanted + FLOOR, rtol=1e-3, atol=0)


def test_a_picture_that_is_its_own_style_has_nothing_to_gain(refining, photos):
    content = _pictures(photos, 0, 1)
    known = refining.looked(content, ask(refining.eyes, content, content, same=True))
    torch.testing.assert_close(known.root, torch.full((2,), FLOOR**0.5), rtol=1e-3, atol=0)


@pytest.mark.parametrize("alpha", [1.0, 0.7])
def test_what_is_trained_is_what_the_method_does(alpha, refining, photos, monkeypatch):
    generator = torch.Generator().manual_seed(2)
    for network in (refining.decoder.told4, refining.decoder.told3, refining.refiner.leave):
        network.weight.data = 0.1 * torch.randn(network.weight.shape, generator=generator)
    refining.decoder.missed.fill_(0.5)
    monkeypatch.setattr(decoder, "styled", lambda: copy.deepcopy(refining.decoder))
    monkeypatch.setattr(refiner, "bundled", lambda *_, **__: copy.deepcopy(refining.refiner))
    content, style = _pictures(photos, 0), _pictures(photos, 3)
    with torch.no_grad():
        asked = ask(refining.eyes, content, style, alpha=alpha)
        made = refining._painted(asked).clamp(0, 1)

        def last(image):
            move = refining._move(image, asked, refining.looked(image, asked))
            return (image + move).clamp(0, 1)

        halfway = (made + refining._halfway(made, asked, first=True)).clamp(0, 1)
        moved = made, last(made), last(halfway)
    for moves, wanted in enumerate(moved):
        options = {"strength": 1 - (1 - alpha) ** (1 / 3), "precision": "float32"}
        adain = methods.load("adain")(refine=moves, **options)
        stylizer = adain.prepare([Style(style)], generator=torch.Generator())
        torch.testing.assert_close(stylizer(Frame(content)), wanted, rtol=0, atol=2e-3)
    assert all(float((a - b).abs().mean()) > 0.01 for a, b in pairwise(moved))


def test_some_batches_begin_elsewhere(refining):
    refining.options = build(Refine, {"batch": 2, "size": 32, "wct_share": 0.5})
    begun = [refining._begun(step)[1] for step in range(4)]
    # Those that WCT has painted teach the decoder nothing.
    assert [image.requires_grad for image in begun] == [True, False, True, False]
    assert all(image.shape == (2, 3, 32, 32) for image in begun)


def test_it_learns_to_lower_the_loss(photos, tmp_path):
    options = {"save_every": 30, "rate": 5e-3, "averaging": 0.8}
    path = _refine(photos, tmp_path / "run", steps=60, **options)
    assert path == tmp_path / "run" / REFINER
    said = json.loads((tmp_path / "run" / "report.json").read_text())
    held = said["held_out"]
    # A fresh one moves nothing.
    assert held["one move"]["style"] < 0.97 * held["pass"]["style"]
    assert said["eyes"] == zoo.fingerprint("petit")
    refiner.build(zoo.tensors(path)[0])
    state, words = zoo.tensors(path.with_name(DECODER))
    assert StyledDecoder(state).missed.min() > 0
    assert json.loads(words["eyes"]) == zoo.fingerprint("petit")
    # A content, a style, and what is made in each way, one below the other.
    assert read(tmp_path / "run" / "samples" / "step-00030.png").shape == (1, 3, 160, 96)


def test_a_run_that_was_broken_off_ends_as_one_that_was_not(photos, tmp_path, monkeypatch):
    _refine(photos, tmp_path / "whole", steps=8, wct_share=0.3)
    show = Refining.show

    def stopped(self, step):
        show(self, step)
        if step == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(Refining, "show", stopped)
    with pytest.raises(KeyboardInterrupt):
        _refine(photos, tmp_path / "parts", steps=8, wct_share=0.3)
    monkeypatch.setattr(Refining, "show", show)
    _refine(photos, tmp_path / "parts", steps=8, wct_share=0.3)
    for file in (DECODER, REFINER):
        whole, parts = (load_file(tmp_path / run / file) for run in ("whole", "parts"))
        assert whole.keys() == parts.keys()
        for name, value in whole.items():
            assert torch.equal(value, parts[name]), name


def test_a_training_begins_with_the_weights_of_another(photos, tmp_path):
    first = _refine(photos, tmp_path / "first", steps=3).parent
    found = _refine(
        photos, tmp_path / "second", begin=first, steps=1, rate=1e-9, averaging=0.0, wct_share=0
    )
    for file in (DECODER, REFINER):
        begun, after = load_file(first / file), load_file(found.with_name(file))
        for name, value in begun.items():
            torch.testing.assert_close(after[name], value)
    with pytest.raises(WeightsError):
        _refine(photos, tmp_path / "third", begin=photos, steps=1)

"""Training the network that leads descents."""

import json

import pytest
import torch
from safetensors.torch import load_file

from impasto.core.errors import WeightsError
from impasto.core.options import build
from impasto.media.image import read
from impasto.nets import optimizer, zoo
from impasto.nets.optimizer import Leading
from impasto.ops.resample import resize
from impasto.optimize import LED
from impasto.training import optimizer as recipe
from impasto.training.optimizer import FILE, Learn, Learning, asked, drafted, lead, slope

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(recipe, "EXAM", 3)


def _learn(photos, folder, **options):
    options = {"batch": 2, "size": 32, "rate": 2e-3, "save_every": 4} | options
    return lead(build(Learn, options), photos=[photos], folder=folder, device=CPU)


def test_the_slope_is_of_the_logarithm_of_the_loss():
    image = torch.rand((1, 3, 4, 5), generator=torch.Generator().manual_seed(0))
    gradient, loss = slope(lambda x: {"a": x.square().sum(), "b": (3 * x).sum()}, image)
    assert loss == pytest.approx(float(image.square().sum() + 3 * image.sum()))
    torch.testing.assert_close(gradient, (2 * image + 3) * image.numel() / loss)


def test_what_is_asked_is_what_gatys_asks():
    content, style = torch.rand((2, 1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    strong, weak = (asked(content, style, strength, (32, 32)) for strength in (0.9, 0.2))
    # The content costs nothing at itself; the weaker the style, the more it costs elsewhere.
    assert float(strong(content)["content relu4_2"]) == pytest.approx(0, abs=1e-6)
    assert weak(style)["content relu4_2"] > strong(style)["content relu4_2"] > 0
    assert drafted(content, style, 0.5).shape == content.shape


def test_it_learns_to_lower_the_loss(photos, tmp_path):
    path = _learn(
        photos, tmp_path / "run", steps=40, batch=3, save_every=40, rate=1e-2, averaging=0.8
    )
    said = json.loads((tmp_path / "run" / "report.json").read_text())
    assert 0 < said["held_out"]["left"] < 1
    assert said["eyes"] == zoo.fingerprint("petit")
    network = optimizer.build(zoo.tensors(path)[0])
    one, other = (resize(read(photos / name), (32, 32)).contiguous() for name in ("0.png", "1.png"))
    objective, image = asked(one, other, 0.5, (32, 32)), drafted(one, other, 0.5)
    begun, leading = slope(objective, image)[1], Leading(network, one)
    for _ in range(LED):
        gradient, loss = slope(objective, image)
        image = image + leading(image, gradient * (loss / gradient.numel()), loss)
    assert slope(objective, image)[1] < 0.9 * begun  # A fresh one moves nothing.
    # A content, a style, the draft and what became of it, one below the other.
    assert read(tmp_path / "run" / "samples" / "step-00040.png").shape == (1, 3, 128, 96)


def test_a_run_that_was_broken_off_ends_as_one_that_was_not(photos, tmp_path, monkeypatch):
    whole = load_file(_learn(photos, tmp_path / "whole", steps=8))
    show = Learning.show

    def stopped(self, step):
        show(self, step)
        if step == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(Learning, "show", stopped)
    with pytest.raises(KeyboardInterrupt):
        _learn(photos, tmp_path / "parts", steps=8)
    monkeypatch.setattr(Learning, "show", show)
    parts = load_file(_learn(photos, tmp_path / "parts", steps=8))
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name


def test_a_training_begins_with_the_weights_of_another(photos, tmp_path):
    first = _learn(photos, tmp_path / "first", steps=4)
    options = build(Learn, {"batch": 1, "size": 32, "steps": 1, "rate": 1e-9, "averaging": 0.0})
    found = lead(options, photos=[photos], begin=first, folder=tmp_path / "second", device=CPU)
    begun, after = load_file(first), load_file(found)
    for name, value in begun.items():
        torch.testing.assert_close(after[name], value)
    with pytest.raises(WeightsError, match="no learned optimizer"):
        lead(
            options,
            photos=[photos],
            begin=zoo.models()["petit"].path,
            folder=tmp_path / "x",
            device=CPU,
        )
    assert not (tmp_path / "x" / FILE).exists()

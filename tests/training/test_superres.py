"""Training the network that doubles pictures."""

import copy
import json

import pytest
import torch

from impasto.core.options import build
from impasto.media.image import read, write
from impasto.nets import upscaler, zoo
from impasto.training.superres import Enlarge, halved, learn


def test_half_of_a_plain_picture_is_plain():
    assert torch.allclose(halved(torch.full((1, 3, 8, 10), 0.3)), torch.full((1, 3, 4, 5), 0.3))


@pytest.fixture
def photos(tmp_path, eyes, monkeypatch):
    """Pictures of stripes, whose edges a bicubic picture blurs."""
    monkeypatch.setattr(zoo, "load", lambda *_, **__: copy.deepcopy(eyes))
    (tmp_path / "photos").mkdir()
    for i in range(3):
        stripes = (torch.arange(96) // (4 + i) % 2).float()
        write(stripes.expand(1, 3, 80, 96).clone(), tmp_path / "photos" / f"{i}.png")
    return tmp_path / "photos"


def test_it_learns_to_be_sharper_than_bicubic(photos, tmp_path):
    options = {"steps": 60, "batch": 4, "size": 32, "rate": 5e-3, "save_every": 60}
    path = learn(
        build(Enlarge, options),
        photos=[photos],
        folder=tmp_path / "run",
        device=torch.device("cpu"),
    )
    judged = json.loads((tmp_path / "run" / "report.json").read_text())["held_out"]
    assert judged["psnr"] > judged["bicubic psnr"] + 0.5
    # Crops above, then as the network made them, then bicubic: the second row is nearer.
    true, made, bicubic = read(tmp_path / "run" / "samples" / "step-00060.png").split(32, 2)
    assert (made - true).square().mean() < (bicubic - true).square().mean()
    assert read(tmp_path / "run" / "samples.png").shape[2] == 32
    state, said = zoo.tensors(path)
    assert json.loads(said["steps"]) == 60
    x = torch.rand((1, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    assert upscaler.build(state)(x).shape == (1, 3, 32, 32)

"""`impasto upscale` from the outside."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from impasto.cli.main import main
from impasto.media.image import read, write
from impasto.nets.upscaler import Upscaler


@pytest.fixture
def picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(torch.rand((1, 3, 20, 24), generator=torch.Generator().manual_seed(0)), "a.png")
    return read("a.png")


def test_a_picture_is_enlarged(picture):
    assert main(["upscale", "a.png", "-o", "b.png", "-q"]) == 0
    assert read("b.png").shape == (1, 3, 40, 48)
    assert torch.equal(read("a.png"), picture)


def test_a_network_of_ones_own_enlarges(picture):
    network = Upscaler(channels=4, blocks=1)
    network.last.bias.data += 0.25
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, "own.safetensors")
    assert main(["upscale", "a.png", "-o", "b.png", "-q", "--weights", "own.safetensors"]) == 0
    bicubic = F.interpolate(picture, (40, 48), mode="bicubic", align_corners=False)
    assert (read("b.png") - (bicubic + 0.25).clamp(0, 1)).abs().max() < 1 / 250


@pytest.mark.parametrize("command", ["upscale a.png", "texture a.png --size 32x32"])
def test_neither_the_input_nor_another_picture_is_replaced(picture, capsys, tmp_path, command):
    assert main(f"{command} -o ./a.png -q".split()) == 2
    assert "would overwrite another picture of this run" in capsys.readouterr().err
    (tmp_path / "b.png").write_bytes(b"mine")
    assert main(f"{command} -o b.png -q".split()) == 2
    assert "b.png exists; --overwrite replaces it" in capsys.readouterr().err
    assert (tmp_path / "b.png").read_bytes() == b"mine"
    assert torch.equal(read("a.png"), picture)
    assert main(f"{command} -o b.png -q --overwrite".split()) == 0
    assert read("b.png").shape[1] == 3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("upscale a.png -o b.png --by 3", "by must be one of 2, 4; got 3"),
        ("upscale no.png -o b.png", "no.png does not exist"),
        ("upscale a.png -o b.png --weights no.safetensors", "no.safetensors does not exist"),
        ("upscale a.png -o b.png --weights a.png", "a.png"),
        ("stylize a.png --style no.pth -o b.png", "no.pth does not exist"),
    ],
)
def test_refusals(picture, capsys, tmp_path, words, sentence):
    assert main(words.split()) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "b.png").exists()

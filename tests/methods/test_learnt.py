"""Multistyle and Johnson in tiles, and on engines."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from impasto.core.contract import Frame, InPasses, Style
from impasto.core.errors import OptionError
from impasto.jobs import memory
from impasto.jobs.perform import carry, stylize
from impasto.jobs.plan import planned
from impasto.jobs.replay import Finder, recipe_of, replay
from impasto.jobs.spec import Job
from impasto.media.image import read
from impasto.methods import load
from impasto.nets import trained
from impasto.nets.transformer import Slim
from impasto.tiles import Held, tiled
from impasto.training.distances import lattice


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A photograph and a network of one style; the working folder."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (150, 260, 3), np.uint8)
    Image.fromarray(pixels).save("photo.png")
    torch.manual_seed(0)
    state = {key: value.contiguous() for key, value in Slim(2, blocks=1).state_dict().items()}
    save_file(state, "net.safetensors")
    return tmp_path


def test_what_has_no_room_is_painted_in_tiles_and_made_again(file, monkeypatch):
    monkeypatch.setattr(memory.Budget, "fits", lambda *_: False)
    monkeypatch.setattr(memory, "SIDES", (128,))
    carry(Job("photo.png", [("net.safetensors", 1.0)], "johnson"), "tiles.png")
    made = recipe_of(Path("tiles.png")).made
    assert (made.tiles, made.engine) == (128, None)
    monkeypatch.setattr(memory.Budget, "fits", lambda *_: True)
    recipe = recipe_of(Path("tiles.png"))
    assert replay(recipe, Finder(Path("tiles.png")).job(recipe), Path("again.png")) == []
    assert Path("again.png").read_bytes() == Path("tiles.png").read_bytes()
    carry(Job("photo.png", [("net.safetensors", 1.0)], "johnson"), "whole.png")
    difference = read("whole.png") - read("tiles.png")
    assert float(difference.square().mean().sqrt()) < 0.1


def test_regions_and_strength_are_kept_in_tiles(random_weights):
    known = trained.bundled()
    styles = [Style(None, measured=known.known(name)) for name in "ab"]
    content = torch.rand((1, 3, 128, 256), generator=torch.Generator().manual_seed(0))
    left = torch.zeros((1, 1, 128, 256))
    left[..., :100] = 1
    right = torch.zeros_like(left)
    right[..., 160:] = 1
    stylizer = load("multistyle")(strength=0.7).prepare(styles, generator=torch.Generator())
    assert isinstance(stylizer, InPasses)
    out = Held(torch.zeros_like(content))
    regions = [Held(left), Held(right)]
    tiled(stylizer.passes((128, 256)), Held(content), out, side=64, regions=regions)
    whole = stylizer(Frame(content, regions=[left, right]))
    assert torch.allclose(out.image[..., 100:160], content[..., 100:160])
    difference = out.image - whole
    assert float(difference.square().mean().sqrt()) < 0.25 * float(whole.std())
    nothing = load("multistyle")(strength=0.0).prepare(styles, generator=torch.Generator())
    assert nothing.passes((128, 256)) == []


def test_johnson_names_the_way_to_one_style_of_several():
    state = dict(Slim(4, widths=(4, 8, 12), blocks=1).state_dict())
    with pytest.raises(OptionError, match=r"this one knows 3; name one of the \.style files"):
        load("johnson")().prepare([Style(None, measured=state)], generator=torch.Generator())


def test_a_style_learnt_with_another_network_is_refused_with_the_way_out(random_weights):
    known = trained.bundled().known("a")
    other = known | {trained.MAKER: known[trained.MAKER] ^ 1}
    with pytest.raises(OptionError, match="learnt with another: put that beside it"):
        load("multistyle")().prepare([Style(None, measured=other)], generator=torch.Generator())
    with pytest.raises(OptionError, match="takes the styles that its network was trained for"):
        load("multistyle")().prepare([Style(None, measured={})], generator=torch.Generator())


def test_the_bundled_styles_leave_no_grid():
    down = torch.linspace(0.5, 0.9, 256).view(1, 1, 256, 1).expand(1, 3, 256, 256)
    sky = down * torch.tensor([0.6, 0.8, 1.0]).view(1, 3, 1, 1)
    for name in trained.bundled().names:
        painted = stylize(sky, name, method="multistyle")
        # Of 64 x 64 cells, texture alone has a four-thousandth. Styles that were trained without
        # a thought of it had up to a twentieth.
        assert float(lattice(painted, period=4)) < 0.01, name


def test_a_plan_knows_the_tiles(file, monkeypatch):
    monkeypatch.setattr(memory.Budget, "fits", lambda *_: False)
    found = planned(Job("photo.png", [("net.safetensors", 1.0)], "johnson"))
    assert found.margin == Slim.reach
    assert found.side
    assert not found.refusal

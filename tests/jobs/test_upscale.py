"""`upscale` enlarges what was painted, by whatever method, and changes nothing else."""

import numpy as np
import pytest
import torch
from PIL import Image

import impasto
from impasto.core.errors import OptionError
from impasto.jobs import memory
from impasto.jobs.perform import carry
from impasto.jobs.plan import planned
from impasto.jobs.replay import Finder, recipe_of, replay
from impasto.jobs.spec import Job
from impasto.media.image import read
from impasto.nets.upscaler import enlarge


def _noise(*, size=(40, 56), seed=0):
    return torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (40, 56, 4), np.uint8)
    photo[..., 3] = 255
    photo[:20, :28, 3] = 0
    Image.fromarray(photo).save("photo.png", dpi=(300, 300))
    Image.fromarray(photo[..., :3]).save("plain.png")
    Image.fromarray(rng.integers(0, 256, (40, 56, 3), np.uint8)).save("style.png")


@pytest.mark.parametrize("by", [2, 4])
def test_the_painting_is_enlarged(tint, by):
    plain = impasto.stylize(_noise(), _noise(seed=1), method="tint")
    large = impasto.stylize(_noise(), _noise(seed=1), method="tint", upscale=by)
    assert torch.equal(large, enlarge(plain, by=by))
    assert large.shape == (1, 3, 40 * by, 56 * by)


def test_it_is_done_once_as_far_as_progress_tells(tint):
    told = []
    impasto.stylize(
        _noise(), _noise(seed=1), method="tint", upscale=4, report=lambda p: told.append(p.done)
    )
    assert told == sorted(told)
    assert told[-1] == 1


def test_in_tiles_it_is_the_same_picture(files, tmp_path, monkeypatch):
    job = Job("plain.png", [("style.png", 1.0)], options={"color": "content-only-colors"})
    job = Job(**{**vars(job), "upscale": 2})
    carry(job, tmp_path / "whole.png")
    monkeypatch.setattr(memory, "WHOLE", 100)
    monkeypatch.setattr(memory, "SIDES", (16,))
    carry(job, tmp_path / "tiled.png")
    assert recipe_of(tmp_path / "tiled.png").made.tiles == 16
    assert (read(tmp_path / "tiled.png") - read(tmp_path / "whole.png")).abs().max() <= 2 / 255


def test_transparency_and_dots_an_inch_stay(files, tmp_path, tint):
    carry(Job("photo.png", [("style.png", 1.0)], "tint", upscale=2), tmp_path / "out.png")
    made = Image.open("out.png")
    assert made.size == (112, 80)
    alpha = np.asarray(made)[..., 3]
    assert alpha[:36, :52].max() == 0
    assert alpha[44:].min() == 255
    assert made.info["dpi"] == pytest.approx((300, 300), abs=1)


def test_outside_of_a_mask_the_content_is_enlarged(tint):
    mask = torch.zeros((1, 3, 40, 56))
    mask[..., 28:] = 1
    large = impasto.stylize(_noise(), _noise(seed=1), method="tint", mask=mask, upscale=2)
    assert torch.equal(large[..., :20], enlarge(_noise(), by=2)[..., :20])


def test_it_is_in_the_recipe_and_made_again(files, tmp_path, tint):
    out = tmp_path / "out.png"
    job = Job("plain.png", [("style.png", 1.0)], "tint", upscale=2)
    carry(job, out)
    carry(job, tmp_path / "second.png")
    recipe = recipe_of(out)
    assert recipe.job.upscale == 2
    assert "upscaler" in recipe.networks
    assert recipe_of(tmp_path / "second.png").networks == recipe.networks
    assert replay(recipe, Finder(out).job(recipe), tmp_path / "again.png") == []
    assert out.read_bytes() == (tmp_path / "again.png").read_bytes()


@pytest.mark.parametrize("by", [0, 3, 8, True])
def test_other_factors_are_refused(tint, by):
    with pytest.raises(OptionError, match="upscale must be one of 1, 2, 4; got"):
        impasto.stylize(_noise(), _noise(), method="tint", upscale=by)


def test_a_plan_knows_the_size(files):
    job = Job("plain.png", [("style.png", 1.0)], "gatys")
    large = planned(Job("plain.png", [("style.png", 1.0)], "gatys", upscale=4))
    assert large.size == (160, 224)
    assert large.seconds > planned(job).seconds

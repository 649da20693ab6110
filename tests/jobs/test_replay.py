import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from impasto.core.errors import MediaError, OptionError
from impasto.jobs.perform import Run, carry
from impasto.jobs.replay import Finder, recipe_of, replay
from impasto.jobs.spec import Job
from impasto.media.image import read_recipe, write
from impasto.media.metadata import Metadata
from impasto.nets import engines, zoo
from impasto.nets.transformer import Slim


def draw(path: Path, seed: int) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (30, 48, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with photo.png and style.png, and out/made.png made of them; the working folder."""
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "photo.png", 1)
    draw(tmp_path / "style.png", 2)
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.fixture
def made(tint, here):
    job = Job("photo.png", [("style.png", 1.0), (":dabs", 1.0)], "tint", options={"mode": "noisy"})
    carry(job, "out/made.png")
    return Path("out/made.png")


def again(made: Path, **words) -> list[str]:
    recipe = recipe_of(made)
    changed = words.get("changed", False)
    job = Finder(made, **words).job(recipe)
    return replay(recipe, job, Path("again.png"), changed=changed)


def test_it_makes_the_same_bytes_again(made):
    assert again(made) == []
    assert Path("again.png").read_bytes() == made.read_bytes()


def test_inputs_are_found_by_their_digest_wherever_they_are(made, here):
    (here / "deep" / "er").mkdir(parents=True)
    shutil.move("photo.png", "deep/er/renamed.dat")
    with pytest.raises(OptionError, match=r"photo.png, from which out/made.png was made, is not"):
        again(made)
    assert again(made, search=[Path("deep")]) == []
    assert again(made, content=Path("deep/er/renamed.dat")) == []
    shutil.move("style.png", "out/other.png")
    assert again(made, search=[Path("deep")]) == []
    assert Path("again.png").read_bytes() == made.read_bytes()


def test_a_changed_input_is_refused_unless_it_is_allowed(made):
    draw(Path("photo.png"), 3)
    with pytest.raises(OptionError, match=r"^photo.png is not the content .* --changed takes it"):
        again(made)
    assert not Path("again.png").exists()
    assert again(made, changed=True) == ["an input has changed"]
    assert Path("again.png").read_bytes() != made.read_bytes()
    # What was made says of what it was made.
    shutil.move("again.png", "out/second.png")
    assert again(Path("out/second.png")) == []


def test_a_given_style_serves_the_input_whose_digest_it_has(made, here):
    shutil.move("style.png", "moved.png")
    draw(here / "wrong.png", 9)
    assert again(made, styles=[Path("moved.png")]) == []
    Path("moved.png").write_bytes(b"")
    with pytest.raises(OptionError, match=r"^wrong.png is not the style"):
        again(made, styles=[Path("wrong.png")])


def test_another_network_is_refused_unless_it_is_allowed(made, monkeypatch):
    recipe = replace(recipe_of(made), networks={"petit": "0" * 64})
    job = Finder(made).job(recipe)
    with pytest.raises(OptionError, match="the network petit is another today"):
        replay(recipe, job, Path("again.png"))
    assert replay(recipe, job, Path("again.png"), changed=True) == ["the network petit is another"]


def test_what_it_was_made_on_is_said_where_it_differs(made):
    recipe = recipe_of(made)
    older = replace(recipe, made=recipe.made.model_copy(update={"torch": "2.0"}))
    differ = replay(older, Finder(made).job(recipe), Path("again.png"))
    assert differ == [f"torch was 2.0 and is {torch.__version__}"]
    assert recipe_of(Path("again.png")).made.torch == torch.__version__


def test_tiles_are_those_of_the_first_time(here, monkeypatch):
    from impasto.jobs import memory

    with monkeypatch.context() as patch:
        patch.setattr(memory, "WHOLE", 0)
        patch.setattr(memory, "SIDES", (32,))
        first = Run(Job("photo.png", [("style.png", 1.0)], "adain"))
        first.begin()
    job = Job("photo.png", [("style.png", 1.0)], "adain")
    made = first.recipe(here).made
    assert (made.tiles, made.threads) == (32, torch.get_num_threads())
    one = first.made()
    later = Run(job, like=made)
    later.begin()
    assert later.recipe(here).made == made
    assert not later.whole
    assert torch.equal(later.made(), one)
    with pytest.raises(OptionError, match="max_memory must be at least"):
        Run(replace(job, max_memory=0.3e9), like=made).begin()


def test_networks_are_noted_by_name_and_digest(here):
    carry(Job("photo.png", [(":dabs", 1.0)], "adain", 32), "made.png")
    known = {"petit": zoo.models()["petit"].sha256, "adain": zoo.decoders()["adain"].sha256}
    assert recipe_of(here / "made.png").networks == known


def test_pictures_without_a_recipe_are_refused(here):
    with pytest.raises(OptionError, match=r"^photo.png holds no recipe; only pictures that"):
        recipe_of(Path("photo.png"))
    with pytest.raises(MediaError, match="does not exist"):
        recipe_of(Path("none.png"))


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp"])
def test_every_format_carries_it(tint, here, ending):
    carry(Job("photo.png", [("style.png", 1.0)], "tint"), f"made{ending}")
    assert again(Path(f"made{ending}")) == []


def test_a_recipe_that_was_planted_reads_nothing_but_its_inputs(here):
    """Its file is only found by a digest that the one who planted it must know already."""
    draw(here / "target.png", 5)
    carry(Job("photo.png", [(":dabs", 1.0)], "adain", 16), "made.png")
    text = read_recipe("made.png").replace("photo.png", "target.png")
    text = text.replace(recipe_of(here / "made.png").inputs()[0].sha256, "0" * 64)
    write(torch.zeros(1, 3, 20, 20), "planted.png", metadata=Metadata(recipe=text))
    with pytest.raises(OptionError, match=r"^target.png is not the content"):
        again(Path("planted.png"))


@pytest.mark.skipif(len(engines.installed()) < 3, reason="needs the packages of impasto[fast]")
@pytest.mark.parametrize("kind", ["onnxruntime", "openvino"])
def test_a_picture_is_made_again_on_the_engine_that_auto_chose(here, monkeypatch, kind):
    monkeypatch.setenv("IMPASTO_CACHE", str(here / "cache"))
    torch.manual_seed(0)
    state = {key: value.contiguous() for key, value in Slim(2, blocks=1).state_dict().items()}
    save_file(state, "net.safetensors")
    monkeypatch.setattr(engines, "_quickest", lambda _, pairs: (kind, "float32"))
    options = {"engine": "auto", "precision": "float32"}
    carry(Job("photo.png", [("net.safetensors", 1.0)], "johnson", options=options), "out/made.png")
    assert recipe_of(Path("out/made.png")).made.engine == f"{kind} float32"
    # Another machine, or other packages, would choose another.
    monkeypatch.setattr(engines, "_quickest", lambda _, pairs: ("torch", "float32"))
    assert again(Path("out/made.png")) == []
    assert Path("again.png").read_bytes() == Path("out/made.png").read_bytes()


def test_code_is_run_when_it_is_named_and_never_for_a_picture(here):
    eyes = here / "eyes.py"
    eyes.write_text(
        "import pathlib, torch\n"
        "pathlib.Path('was-run').touch()\n"
        "torch.manual_seed(0)\n"
        "network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())\n"
    )
    options = {"network": str(eyes), "iterations": 2, "coarsest": 16}
    carry(Job("photo.png", [("style.png", 1.0)], "gatys", options=options), "out/made.png")
    recipe = recipe_of(Path("out/made.png"))
    assert recipe.networks["eyes.py"] == zoo.fingerprint(eyes)
    Path("was-run").unlink()
    for name in ("eyes.py", "other.py"):
        eyes = eyes.rename(here / name)
        with pytest.raises(OptionError, match=f"through {name}, which is code and is not run"):
            again(Path("out/made.png"), search=[here])
    assert not Path("was-run").exists()

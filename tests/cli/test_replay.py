import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.cli.main import main
from impasto.media.image import write
from impasto.media.metadata import Metadata


@pytest.fixture
def made(tint, tmp_path, monkeypatch, capsys):
    """out/made.png, made of photo.png and red.png in the working folder."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save("photo.png")
    Image.new("RGB", (20, 20), (255, 0, 0)).save("red.png")
    Path("out").mkdir()
    words = ["--method", "tint", "--strength", "0.25", "-o", "out/made.png", "-q"]
    assert main(["stylize", "photo.png", "-s", "red.png:2", *words]) == 0
    capsys.readouterr()
    return Path("out/made.png")


def test_info_shows_what_it_was_made_of(made, capsys):
    assert main(["info", str(made)]) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert said["content"].startswith("photo.png (sha256 ")
    assert said["styles"].startswith("red.png (sha256 ")
    assert (said["method"], said["strength"], said["torch"]) == ("tint", "0.25", torch.__version__)
    assert main(["info", str(made), "--json"]) == 0
    job = json.loads(capsys.readouterr().out)["job"]
    assert (job["options"]["strength"], job["styles"][0][1]) == (0.25, 2.0)


def test_replay_gives_the_same_bytes_a_new_name(made, capsys):
    for number in (2, 3):
        assert main(["replay", str(made)]) == 0
        said = capsys.readouterr()
        assert said.out == f"out/made-{number}.png\n"
        assert f"out/made-{number}.png has the same bytes as out/made.png" in said.err
        assert Path(f"out/made-{number}.png").read_bytes() == made.read_bytes()


def test_replay_says_what_has_changed(made, capsys):
    Image.new("RGB", (20, 20), (0, 255, 0)).save("red.png")
    assert main(["replay", str(made)]) == 2
    assert "red.png is not the style from which out/made.png was made" in capsys.readouterr().err
    assert main(["replay", str(made), "--changed", "-o", "new.png"]) == 0
    assert "not as it was: an input has changed" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["photo.png", "red.png", "out/made.png"])
def test_replay_overwrites_nothing_of_the_run(made, capsys, name):
    before = Path(name).read_bytes()
    assert main(["replay", str(made), "-o", name]) == 2
    assert f"{name} would overwrite another picture of this run" in capsys.readouterr().err
    assert Path(name).read_bytes() == before


@pytest.mark.parametrize("command", ["info", "replay"])
def test_pictures_with_no_recipe_or_a_bad_one_are_refused(made, capsys, command):
    write(torch.zeros(1, 3, 20, 20), "bad.png", metadata=Metadata(recipe='{"recipe":1}'))
    for name, sentence in (("photo.png", "holds no recipe"), ("bad.png", "is not accepted")):
        assert main([command, name]) == 2
        said = capsys.readouterr()
        assert sentence in said.err
        assert said.err.count("\n") == 1
        assert said.out == ""


def test_an_unknown_method_or_option_in_a_recipe_is_refused(made, capsys):
    from impasto.jobs.replay import recipe_of

    text = recipe_of(made).text()
    for old, new in (('"tint"', '"taint"'), ('"strength"', '"strenght"')):
        write(
            torch.zeros(1, 3, 20, 20), "bad.png", metadata=Metadata(recipe=text.replace(old, new))
        )
        assert main(["replay", "bad.png"]) == 2
        assert new.strip('"') in capsys.readouterr().err


def test_a_new_process_makes_the_same_bytes(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")

    def impasto(*words: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "impasto", *words],
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
        )
        return ran.stderr

    impasto("stylize", "photo.png", "-s", ":dabs", "--quality", "draft", "-o", "a.png")
    assert "b.png has the same bytes as a.png" in impasto("replay", "a.png", "-o", "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()

"""Presets: checked data, by name or file, beneath what is said."""

from pathlib import Path

import numpy as np
import pytest
import torch

from impasto.core.errors import OptionError
from impasto.jobs.control import built
from impasto.jobs.perform import stylize
from impasto.jobs.presets import LIMIT, checked, find, folder, job_of, known, parse
from impasto.methods import DEFAULT


@pytest.fixture(autouse=True)
def mine(tmp_path, monkeypatch) -> Path:
    """The folder of the user's presets."""
    monkeypatch.setattr("platformdirs.user_config_dir", lambda _: str(tmp_path / "config"))
    folder().mkdir(parents=True)
    return folder()


def test_every_preset_of_the_package_is_accepted_and_says_what_it_is_good_for():
    assert {"quick-look", "print-portrait"} <= known().keys()
    for each in known().values():
        preset = each.read()
        assert preset.about
        built(preset.method or DEFAULT, preset.options)


def test_a_preset_is_the_same_after_it_was_written_and_read(mine):
    text = (
        'about = "say \\"hello\\""\nmethod = "gatys"\nsize = 600\nseed = 3\n'
        'style = [":swirl@2", "mosaic"]\nstrength = 0.25\nstyle_mix = ["fine", "coarse"]\n'
        "normalize_gradients = true\n"
    )
    preset = parse(text, name="mine")
    assert (preset.method, preset.size, preset.seed) == ("gatys", 600, 3)
    assert preset.style == (":swirl@2", "mosaic")
    assert preset.options == {
        "strength": 0.25,
        "style_mix": ("fine", "coarse"),
        "normalize_gradients": True,
    }
    assert parse(preset.text(), name="again") == preset


def test_the_users_own_are_found_by_name_and_win_and_by_file(mine, tmp_path):
    (mine / "quick-look.toml").write_text("strength = 0.125\n")
    (tmp_path / "other.toml").write_text("strength = 0.75\n")
    assert find("quick-look").options == {"strength": 0.125}
    assert find(tmp_path / "other.toml").options == {"strength": 0.75}
    assert known()["quick-look"].path == mine / "quick-look.toml"


def test_what_is_said_wins(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text(
        'method = "gatys"\nsize = 600\nstyle = [":glass"]\nstroke = 9.0\niterations=5\n'
    )
    job = job_of("a.jpg", preset=path, size=100, options={"iterations": 7})
    assert (job.content, job.method, job.size, job.seed) == ("a.jpg", "gatys", 100, 0)
    assert job.styles == [(":glass", 1.0)]
    assert job.options == {"stroke": 9.0, "iterations": 7}
    # Another method takes what it has, and another size of strokes replaces the first.
    job = job_of("a.jpg", preset=path, method="adain", style=[":swirl:2"], options={})
    assert (job.method, job.options, job.styles) == ("adain", {"stroke": 9.0}, [(":swirl", 2.0)])
    assert job_of("a.jpg", preset=path, options={"style_scale": 2}).options == {
        "iterations": 5,
        "style_scale": 2,
    }


def test_python_takes_presets(tint, tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('method = "tint"\nstrength = 1.0\nsize = 24\n')
    content, style = torch.zeros(1, 3, 48, 48), torch.full((1, 3, 16, 16), 0.5)
    out = stylize(content, style, preset=path)
    torch.testing.assert_close(out, torch.full((1, 3, 24, 24), 0.5))
    out = stylize(content, style, preset=path, strength=0.5)
    torch.testing.assert_close(out, torch.full((1, 3, 24, 24), 0.25))


HOSTILE = {
    "no TOML": "strength = ",
    "there is no option hack": "hack = 1",
    "there is no option jobs": "[jobs]\nx = 1",
    "strength must be a number from 0 to 1": "strength = 7",
    "strength must be a finite number": "strength = nan",
    "strength must be a number": 'strength = "strong"',
    "__class__ must be": "seed = 1\n__class__ = [[[[1]]]]",
    "style": 'style = ["/etc/passwd"]',
    "network must be a finite number, true or false, a word": 'network = "/tmp/evil.pth"',
    "size": "size = 3",
    "seed": "seed = -1",
    "method": "method = 5",
    "method must be one of": 'method = "gatyss"',
    "about": 'about = "\\u001b[2J"',
    "too long": "# " + "x" * LIMIT,
    "is not accepted": "strength = 1979-05-27",
    "is not accepted:": "a = " + "[" * 300 + "]" * 300,
}


@pytest.mark.parametrize(("said", "text"), HOSTILE.items())
def test_what_is_no_preset_is_refused_in_one_sentence(said, text, mine):
    (mine / "bad.toml").write_text(text)
    with pytest.raises(OptionError) as refusal:
        find("bad")
    sentence = str(refusal.value)
    assert said in sentence
    assert "bad.toml" in sentence
    assert sentence.isprintable()
    assert len(sentence) < 1000
    # The list says so too, and goes on.
    rows = dict(checked(known()))
    assert rows["bad"].startswith("not accepted: ")
    assert rows["quick-look"]


def test_noise_never_leaves_as_another_error(mine):
    rng = np.random.default_rng(0)
    letters = np.array([*'abcxyz=[]{}",.\n\t #01-:\\\x00é'])
    refusals: list[str] = []
    for _ in range(300):
        text = "".join(rng.choice(letters, rng.integers(1, 60)))
        try:
            parse(text, name="noise")
        except OptionError as error:
            refusals.append(str(error))
    assert len(refusals) > 200
    assert all(sentence.isprintable() for sentence in refusals)


def test_a_name_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(OptionError, match=r"preset must be one of quick-look, .*; got 'none'"):
        find("none")
    with pytest.raises(OptionError, match=r"the preset no\.toml does not exist"):
        find("no.toml")

"""`impasto live`, with and without a window."""

from pathlib import Path

import numpy as np
import pygame
import pytest

from impasto.cli import live, window
from impasto.cli.main import main
from impasto.core.contract import Style
from impasto.jobs import live as jobs
from impasto.media.video import Recorder, Video
from impasto.nets import trained


@pytest.fixture(autouse=True)
def clip(tmp_path, monkeypatch, random_weights):
    """Six frames of a fifth of a second in all, and three styles."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(live, "works", dict)
    with Recorder(Path("clip.mp4")) as recorder:
        for i in range(6):
            recorder.write(np.full((64, 96, 3), 40 * i, np.uint8), time=i / 30)


@pytest.fixture
def styles(monkeypatch):
    def styles_of(job, *_, **__):
        return [Style(None, measured=trained.bundled().known(name)) for name, _ in job.styles]

    monkeypatch.setattr(jobs, "styles_of", styles_of)
    return ["--style", "a", "--style", "b", "--style", "c", "--engine", "torch"]


def test_a_video_is_painted_to_a_file(styles, capsys):
    words = ["live", "clip.mp4", *styles, "--headless", "-o", "out.mp4", "--size", "64"]
    assert main(words) == 0
    said = capsys.readouterr()
    assert said.out == "out.mp4\n"
    assert "frames" in said.err
    shots = list(Video("out.mp4"))
    assert 1 <= len(shots) <= 6
    assert shots[0].image(long_side=999).shape == (1, 3, 42, 64)
    assert main([*words, "-q"]) == 2
    assert "exists; --overwrite replaces it" in capsys.readouterr().err


def test_strength_0_shows_the_video_and_mirrors_it(styles):
    with Recorder(Path("halves.mp4")) as recorder:
        frame = np.zeros((64, 96, 3), np.uint8)
        frame[:, :48] = 255
        recorder.write(frame, time=0.0)
    words = ["live", "halves.mp4", *styles, "--headless", "-q", "--strength", "0", "-o"]
    main([*words, "same.mp4"])
    main([*words, "mirrored.mp4", "--mirror"])
    names = ("same.mp4", "mirrored.mp4")
    same, mirrored = (next(iter(Video(name))).image(long_side=96) for name in names)
    assert same[..., :40].min() > 0.9
    assert same[..., 56:].max() < 0.1
    assert (mirrored - same.flip(3)).abs().max() < 0.1


def test_keys_in_the_window_change_what_is_painted(styles, monkeypatch, capsys):
    shown = []
    own = window.Window.show

    def show(self, pixels, words):
        own(self, pixels, words)
        shown.append((words, pygame.surfarray.array3d(self.surface).swapaxes(0, 1), pixels))
        keys = (pygame.K_RIGHT, ""), (pygame.K_PERIOD, "."), (pygame.K_UP, "")
        for key, char in keys:
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode=char))
        if len(shown) == 2:
            pygame.event.post(pygame.event.Event(pygame.QUIT))

    monkeypatch.setattr(window.Window, "show", show)
    with Recorder(Path("long.mp4")) as recorder:
        for i in range(90):
            recorder.write(np.full((64, 96, 3), 2 * i, np.uint8), time=i / 30)
    assert main(["live", "long.mp4", *styles, "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert [" ".join(words.split()[3:]) for words, *_ in shown] == [
        "a strength 0.5",
        "75% b + 25% c strength 0.6",
    ]
    # The words are at the foot; above them is the painted frame itself.
    _, screen, pixels = shown[0]
    assert np.array_equal(screen[:40], pixels[:40])
    assert not np.array_equal(screen[40:], pixels[40:])


def test_words_can_be_hidden():
    with window.Window() as open_:
        frame = np.full((64, 96, 3), 90, np.uint8)
        open_.show(frame, "a style")
        event = pygame.event.Event(pygame.KEYDOWN, key=pygame.K_h, unicode="h")
        pygame.event.post(event)
        assert open_.keys() == ["h"]
        open_.show(frame, "a style")
        assert (pygame.surfarray.array3d(open_.surface) == 90).all()
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE, unicode=""))
        assert open_.keys() == [window.QUIT]


@pytest.mark.parametrize("key", [pygame.K_2, pygame.K_KP_2, pygame.K_QUOTE])
def test_a_digit_is_what_is_typed_wherever_it_lies(key):
    with window.Window() as open_:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key, unicode="2"))
        assert open_.keys() == ["2"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("clip.mp4 --style a --method gatys", "gatys cannot paint as frames come"),
        ("clip.mp4 --style a:2", "styles without weights"),
        ("none.mp4 --style a", "none.mp4 cannot be opened"),
        ("clip.mp4 --style a --size 3", "size must be a whole number of at least 64"),
        ("clip.mp4 --style a -o out.gif", "out.gif must end in .mp4, .mkv"),
        ("clip.mp4 --style a --strength 2", "strength must be a number from 0 to 1"),
        ("99 --style a", "camera 99 cannot be opened"),
        ("clip.mp4 --style a -o clip.mp4 --overwrite", "would overwrite"),
    ],
)
def test_refusals_write_nothing(styles, capsys, tmp_path, words, sentence):
    assert main(["live", "--headless", "--engine", "torch", *words.split()]) == 2
    assert sentence in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_without_pygame_there_is_a_sentence(styles, monkeypatch, capsys):
    monkeypatch.setattr(window, "find_spec", lambda _: None)
    assert main(["live", "clip.mp4", *styles]) == 2
    assert "pip install 'impasto[live]'" in capsys.readouterr().err

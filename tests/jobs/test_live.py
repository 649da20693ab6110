"""Frames are dropped rather than delayed, by clocks that stand still; keys change what is seen."""

import threading
from dataclasses import dataclass
from itertools import islice, pairwise

import pytest
import torch

from impasto.core.contract import Frame, Style
from impasto.core.errors import MediaError, OptionError
from impasto.jobs import live as module
from impasto.jobs.live import Newest, Paced, Palette, Wall, live
from impasto.jobs.spec import Job
from impasto.methods import load
from impasto.nets import trained

RATE = 30


class _Clock:
    """Time that passes only where it is spent."""

    time = 100.0

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.time += seconds


@dataclass
class _Shot:
    time: float

    def image(self, *, long_side):
        return torch.full((1, 3, 4, 4), self.time)


class _Slow:
    """A painter that takes its time and returns the picture."""

    words = ""

    def __init__(self, clock, seconds):
        self.clock, self.seconds = clock, seconds

    def paint(self, image):
        self.clock.time += self.seconds
        return image


def _filmed(count=90, rate=RATE):
    return [_Shot(i / rate) for i in range(count)]


def _seen(seconds, *, count=90, decoding=0.0):
    clock = _Clock()

    def decoded():
        for shot in _filmed(count):
            clock.time += decoding
            yield shot

    return list(live(Paced(decoded(), clock), _Slow(clock, seconds), long_side=4, clock=clock))


def test_a_quick_painter_shows_every_frame_at_its_time():
    seen = _seen(0.01)
    assert [s.time for s in seen] == pytest.approx([i / RATE for i in range(90)])
    assert seen[-1].dropped == 0
    assert seen[-1].tally.latest == pytest.approx(0.01)
    assert seen[-1].tally.rate == pytest.approx(RATE, rel=0.02)


def test_a_slow_painter_shows_the_newest_frame_and_drops_the_others():
    seen = _seen(0.21)
    # Six frames and a bit pass while one is painted.
    steps = [round((b.time - a.time) * RATE) for a, b in pairwise(seen)]
    assert steps[0] == 1
    assert set(steps[1:-1]) <= {6, 7}
    assert len(seen) + seen[-1].dropped == 90
    assert seen[-1].tally.latest <= 0.21 + 1 / RATE + 1e-6


def test_time_begins_when_all_is_ready():
    clock, waits = _Clock(), iter([9.0])

    class Slow(_Slow):
        def paint(self, image):
            self.clock.time += next(waits, 0.0)
            return super().paint(image)

    seen = list(live(Paced(_filmed(), clock), Slow(clock, 0.01), long_side=4, clock=clock))
    assert len(seen) == 90
    assert seen[-1].tally.latest == pytest.approx(0.01)


def test_frames_that_are_decoded_too_slowly_end_all_the_same():
    seen = _seen(0.01, decoding=0.1)
    assert 1 < len(seen) <= 90
    assert len(seen) + seen[-1].dropped == 90


def test_a_video_without_frames_shows_nothing():
    assert _seen(0.1, count=0) == []


def test_of_a_camera_the_newest_frame_is_taken():
    given, going = threading.Event(), threading.Event()

    def camera():
        yield from _filmed(5)
        given.set()
        going.wait(10)
        yield _Shot(9.0)

    feed = Newest(camera(), Wall())
    assert given.wait(10)
    assert feed.take().shot.time == pytest.approx(4 / RATE)
    assert feed.dropped == 4
    going.set()
    assert feed.take().shot.time == 9.0
    assert feed.take() is None


def test_a_camera_that_fails_is_heard_of():
    def camera():
        raise MediaError("camera 0 is gone")
        yield

    with pytest.raises(MediaError, match="camera 0 is gone"):
        Newest(camera(), Wall()).take()


@pytest.fixture
def palette(random_weights, monkeypatch):
    known = trained.bundled()
    made = lambda job, *_, **__: [  # noqa: E731
        Style(None, measured=known.known(name)) for name, _ in job.styles
    ]
    monkeypatch.setattr(module, "styles_of", made)
    job = Job("", [(name, 1.0) for name in "abc"], "multistyle", options={"strength": 0.5})
    return Palette(job, size=(64, 64), device="cpu")


def _alone(name, *, weight, strength=0.5):
    known = trained.bundled()
    pairs = zip(name, weight, strict=True)
    styles = [Style(None, share, measured=known.known(each)) for each, share in pairs]
    return load("multistyle")(strength=strength).prepare(styles, generator=torch.Generator())


def test_keys_change_style_mixture_and_strength(palette):
    image = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))

    def same(names, **options):
        return torch.equal(palette.paint(image), _alone(names, **options)(Frame(image)))

    assert same("a", weight=[1.0])
    palette.press("right")
    assert palette.words == "b  strength 0.5"
    assert same("b", weight=[1.0])
    palette.press(".")
    assert palette.words == "75% b + 25% c  strength 0.5"
    assert same("bc", weight=[0.75, 0.25])
    palette.press("left")
    palette.press("left")
    assert same("c", weight=[1.0])
    palette.press("up")
    assert same("c", weight=[1.0], strength=0.6)
    palette.press("2")
    assert same("b", weight=[1.0], strength=0.6)
    for _ in range(9):
        palette.press("down")
    assert torch.equal(palette.paint(image), image)
    palette.press("x")
    assert palette.words == "b  strength 0.0"


def test_between_frames_keys_are_heard(palette):
    clock = _Clock()
    frames = live(Paced(_filmed(4), clock), palette, long_side=4, clock=clock)
    words = []
    for seen in islice(frames, 3):
        words.append(seen.words.split()[0])
        palette.press("right")
    assert words == ["a", "b", "c"]


def test_other_methods_are_refused():
    with pytest.raises(OptionError, match="gatys cannot paint as frames come; johnson and multi"):
        Palette(Job("", [("a", 1.0)], "gatys"), size=(64, 64), device="cpu")


def test_a_style_that_does_not_fit_is_refused_before_the_first_frame(palette, monkeypatch):
    known = trained.bundled().known("a")
    other = known | {trained.MAKER: known[trained.MAKER] ^ 1}
    styles = [Style(None, measured=measured) for measured in (known, other)]
    monkeypatch.setattr(module, "styles_of", lambda *_, **__: styles)
    job = Job("", [("a", 1.0), ("other", 1.0)], "multistyle")
    with pytest.raises(OptionError, match="was learnt with another"):
        Palette(job, size=(64, 64), device="cpu")


def test_a_strength_is_kept_as_it_was_asked_for(random_weights, palette):
    job = Job("", [("a", 1.0)], "multistyle", options={"strength": 0.25})
    quarter = Palette(job, size=(64, 64), device="cpu")
    image = torch.rand((1, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    assert quarter.words == "a  strength 0.25"
    wanted = _alone("a", weight=[1.0], strength=0.25)(Frame(image))
    assert torch.equal(quarter.paint(image), wanted)
    quarter.press("up")
    assert quarter.words == "a  strength 0.3"

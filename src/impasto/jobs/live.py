"""Frames painted as they come: always the newest, so that a slow painter drops and never lags."""

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

from impasto.core.contract import Frame, Stylizer
from impasto.core.errors import OptionError
from impasto.core.tensors import Image
from impasto.jobs.control import built
from impasto.jobs.prepared import generator, styles_of
from impasto.jobs.spec import Job
from impasto.methods import load, names

STEP, STRENGTHS = 0.25, 10
"""Of the way from one style to the next, and in how many steps from the picture to a style."""
LATELY = 2.0
"""Seconds over which frames are counted."""


@runtime_checkable
class Clock(Protocol):
    """What tells the time, and waits."""

    def now(self) -> float:
        """Seconds since whenever."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Wall:
    """The clock on the wall."""

    def now(self) -> float:
        """As of every `Clock`."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """As of every `Clock`."""
        time.sleep(seconds)


@runtime_checkable
class Shown(Protocol):
    """A frame that can be converted; see `media.video.Shot`."""

    @property
    def time(self) -> float:
        """Seconds since the beginning."""
        ...

    def image(self, *, long_side: int) -> Image:
        """The frame, no longer than this."""
        ...


class Taken(NamedTuple):
    """A frame to paint now.

    Attributes:
        shot: the frame.
        due: when it happened, by the clock.
    """

    shot: Shown
    due: float


class Paced:
    """The frames of a file at the pace in which they were filmed; what is late is passed over.

    The first is there at once, and time begins when the second is asked for.

    Args:
        shots: one after another.
        clock: by which they are due.
    """

    def __init__(self, shots: Iterable[Shown], clock: Clock) -> None:
        self.shots, self.clock, self.dropped = iter(shots), clock, 0
        self.ahead: Shown | None = None
        self.begun, self.begin = False, 0.0

    def take(self) -> Taken | None:
        """The latest frame that is due, or else the next, waited for; None at the end."""
        if not self.begun:
            self.begun, first = True, next(self.shots, None)
            return None if first is None else Taken(first, self.clock.now())
        self.begin = self.begin or self.clock.now()
        due = self.clock.now() - self.begin
        chosen = self.ahead or next(self.shots, None)
        # Frames that would be due by the time they are decoded are the next call's.
        self.ahead = next(self.shots, None)
        while self.ahead and self.ahead.time <= due:
            self.dropped += 1
            chosen, self.ahead = self.ahead, next(self.shots, None)
        if chosen is None:
            return None
        self.clock.sleep(max(0.0, self.begin + chosen.time - self.clock.now()))
        return Taken(chosen, self.begin + chosen.time)


class Newest:
    """The newest frame of a camera, which a thread reads as quickly as they come.

    Args:
        shots: one after another, each when it is there.
        clock: by which they come.
    """

    def __init__(self, shots: Iterable[Shown], clock: Clock) -> None:
        self.clock, self.dropped = clock, 0
        self.latest: Taken | None = None
        self.failed: BaseException | None = None
        self.ended = False
        self.news = threading.Condition()
        threading.Thread(target=self._read, args=(shots,), daemon=True).start()

    def take(self) -> Taken | None:
        """The newest frame, waited for if it was given already; None at the end."""
        with self.news:
            self.news.wait_for(lambda: self.latest or self.ended)
            if self.failed:
                raise self.failed
            taken, self.latest = self.latest, None
            return taken

    def _read(self, shots: Iterable[Shown]) -> None:
        try:
            for shot in shots:
                with self.news:
                    self.dropped += self.latest is not None
                    self.latest = Taken(shot, self.clock.now())
                    self.news.notify()
        except Exception as error:
            self.failed = error
        with self.news:
            self.ended = True
            self.news.notify()


@runtime_checkable
class Paints(Protocol):
    """What `Palette` does for `live`."""

    @property
    def words(self) -> str:
        """How it paints now."""
        ...

    def paint(self, image: Image) -> Image:
        """A frame as it is to be seen, (1, 3, H, W)."""
        ...


class Palette:
    """Styles in a row, a place in the row, and a strength: what keys change.

    Between two places two styles are mixed, where the method mixes; the last is beside the first.

    Args:
        job: its styles and options; its content plays no part.
        size: height and width of the frames.
        device: where they are painted.

    Raises:
        OptionError: the method cannot paint as frames come, or an option is not accepted.
        ImpastoError: a style cannot be opened.
    """

    def __init__(self, job: Job, *, size: tuple[int, int], device: str) -> None:
        if not hasattr(load(job.method), "learnt"):
            able = " and ".join(name for name in names() if hasattr(load(name), "learnt"))
            raise OptionError(f"{job.method} cannot paint as frames come; {able} can")
        method, _ = built(job.method, job.options)
        self.method: Any = method
        self.styles = styles_of(job, method, size=size, whole=True, device=device)
        self.names = [str(source) for source, _ in job.styles]
        self.generator = generator(job.seed)
        self.steps = round(1 / STEP) if method.mixes else 1
        self.place = 0
        self.strength: float = self.method.strength
        self._made: tuple[tuple[int, float], Stylizer] | None = None
        for style in self.styles:  # Refused now and not when a key asks for it.
            method.prepare([style], generator=self.generator)

    def press(self, key: str) -> None:
        """Change place or strength; another key does nothing."""
        match key:
            case "right" | "left":
                self.place = (self.place // self.steps + (1 if key == "right" else -1)) * self.steps
            case "." | ",":
                self.place += 1 if key == "." else -1
            case "up" | "down":
                change = 1 if key == "up" else -1
                step = round(STRENGTHS * self.strength) + change
                self.strength = min(STRENGTHS, max(0, step)) / STRENGTHS
            case _ if key.isdecimal() and 1 <= int(key) <= len(self.styles):
                self.place = (int(key) - 1) * self.steps
            case _:
                pass
        self.place %= self.steps * len(self.styles)

    @property
    def words(self) -> str:
        """The styles and the strength."""
        parts = [
            f"{share:.0%} {name}" if share < 1 else name for name, share in self._mixed(self.names)
        ]
        strength = f"{self.strength:.2f}".removesuffix("0")
        return f"{' + '.join(parts)}  strength {strength}"

    def paint(self, image: Image) -> Image:
        """A frame as it is to be seen now, (1, 3, H, W)."""
        wanted = self.place, self.strength
        if self._made is None or self._made[0] != wanted:
            method = self.method.model_copy(update={"strength": self.strength})
            styles = [replace(style, weight=share) for style, share in self._mixed(self.styles)]
            self._made = wanted, method.prepare(styles, generator=self.generator)
        return self._made[1](Frame(image))

    def _mixed(self, things: Sequence[Any]) -> list[tuple[Any, float]]:
        """What stands at this place and its share, and what follows it."""
        at, step = divmod(self.place, self.steps)
        share = step / self.steps
        following = things[(at + 1) % len(things)]
        return [(things[at], 1 - share), *([(following, share)] if share else [])]


@dataclass
class Tally:
    """What was shown so far.

    Attributes:
        shown: frames.
        latest: the most seconds from when a frame happened to when it was seen.
        begin: by the clock.
        end: likewise.
    """

    begin: float
    end: float = 0.0
    shown: int = 0
    latest: float = 0.0
    lately: deque[float] = field(default_factory=deque[float])

    def count(self, taken: Taken, now: float) -> None:
        """One frame more."""
        self.shown += 1
        self.end, self.latest = now, max(self.latest, now - taken.due)
        self.lately.append(now)
        while self.lately[0] < now - LATELY:
            self.lately.popleft()

    @property
    def rate(self) -> float:
        """Frames a second, lately."""
        span = self.lately[-1] - self.lately[0] if self.lately else 0.0
        return (len(self.lately) - 1) / span if span else 0.0


class Seen(NamedTuple):
    """A frame that was painted.

    Attributes:
        image: (1, 3, H, W).
        time: seconds since the beginning.
        words: what it is painted in.
        tally: what was shown so far, this one included.
        dropped: frames that were not.
    """

    image: Image
    time: float
    words: str
    tally: Tally
    dropped: int


def live(feed: Paced | Newest, palette: Paints, *, long_side: int, clock: Clock) -> Iterator[Seen]:
    """Paint the newest frame again and again, until there is none; keys may come between.

    Args:
        feed: what is filmed.
        palette: how to paint it.
        long_side: of the painted frames at most, in pixels.
        clock: that of the feed.
    """
    tally: Tally | None = None
    while (taken := feed.take()) is not None:
        image = palette.paint(taken.shot.image(long_side=long_side))
        now = clock.now()
        if tally is None:  # Until then all was made ready, which counts for nothing.
            tally, taken = Tally(now), taken._replace(due=now)
        tally.count(taken, now)
        yield Seen(image, taken.due - tally.begin, palette.words, tally, feed.dropped)

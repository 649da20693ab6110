"""Many jobs, one after another: what they share is prepared once, and none can stop the others.

While one picture is painted, the next is read and the last is written. Everything is written whole
or not at all and holds its recipe, so a batch that was stopped, however rudely, goes on where it
was: what is finished is known by its recipe.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from impasto.core.errors import ImpastoError, MediaError, OptionError
from impasto.core.machine import quicken
from impasto.core.progress import Progress
from impasto.jobs.control import built
from impasto.jobs.perform import Run
from impasto.jobs.prepared import Prepared, generator
from impasto.jobs.recipe import parse, plain
from impasto.jobs.sources import measured
from impasto.jobs.spec import Job
from impasto.media.image import read_recipe
from impasto.media.place import check_writable
from impasto.nets import zoo
from impasto.universal.palette import ENDING

AHEAD = 1
"""Pictures that are read before their turn."""
BEHIND = 2
"""Pictures that may wait to be written."""


@dataclass(frozen=True)
class Item:
    """One job of a batch, and the file in which its picture goes."""

    job: Job
    out: Path


@dataclass(frozen=True)
class Outcome:
    """What became of an item.

    Attributes:
        item: the item.
        state: painted now, finished before, or failed.
        reason: why it failed, one sentence.
    """

    item: Item
    state: Literal["painted", "finished", "failed"]
    reason: str = ""


Told = Callable[[Item, Progress], None]
"""Is told of each step of an item."""


def silent(item: Item, progress: Progress) -> None:
    """A report that says nothing."""


def carry_all(
    items: Iterable[Item | None], *, overwrite: bool = False, report: Told = silent
) -> Iterator[Outcome]:
    """Carry out jobs and write their pictures; gives what became of each, in their order.

    Args:
        items: what to do; None asks for what is begun to be brought to its end first.
        overwrite: replace a file that was made otherwise; else such an item fails.
        report: is told of each step.
    """
    quicken()
    with ThreadPoolExecutor(1) as reading, ThreadPoolExecutor(1) as writing:
        batch = _Batch(Prepared(), overwrite, report, writing)
        ahead: deque[tuple[Item, Future[Run | None]]] = deque()
        for item in items:
            if item is not None:
                ahead.append((item, reading.submit(batch.read, item)))
            while len(ahead) > (AHEAD if item else 0):
                batch.paint(*ahead.popleft())
            yield from batch.written(leave=BEHIND if item else 0)
        while ahead:
            batch.paint(*ahead.popleft())
            yield from batch.written(leave=BEHIND)
        yield from batch.written(leave=0)


class _Batch:
    """What the items of a batch share.

    Attributes:
        behind: items whose files are being written, or for which nothing is left to do.
    """

    def __init__(
        self, prepared: Prepared, overwrite: bool, report: Told, writing: ThreadPoolExecutor
    ) -> None:
        self.prepared, self.overwrite, self.report = prepared, overwrite, report
        self.writing = writing
        self.behind: deque[tuple[Item, Future[Outcome]]] = deque()

    def read(self, item: Item) -> Run | None:
        """The job, its content opened; None if its picture is there already."""
        if item.out.exists():
            if finished(item):
                return None
            if not self.overwrite:
                raise OptionError(
                    f"{item.out} exists and was made otherwise; --overwrite replaces it"
                )
        run = Run(item.job, prepared=self.prepared)
        run.open()
        return run

    def paint(self, item: Item, reading: Future[Run | None]) -> None:
        """Paint, and leave the picture to be written."""
        try:
            run = reading.result()
            if run is None:
                self._settle(item, lambda: Outcome(item, "finished"))
                return
            item.out.parent.mkdir(parents=True, exist_ok=True)
            check_writable(item.out, long_side=max(run.made_size), overwrite=True)
            run.report = partial(self.report, item)
            run.begin()
            self._settle(item, self._writer(run, item))
        except Exception as error:
            reason = _reason(error)
            self._settle(item, lambda: Outcome(item, "failed", reason))

    def _writer(self, run: Run, item: Item) -> Callable[[], Outcome]:
        if not run.whole:
            run.written(item.out)
            return lambda: Outcome(item, "painted")
        image = run.made()

        def write() -> Outcome:
            run.keep(image, item.out)
            return Outcome(item, "painted")

        return write

    def _settle(self, item: Item, work: Callable[[], Outcome]) -> None:
        self.behind.append((item, self.writing.submit(work)))

    def written(self, *, leave: int) -> Iterator[Outcome]:
        """The items that are done, waiting until no more than these are left."""
        while self.behind and (len(self.behind) > leave or self.behind[0][1].done()):
            item, outcome = self.behind.popleft()
            try:
                yield outcome.result()
            except Exception as error:
                yield Outcome(item, "failed", _reason(error))


def check(job: Job) -> None:
    """Refuse now what would fail every item; the content plays no part.

    Raises:
        ImpastoError: a style cannot be read, or an option, the seed or the size is not accepted.
    """
    replace(job, content=":").result_size()
    built(job.method, job.options)
    generator(job.seed)
    for source, _ in job.styles:
        if not str(source).endswith(ENDING):
            measured(source)


def finished(item: Item) -> bool:
    """Whether the file of an item is there and holds the picture of its job, by its recipe.

    Raises:
        ImpastoError: an input cannot be read, or no such method or option.
    """
    try:
        text = read_recipe(item.out)
        known = parse(text, name=str(item.out)) if text else None
    except (MediaError, OptionError):
        return False
    if known is None or zoo.changed(known.networks):
        return False
    return known.asks_for(plain(item.job, folder=item.out.parent))


def _reason(error: Exception) -> str:
    if isinstance(error, ImpastoError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")
    return f"{type(error).__name__}: {error}"

"""Many pictures by one command: two bars, a summary, and an exit code."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from os.path import realpath
from pathlib import Path

from impasto.cli.main import STOPPED, say
from impasto.core.errors import Interrupted, OptionError
from impasto.core.progress import Progress
from impasto.jobs.batch import Item, Outcome, Told, carry_all, check
from impasto.jobs.folders import Found, found, placed, watched
from impasto.jobs.spec import Job
from impasto.media.image import ENDINGS, Source

FAILED = 1
"""Exit code of a batch of which a picture failed."""


@dataclass(frozen=True)
class Batch:
    """What is asked of many pictures.

    Attributes:
        names: files, folders and patterns.
        folder: where the results go.
        recursive: whether the folders in a folder count.
        each: paint every style by itself instead of all blended.
        suffix: what comes behind the stem of a result's name.
        watch: go on with what comes.
        overwrite: replace what was made otherwise.
        quiet: no bars.
        ending: of all results; None is that of the content, if it can be written.
    """

    names: list[str]
    folder: Path
    recursive: bool = False
    each: bool = False
    suffix: str = ""
    watch: bool = False
    overwrite: bool = False
    quiet: bool = False
    ending: str | None = None

    def run(self, job: Job) -> int:
        """Paint all; the job's content plays no part.

        Raises:
            OptionError: there is no picture, or results would overwrite others.
        """
        check(job)
        contents = [
            content
            for content in found(self.names, recursive=self.recursive, beside=self.folder)
            if not self._made(content)
        ]
        if not contents and not self.watch:
            raise OptionError(f"there is no picture in {' or '.join(self.names)}")
        items = self._items(job, contents)
        _check_apart(items)
        endless = self._coming(job) if self.watch else items
        tally: Counter[str] = Counter()
        failed: list[Outcome] = []
        code = 0
        try:
            with _bars(None if self.watch else len(items), quiet=self.quiet) as (told, done):
                for outcome in carry_all(endless, overwrite=self.overwrite, report=told):
                    done(outcome)
                    tally[outcome.state] += 1
                    if outcome.state == "failed":
                        failed.append(outcome)
                    elif outcome.state == "painted":
                        sys.stdout.write(f"{outcome.item.out}\n")
                        sys.stdout.flush()
        except (KeyboardInterrupt, Interrupted):
            code = 0 if self.watch else STOPPED
        self._summarise(tally, failed, stopped=bool(code))
        return code or (FAILED if failed else 0)

    def _items(self, job: Job, contents: list[Found]) -> list[Item]:
        styles = [[style] for style in job.styles] if self.each else [list(job.styles)]
        items: list[Item] = []
        for chosen in styles:
            suffix = self.suffix + (f"-{stem(str(chosen[0][0]))}" if self.each else "")
            outs = placed(contents, folder=self.folder, ending=self._ending, suffix=suffix)
            items += [
                Item(replace(job, content=content.path, styles=chosen), out)
                for content, out in zip(contents, outs, strict=True)
            ]
        return items

    def _made(self, content: Found) -> bool:
        """Whether it looks like a result of this batch, by its folder and suffix."""
        ours = bool(self.suffix) and content.path.stem.endswith(self.suffix)
        return ours and content.path.resolve().is_relative_to(self.folder.resolve())

    def _ending(self, path: Path) -> str:
        return self.ending or (path.suffix if path.suffix.lower() in ENDINGS else ".png")

    def _coming(self, job: Job) -> Iterator[Item | None]:
        for content in watched(self.names, recursive=self.recursive, beside=self.folder):
            if content is None or not self._made(content):
                yield from self._items(job, [content]) if content else [None]

    def _summarise(self, tally: Counter[str], failed: list[Outcome], *, stopped: bool) -> None:
        words = [f"{tally['painted']} painted"]
        if tally["finished"]:
            words.append(f"{tally['finished']} finished before")
        if failed:
            words.append(f"{len(failed)} failed")
        for outcome in failed:
            say(f"{outcome.item.job.content}: {outcome.reason}")
        if failed or stopped or not self.quiet:
            more = "; stopped, and the same command goes on" if stopped else ""
            say(f"{', '.join(words)}{more}")


def stem(source: str) -> str:
    """A picture's name as a part of another's."""
    return source[1:].replace("@", "-") if source.startswith(":") else Path(source).stem


def _check_apart(items: Iterable[Item]) -> None:
    """No result may overwrite a picture that is read, or another result."""
    items = list(items)
    read = {realpath(str(path)) for item in items for path in _read(item.job)}
    written: set[str] = set()
    for item in items:
        out = realpath(item.out)
        if out in read or out in written:
            raise OptionError(
                f"{item.out} would overwrite another picture of this run; "
                "name another folder, or give --suffix"
            )
        written.add(out)


def _read(job: Job) -> list[Source]:
    styles = [source for source, _ in job.styles]
    more = [*job.mask, *job.style_mask, *job.style_map, job.content_map, job.start_picture]
    return [each for each in (job.content, *styles, *more) if each is not None]


@contextmanager
def _bars(total: int | None, *, quiet: bool) -> Iterator[tuple[Told, Callable[[Outcome], None]]]:
    """What is told of steps and of outcomes: a bar for each, or a line an outcome in a file."""
    if quiet:
        yield lambda *_: None, lambda _: None
    elif sys.stderr.isatty():
        with _rich_bars(total) as both:
            yield both
    else:
        number = count(1)

        def line(outcome: Outcome) -> None:
            of = "" if total is None else f"/{total}"
            say(f"{next(number)}{of} {outcome.item.job.content}: {outcome.state}")

        yield lambda *_: None, line


@contextmanager
def _rich_bars(total: int | None) -> Iterator[tuple[Told, Callable[[Outcome], None]]]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    remaining = TimeRemainingColumn(elapsed_when_finished=True)
    with Bar(*columns, remaining, console=Console(stderr=True), refresh_per_second=4) as drawn:
        every = drawn.add_task("all pictures", total=total)
        one = drawn.add_task("getting ready", total=100)

        def told(item: Item, progress: Progress) -> None:
            name = escape(Path(str(item.job.content)).name)
            drawn.update(one, description=name, completed=round(100 * progress.done))

        yield told, lambda _: drawn.advance(every)

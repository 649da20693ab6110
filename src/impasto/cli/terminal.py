"""What is seen of a run while it runs: a bar, a preview, pictures on the way, the losses."""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from impasto.core.errors import MediaError, OptionError
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.media import image as media
from impasto.media import plot
from impasto.media.place import check_writable
from impasto.nets.fetch import metered
from impasto.ops.resample import fit, resize

PREVIEW_SIDE = 512
PREVIEW_SECONDS = 1.0
LINE_SECONDS = 5.0


class Watch:
    """Everything that is asked to be seen of one run.

    Args:
        out: where the result will be.
        preview: a file to rewrite as the work goes on; True is one beside the result, which is
            deleted at the end.
        every: keep a picture of every n-th step beside the result.
        trace: a table of all losses; a drawing goes beside it.
        overwrite: whether files that are there may be replaced.
        quiet: no bar.

    Raises:
        OptionError: `every` is below 1.
        MediaError: a file cannot be written, or is there.
    """

    def __init__(
        self,
        out: Path,
        *,
        preview: Path | bool | None = None,
        every: int | None = None,
        trace: Path | None = None,
        overwrite: bool = False,
        quiet: bool = False,
    ) -> None:
        if every is not None and every < 1:
            raise OptionError(f"every must be a whole number of at least 1; got {every}")
        self.out, self.every, self.trace, self.quiet = out, every, trace, quiet
        self.passing = preview is True
        beside = out.with_name(f"{out.stem}.preview.jpg")
        self.preview = preview if isinstance(preview, Path) else beside if preview else None
        self.losses: list[Progress] = []
        if self.preview:
            # One that is deleted at the end was left by a run that was killed.
            check_writable(self.preview, overwrite=overwrite or self.passing)
        if trace:
            check_writable(trace, endings=(".csv",), overwrite=overwrite)
            check_writable(self._drawing(trace), overwrite=overwrite)
        kept = re.compile(rf"{re.escape(out.stem)}-\d{{5,}}{re.escape(out.suffix)}")
        for path in out.parent.iterdir() if every and not overwrite else ():
            if kept.fullmatch(path.name):
                raise MediaError(f"{path} exists; --overwrite replaces it")

    @property
    def files(self) -> list[Path]:
        """What will be written beside the result."""
        drawn = [self.trace, self._drawing(self.trace)] if self.trace else []
        return [*drawn, *([self.preview] if self.preview else [])]

    @staticmethod
    def _drawing(trace: Path) -> Path:
        return trace.with_suffix(".loss.png")

    @contextmanager
    def running(self) -> Iterator[Report]:
        """A report for the run; at the end the losses are written and the preview is put away."""
        reports: list[Report] = []
        if self.preview:
            reports.append(_limited(self._show, seconds=PREVIEW_SECONDS))
        if self.every:
            reports.append(self._keep)
        if self.trace:
            reports.append(self._remember)
        try:
            with bar(quiet=self.quiet) as drawn:
                yield _together(*reports, drawn)
        finally:
            if self.passing and self.preview:
                self.preview.unlink(missing_ok=True)
        if self.trace:
            plot.write_csv(self.losses, self.trace)
            plot.write_plot(self.losses, self._drawing(self.trace))

    def _show(self, progress: Progress) -> None:
        if progress.image and self.preview:
            image: Image = progress.image().float().cpu()
            height, width = image.shape[2:]
            side = min(PREVIEW_SIDE, max(height, width))
            media.write(resize(image, fit(height, width, long_side=side)), self.preview)

    def _keep(self, progress: Progress) -> None:
        if progress.image and self.every and progress.step and progress.step % self.every == 0:
            name = f"{self.out.stem}-{progress.step:05d}{self.out.suffix}"
            media.write(progress.image().float().cpu(), self.out.with_name(name))

    def _remember(self, progress: Progress) -> None:
        if progress.losses:
            # Without the picture, which would keep the memory of every step.
            self.losses.append(replace(progress, image=None))


@contextmanager
def bar(*, quiet: bool) -> Iterator[Report]:
    """A report that draws a bar on stderr, or writes a line now and then where that is a file.

    It is told of downloads as well.
    """
    with ExitStack() as stack:
        if quiet:
            report = silent
        elif sys.stderr.isatty():
            report = stack.enter_context(_rich_bar())
        else:
            report = _limited(_line, seconds=LINE_SECONDS)

        def arrived(done: int, total: int | None) -> None:
            of = f" of {total / 1e6:.0f}" if total else ""
            share = done / total if total else 0.0
            report(Progress(f"download {done / 1e6:.0f}{of} MB", share))

        stack.enter_context(metered(arrived))
        yield report


def _together(*reports: Report) -> Report:
    def tell(progress: Progress) -> None:
        for report in reports:
            report(progress)

    return tell


def _words(progress: Progress) -> str:
    """Size and loss of a step, as far as there are any."""
    height, width = progress.size
    size = f"{width} × {height}" if height else ""
    total = (progress.losses or {}).get("total")
    loss = "" if total is None else f"loss {total:.3g}"
    return "  ".join(filter(None, (size, loss)))


def _limited(report: Report, *, seconds: float) -> Report:
    """The report, told of the first step and the last, and between them no more often than this."""
    due = 0.0

    def limited(progress: Progress) -> None:
        nonlocal due
        if time.monotonic() >= due or progress.done >= 1:
            report(progress)
            due = time.monotonic() + seconds

    return limited


def _line(progress: Progress) -> None:
    sys.stderr.write(f"{progress.done:4.0%}  {progress.stage}  {_words(progress)}\n")
    sys.stderr.flush()


@contextmanager
def _rich_bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[words]}"),
        console=Console(stderr=True),
        refresh_per_second=4,
    ) as drawn:
        task = drawn.add_task("getting ready", total=1.0, words="")

        def report(progress: Progress) -> None:
            drawn.update(
                task,
                description=progress.stage,
                completed=progress.done,
                words=_words(progress),
            )

        yield report

"""Pictures on the way: what is shown of tiles, and what is kept where the user stops."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch

from impasto.core.errors import Interrupted
from impasto.core.progress import Progress, Report
from impasto.core.tensors import Image
from impasto.jobs.spec import Job
from impasto.ops.resample import fit, resize
from impasto.tiles import Sink

SIDE = 512
"""Long side in pixels at most."""

_T = TypeVar("_T")


class Overview:
    """A sink that hands rows on, and shows them small in the reports; what is to come is grey.

    Args:
        sink: takes the rows.
        size: height and width of the picture.
        report: is told of each step.
    """

    def __init__(self, sink: Sink, *, size: tuple[int, int], report: Report) -> None:
        self.sink, self.size, self.report = sink, size, report
        self.image = torch.full((1, 3, *fit(*size, long_side=min(SIDE, max(size)))), 0.5)
        self.written = 0

    def write(self, rows: Image) -> None:
        """Put rows below those written before."""
        self.sink.write(rows)
        height, width = self.image.shape[2:]
        end = self.written + rows.shape[2]
        first, last = (round(row * height / self.size[0]) for row in (self.written, end))
        if last > first:
            # To look at all pixels would take longer than anybody sees.
            step = max(1, self.size[0] // height // 2)
            small = resize(rows[:, :, ::step, ::step], (last - first, width))
            self.image[:, :, first:last] = small
        self.written = end

    def told(self, progress: Progress) -> None:
        """Report a step with the picture so far."""
        self.report(replace(progress, image=self.image.clone) if self.written else progress)


def watched(job: Job, report: Report, work: Callable[[Report], _T]) -> _T:
    """Work that reports, and whose last picture is kept where the user stops it.

    Raises:
        Interrupted: the user has done so.
    """
    latest: Progress | None = None
    done = 0.0

    def watch(progress: Progress) -> None:
        nonlocal latest, done
        done = progress.done
        latest = progress if progress.image else latest
        report(progress)

    try:
        result = work(watch)
        if done < 1:  # A method that had nothing to do, or less than it thought.
            report(Progress(stage="done", done=1.0))
        return result
    except KeyboardInterrupt:
        kept = latest.image() if latest and latest.image else None
        raise Interrupted(_enlarged(kept, latest, job.result_size())) from None


def _enlarged(kept: Image | None, told: Progress | None, size: tuple[int, int]) -> Image | None:
    """A picture on the way in the size of the result; None if it is no more than an overview."""
    if kept is None or (told and kept.shape[2] < told.size[0]):
        return None
    return resize(kept.float().cpu(), size)

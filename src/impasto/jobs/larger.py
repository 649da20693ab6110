"""What it takes to enlarge a painting before it is handed on: its share of the work, and a sink."""

from dataclasses import replace

from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.nets import upscaler
from impasto.tiles import Sink

ENLARGING = 0.1
"""Of the work, where there is any."""


def shares(report: Report, by: int) -> tuple[Report, Report]:
    """Two reports, of painting and of enlarging, that together go once from 0 to 1."""
    if by == 1:
        return report, silent
    before = 1 - ENLARGING

    def painting(progress: Progress) -> None:
        report(replace(progress, done=before * progress.done))

    def enlarging(progress: Progress) -> None:
        report(replace(progress, done=before + ENLARGING * progress.done))

    return painting, enlarging


class Enlarged:
    """A sink that hands on enlarged what it takes."""

    def __init__(self, sink: Sink, *, height: int, by: int) -> None:
        self._take = upscaler.enlarging(sink.write, height=height, by=by)

    def write(self, rows: Image) -> None:
        """The rows below those written before."""
        self._take(rows)

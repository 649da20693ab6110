"""Passes over a picture: over the whole at once, or tile by tile when it is larger than memory.

Both give the same picture. A tile is seen with the surroundings that decide about it, sums over the
whole are gathered in a run of their own, and tiles begin where the network's poolings do. The
border of the picture is the border of its tiles, so padding acts there as it does for the whole.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path
from tempfile import TemporaryFile
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from impasto.core.contract import Box, Frame, Glancing, Pass, Recalling, Reducing, Skippable, Sums
from impasto.core.machine import tidy
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image

GATHERING, CHANGING = 1, 2
"""What the halves of a pass cost: one encodes, the other encodes and decodes."""
STRIP = 64
"""Rows that are read at once."""

_Part = TypeVar("_Part")


@runtime_checkable
class Source(Protocol):
    """A picture or a mask that is read from top to bottom, as often as needed."""

    height: int
    width: int

    def strip(self, top: int, height: int) -> Tensor:
        """Rows as (1, C, height, W). They follow those read before, or begin again at 0."""
        ...


@runtime_checkable
class Sink(Protocol):
    """Takes a picture from top to bottom."""

    def write(self, rows: Image) -> None:
        """The rows (1, 3, h, W) below those written before."""
        ...


def surroundings(passes: Sequence[Pass]) -> int:
    """Pixels on each side of a tile that are worked on besides it, at most.

    Of a pass that sees several as one only so many are counted.
    """
    return max((each.margin // _scale(each) for each in passes), default=0)


def coarsest(passes: Sequence[Pass]) -> int:
    """Pixels along a side that a pass sees as one, at most."""
    return max(map(_scale, passes), default=1)


class Held:
    """A picture or mask in memory as a source and a sink.

    Args:
        image: (1, C, H, W); what is written replaces it in place.
    """

    def __init__(self, image: Tensor) -> None:
        self.image, self.written = image, 0
        self.height, self.width = image.shape[2:]

    def strip(self, top: int, height: int) -> Tensor:
        """A view of these rows."""
        return self.image[:, :, top : top + height]

    def write(self, rows: Image) -> None:
        """Put rows below those written before."""
        self.strip(self.written, rows.shape[2]).copy_(rows)
        self.written += rows.shape[2]


class Spool:
    """A picture on disk between two passes, float32; the file has no name and leaves no trace.

    It is read and written, not mapped, so that it does not count as memory of the process.

    Args:
        height, width: of the picture.
        folder: where there is room; None is the system's folder for such files.
    """

    def __init__(self, height: int, width: int, *, folder: Path | None = None) -> None:
        self.height, self.width = height, width
        self.file = TemporaryFile(dir=folder)  # noqa: SIM115 - closed in __exit__
        self.written = 0

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, rows: Image) -> None:
        """Put rows below those written before, or, after a reading, at the top again."""
        values = rows[0].transpose(0, 1).float().contiguous().numpy()
        self.file.seek(self.written * self.width * 12)
        self.file.write(values.data)
        self.written += rows.shape[2]

    def strip(self, top: int, height: int) -> Image:
        """Rows that were written, (1, 3, height, W)."""
        values = np.empty((height, 3, self.width), np.float32)
        self.file.seek(top * self.width * 12)
        self.file.readinto(values.data)
        self.written = 0
        return torch.from_numpy(values).transpose(0, 1)[None]


@torch.no_grad()
def whole(passes: Sequence[Pass], frame: Frame, *, report: Report = silent) -> Image:
    """Every pass over the frame as one tile; a pass gathers and changes the very same `Frame`.

    Args:
        passes: each works on the result of the one before, and is left out where it is needless;
            where none is left, the content is copied.
        frame: content and regions; its sides are brought to multiples by mirroring and cut again.
        report: is told of each half of a pass; the last of each has the picture so far.
    """
    image = frame.content
    height, width = image.shape[2:]
    course = _Course(report, (height, width), passes=len(passes))
    for place, each in enumerate(passes):
        if not _needed(each):
            continue
        down, across = (_mirrored(side, each.multiple) for side in (height, width))
        parts = (image, *_recalled(each, frame.content), *frame.regions)
        grown = _framed(each, [_picked(part, down, across) for part in parts])
        sums = each.gather(grown, Box(0, 0, len(down), len(across)))
        course.advance("looking", GATHERING * height * width)
        change = each.change(sums)
        course.told(passes[place + 1 :], idle=change is None)
        if change is None:
            continue
        image = change(grown)[:, :, :height, :width]
        course.advance("painting", CHANGING * height * width, image)
    return image.clone() if image is frame.content else image


@torch.no_grad()
def tiled(
    passes: Sequence[Pass],
    source: Source,
    sink: Sink,
    *,
    side: int,
    regions: Sequence[Source] = (),
    folder: Path | None = None,
    device: torch.device | str = "cpu",
    report: Report = silent,
) -> None:
    """Every pass tile by tile, from a source to a sink; gives what `whole` gives.

    Args:
        passes: each works on the result of the one before, and is left out where it is needless;
            none copies the source.
        source: is read twice by the first pass, once where that needs no sums; and by others that
            are `Recalling`.
        sink: takes the result from top to bottom, on the CPU.
        side: of the largest tile without its surroundings, in pixels; of a pass that sees several
            as one, in such: its tiles take no more memory for that, and have less around them.
        regions: masks (1, 1, h, W), strip by strip, in the size of the source.
        folder: where the pictures between passes lie, 12 bytes a pixel, two at most.
        device: where the tiles are worked on.
        report: is told of each tile.
    """
    height, width = source.height, source.width
    course = _Course(report, (height, width), passes=len(passes))
    with ExitStack() as stack:
        spools = [stack.enter_context(Spool(height, width, folder=folder)) for _ in passes[1:3]]
        first = source
        for place, each in enumerate(passes):
            if not _needed(each):
                continue
            work = _Work(each, [source, *_recalled(each, first), *regions], side, device, course)
            change = work.told()
            left = course.told(passes[place + 1 :], idle=change is None)
            if change is None:
                continue
            if not left:
                work.into(sink, change)
                return
            spool = spools[source is spools[0]]
            work.into(spool, change)
            source = spool
        for top in range(0, height, STRIP):
            sink.write(source.strip(top, min(STRIP, height - top)))


@dataclass
class _Course:
    """How far we are, by cost."""

    report: Report
    size: tuple[int, int]
    passes: int
    begun: int = 0
    spent: int = 0
    step: int = 0

    def told(self, rest: Sequence[Pass], *, idle: bool) -> int:
        """A pass was told its sums, and may do nothing; how many of those behind it are needed."""
        self.begun += 1
        if idle:
            self.spent += CHANGING * self.size[0] * self.size[1]
        left = sum(map(_needed, rest))
        self.passes = self.begun + left
        return left

    def advance(self, stage: str, cost: int, image: Image | None = None) -> None:
        self.spent += cost
        self.step += 1
        done = self.spent / (self.passes * self.size[0] * self.size[1] * (GATHERING + CHANGING))
        shown = None if image is None else lambda: image
        self.report(Progress(stage, min(1.0, done), self.step, self.size, image=shown))


@dataclass(frozen=True)
class _Tile:
    """A frame, the tile within it, and the tile in the picture, cut at its border."""

    frame: Frame
    inside: Box
    place: Box


@dataclass(frozen=True)
class _Work:
    """One pass over the first of some sources; the others are what its frames hold besides."""

    each: Pass
    parts: Sequence[Source]
    side: int
    device: torch.device | str
    course: _Course

    def told(self) -> Callable[[Frame], Image] | None:
        """What is to be done with each tile, if anything."""
        return self.each.change(self._gathered())

    def into(self, sink: Sink, change: Callable[[Frame], Image]) -> None:
        """Do it."""
        width = self.parts[0].width
        rows: Tensor | None = None
        for tile in self._tiles(self.each.margin):
            top, left, high, wide = tile.inside
            _, column, height, across = tile.place
            if rows is None:  # No row of tiles is higher than the first.
                rows = torch.empty((1, 3, height, width))
            painted = change(tile.frame)[:, :, top : top + high, left : left + wide]
            rows[:, :, :height, column : column + across] = painted[:, :, :height, :across]
            self.course.advance("painting", CHANGING * height * across)
            if column + across == width:
                sink.write(rows[:, :, :height])

    def _gathered(self) -> Sums:
        total: Sums = {}
        each = self.each
        for tile in self._tiles(each.glance if isinstance(each, Glancing) else each.margin):
            sums = self.each.gather(tile.frame, tile.inside)
            if not sums:
                # What gathers nothing from one tile gathers nothing from any.
                self.course.spent += GATHERING * self.parts[0].height * self.parts[0].width
                break
            total = {name: total[name] + part if total else part for name, part in sums.items()}
            self.course.advance("looking", GATHERING * tile.place.height * tile.place.width)
        return total

    def _tiles(self, seen: int) -> Iterator[_Tile]:
        """All tiles, row by row, with so many pixels of surroundings at least.

        Together they are the picture brought to multiples.
        """
        (height, width), multiple = (self.parts[0].height, self.parts[0].width), self.each.multiple
        down, across = _mirrored(height, multiple), _mirrored(width, multiple)
        margin, side = ceil(seen / multiple) * multiple, self.side * _scale(self.each)
        windows = [_Window(source) for source in self.parts]
        for top, bottom in pairwise(_cuts(len(down), side, multiple)):
            first = max(0, top - margin)
            rows = down[first : bottom + margin]
            for left, right in pairwise(_cuts(len(across), side, multiple)):
                start = max(0, left - margin)
                columns = across[start : right + margin]
                tidy()
                parts = [each.cut(rows, columns).to(self.device) for each in windows]
                place = Box(first, start, len(rows), len(columns))
                yield _Tile(
                    _framed(self.each, parts, place=place),
                    Box(top - first, left - start, bottom - top, right - left),
                    Box(top, left, min(bottom, height) - top, min(right, width) - left),
                )


def _scale(each: Pass) -> int:
    return each.scale if isinstance(each, Reducing) else 1


def _needed(each: Pass) -> bool:
    return not isinstance(each, Skippable) or each.needed


def _recalled(each: Pass, first: _Part) -> list[_Part]:
    """What the first pass was given, if this one asks for it."""
    return [first] if isinstance(each, Recalling) else []


def _framed(each: Pass, parts: Sequence[Tensor], *, place: Box | None = None) -> Frame:
    """The frame of a content, of what the first pass was given where it is asked for, and masks."""
    content, *more = parts
    origin = more.pop(0) if isinstance(each, Recalling) else None
    return Frame(content, regions=more, place=place, origin=origin)


class _Window:
    """The rows of a source that are needed now, each read once a run."""

    def __init__(self, source: Source) -> None:
        self.source, self.end = source, 0
        self.strips: list[tuple[int, Tensor]] = []

    def cut(self, rows: Tensor, columns: Tensor) -> Tensor:
        """These rows and columns, (1, C, h, w); the first row must not go back."""
        top, bottom = int(rows.min()), int(rows.max()) + 1
        left, right = int(columns.min()), int(columns.max()) + 1
        self.strips = [(at, kept) for at, kept in self.strips if at + kept.shape[2] > top]
        while self.end < bottom:
            height = min(STRIP, self.source.height - self.end)
            self.strips.append((self.end, self.source.strip(self.end, height)))
            self.end += height
        parts = [
            strip[:, :, max(0, top - at) : max(0, bottom - at), left:right]
            for at, strip in self.strips
        ]
        return _picked(torch.cat(parts, 2), rows - top, columns - left)


def _mirrored(length: int, multiple: int) -> Tensor:
    """Which pixel stands where along a side that is brought to a multiple by mirroring its end.

    A side shorter than its mirror goes on with its first pixel.
    """
    place = torch.arange(ceil(length / multiple) * multiple)
    return torch.where(place < length, place, 2 * length - 2 - place).clamp(min=0)


def _picked(image: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The picture of these rows and columns; itself where that is all of it."""
    for axis, places in ((2, rows), (3, columns)):
        if not torch.equal(places, torch.arange(image.shape[axis])):
            image = image.index_select(axis, places.to(image.device))
    return image


def _cuts(length: int, side: int, multiple: int) -> list[int]:
    """Where tiles of about equal sides begin and end, at multiples."""
    parts = ceil(length / max(side, multiple))
    step = ceil(length / parts / multiple) * multiple
    return [*range(0, length, step), length]

"""From style to style: a row between two, a square between four; and styles kept as statistics."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, cast

import torch
from torch.nn import functional as F

from impasto.core.errors import OptionError
from impasto.core.options import build
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.jobs.perform import perform
from impasto.jobs.sources import opened
from impasto.jobs.spec import Job
from impasto.media.image import Source
from impasto.methods import load
from impasto.universal.method import LONGEST
from impasto.universal.palette import save_style

GAP = 6
"""White pixels between two pictures."""
MOST = 15
"""Pictures along a side."""


def shares(styles: int, *, steps: int) -> list[list[tuple[float, ...]]]:
    """Rows of pictures, each with the share of every style.

    Two styles are the ends of one row; four are the corners of a square, row by row, and shares in
    between are bilinear.

    Raises:
        OptionError: another number of styles, or a number of steps that is not accepted.
    """
    if styles not in (2, 4):
        raise OptionError(f"a blend needs 2 styles for a row or 4 for a square; got {styles}")
    if type(steps) is not int or not 2 <= steps <= MOST:
        raise OptionError(f"steps must be a whole number from 2 to {MOST}; got {steps!r}")
    way = [(1 - i / (steps - 1), i / (steps - 1)) for i in range(steps)]
    if styles == 2:
        return [way]
    return [[tuple(d * a for d, a in product(down, across)) for across in way] for down in way]


def blend(job: Job, *, steps: int = 5, report: Report = silent) -> Image:
    """One sheet of the content between the styles of a job, their weights aside.

    Args:
        job: what to paint; the size is that of one picture.
        steps: pictures along a side.
        report: is told of every picture.

    Returns:
        (1, 3, H, W): the pictures with white between them.

    Raises:
        ImpastoError: as `perform` and `shares`.
    """
    rows = shares(len(job.styles), steps=steps)
    made: list[list[Image]] = []
    for row in rows:
        made.append([])
        for cell in row:
            mixed = [(s, w) for (s, _), w in zip(job.styles, cell, strict=True) if w > 0]
            made[-1].append(perform(replace(job, styles=mixed)))
            count = sum(map(len, made))
            report(Progress("blend", count / (len(rows) * steps), count, job.result_size()))
    return sheet(made)


def sheet(rows: Sequence[Sequence[Image]]) -> Image:
    """Pictures of one size in rows, white between and around them."""
    lines = [
        torch.cat([F.pad(cell, (GAP, 0, GAP, 0), value=1.0) for cell in row], 3) for row in rows
    ]
    return F.pad(torch.cat(lines, 2), (0, GAP, 0, GAP), value=1.0)


def keep_style(source: Source, path: Path, *, style_scale: float = 1.0) -> None:
    """Measure a style picture and keep what a universal method needs of it in a small file.

    Args:
        source: as for `stylize`.
        path: the file, which ends in .style.
        style_scale: size of strokes beside a result as large as the picture.

    Raises:
        OptionError: a scale that is not accepted, or no such painted style.
        MediaError: the picture cannot be read, or the file cannot be written.
    """
    method: Any = build(cast("Any", load("adain")), {"style_scale": style_scale})
    image = opened(source, long_side=LONGEST)
    save_style(path, method.measure(image), name=str(source) if isinstance(source, str) else "")

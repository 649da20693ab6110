"""From style to style: a row between two, a square between four; and styles kept as statistics."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, cast

from impasto.core.errors import OptionError
from impasto.core.options import build
from impasto.jobs.sheet import Cell
from impasto.jobs.sources import opened
from impasto.jobs.spec import Job
from impasto.media.image import Source
from impasto.methods import load
from impasto.universal.method import LONGEST
from impasto.universal.palette import save_style

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


def blended(job: Job, *, steps: int = 5) -> list[list[Cell]]:
    """The rows of a sheet of the content between the styles of a job, their weights aside.

    Args:
        job: what to paint; the size is that of one picture.
        steps: pictures along a side.

    Raises:
        OptionError: as `shares`.
    """

    def cell(portions: Sequence[float]) -> Cell:
        styles = [(s, w) for (s, _), w in zip(job.styles, portions, strict=True) if w > 0]
        return Cell({}, replace(job, styles=styles))

    return [[cell(each) for each in row] for row in shares(len(job.styles), steps=steps)]


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

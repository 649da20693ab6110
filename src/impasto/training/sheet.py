"""A table of stylized pictures, to see at a glance how a training goes."""

from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path

import torch

from impasto.core.tensors import Image
from impasto.media.image import read
from impasto.ops.resample import resize

GROWN = 24
"""Rows of the sheet that grows."""


def sheet(
    contents: Sequence[Image], styles: Sequence[Image], stylized: Callable[[Image, Image], Image]
) -> Image:
    """Styles above, contents at the left, each pair stylized where they meet.

    All pictures have the same size.
    """
    rows = [torch.cat([torch.ones_like(contents[0]), *styles], 3)]
    for content in contents:
        rows.append(torch.cat([content, *(stylized(content, style) for style in styles)], 3))
    return torch.cat(rows, 2)


def squares(paths: Sequence[Path], *, count: int, side: int) -> list[Image]:
    """The middle squares of so many pictures, spread over the list, in one size."""
    chosen = paths[:: max(1, len(paths) // count)][:count]
    return [_square(read(path), side=side) for path in chosen]


def grown(folder: Path, *, side: int) -> Image:
    """The first contents of the sheets in a folder, in order below the styles: how a training goes.

    At half of their size, and no more than `GROWN` rows, evenly over the training.

    Args:
        folder: holds `step-….png`, as `sheet` makes them.
        side: of a picture in a sheet.
    """
    sheets = [read(path) for path in sorted(folder.glob("step-*.png"))]
    latest = sheets[-1]
    rows = [one[:, :, side : 2 * side] for one in sheets if one.shape == latest.shape]
    rows = rows[:: ceil(len(rows) / GROWN)]
    whole = torch.cat([latest[:, :, :side], *rows], 2)
    return resize(whole, (whole.shape[2] // 2, whole.shape[3] // 2))


def _square(image: Image, *, side: int) -> Image:
    height, width = image.shape[2:]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return resize(image[:, :, top : top + short, left : left + short], (side, side))

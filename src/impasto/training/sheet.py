"""A table of stylized pictures, to see at a glance how a training goes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from impasto.core.tensors import Image
from impasto.media.image import read
from impasto.ops.resample import resize


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


def _square(image: Image, *, side: int) -> Image:
    height, width = image.shape[2:]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return resize(image[:, :, top : top + short, left : left + short], (side, side))

"""Contact sheets: pictures in rows, white between them, and below each the words that it is by."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from torch.nn import functional as F

from impasto.core.tensors import Image

GAP = 6
"""White pixels between two pictures."""
EMPTY = 0.9
"""The grey of a picture that is not there."""
_SHARE, _LEAST, _MOST = 24, 11, 28
"""The letters are so large: a picture's width over that, within these bounds, in pixels."""
_INK = 40


def contact(
    pictures: Sequence[Sequence[Image | None]],
    labels: Sequence[Sequence[Sequence[str]]] | None = None,
    *,
    size: tuple[int, int],
) -> Image:
    """A sheet of pictures, each in the middle of its place.

    Args:
        pictures: rows; None is a place that stays grey.
        labels: below each, words that are not parted; lines are broken between them.
        size: height and width of a place, that of the largest picture.

    Returns:
        (1, 3, H, W).
    """
    labels = labels or [[()] * len(row) for row in pictures]
    font = _font(min(_MOST, max(_LEAST, size[1] // _SHARE)))
    lines = [[_lines(words, font, size[1]) for words in row] for row in labels]
    most = max(len(each) for row in lines for each in row)
    columns = max(map(len, pictures))
    rows = [
        torch.cat([_place(p, t, font, size, most) for p, t in zip(row, texts, strict=True)], 3)
        for row, texts in zip(pictures, lines, strict=True)
    ]
    width = columns * (size[1] + GAP)
    rows = [F.pad(row, (0, width - row.shape[3], 0, 0), value=1.0) for row in rows]
    return F.pad(torch.cat(rows, 2), (0, GAP, 0, GAP), value=1.0)


def _place(
    picture: Image | None,
    lines: Sequence[str],
    font: ImageFont.FreeTypeFont,
    size: tuple[int, int],
    most: int,
) -> Image:
    """A picture with white above and at its left, and its lines below."""
    height, width = size
    if picture is None:
        picture = torch.full((1, 3, height, width), EMPTY)
    left, top = (width - picture.shape[3]) // 2, (height - picture.shape[2]) // 2
    spare = (left, width - picture.shape[3] - left, top, height - picture.shape[2] - top)
    placed = F.pad(picture, spare, value=1.0)
    if most:
        placed = torch.cat([placed, _text(lines, font, width, most)], 2)
    return F.pad(placed, (GAP, 0, GAP, 0), value=1.0)


def _text(lines: Sequence[str], font: ImageFont.FreeTypeFont, width: int, most: int) -> Image:
    """Dark letters on white, (1, 3, h, width)."""
    pitch = round(1.3 * font.size)
    canvas = Pillow.new("L", (width, most * pitch + pitch // 3), 255)
    draw = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        draw.text((1, number * pitch + pitch // 6), line, fill=_INK, font=font)
    values = torch.from_numpy(np.array(canvas)).float() / 255
    return values.expand(1, 3, *values.shape).contiguous()


def _lines(words: Sequence[str], font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """As many words on a line as there is room for; a word that is too long loses its middle."""
    lines: list[str] = []
    for word in words:
        word = _shortened("".join(c if c.isprintable() else "?" for c in word), font, width)
        longer = f"{lines[-1]}  ·  {word}" if lines else word
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _shortened(word: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    keep = len(word)
    shown = word
    while keep > 2 and font.getlength(shown) > width:
        keep -= 1
        shown = f"{word[: keep - keep // 2]}…{word[len(word) - keep // 2 :]}"
    return shown


@lru_cache(maxsize=4)
def _font(size: int) -> ImageFont.FreeTypeFont:
    # Matplotlib's letters come with it and have more alphabets than Pillow's.
    from matplotlib import get_data_path

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)

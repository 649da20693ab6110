"""Where to paint and where to look: masks of a content and of its styles."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from impasto.core.contract import Style
from impasto.core.errors import OptionError
from impasto.core.tensors import Mask
from impasto.jobs.sources import measured, opened, strips
from impasto.jobs.spec import Job
from impasto.media.image import Source
from impasto.ops.color import luma
from impasto.tiles import Source as Strips

ALIKE = 0.02
"""A mask may be so much wider or higher, beside its picture, than that."""


class Drawn:
    """The brightness of a picture as a mask, from top to bottom.

    Args:
        picture: in the size of the content.
    """

    def __init__(self, picture: Strips) -> None:
        self.picture, self.height, self.width = picture, picture.height, picture.width

    def strip(self, top: int, height: int) -> Mask:
        """Rows as (1, 1, height, W)."""
        return luma(self.picture.strip(top, height))


def masks(job: Job, *, size: tuple[int, int]) -> list[Strips]:
    """The masks of a job in the size of its result: none, one, or one a style.

    Raises:
        OptionError: another number of them, or one of another shape than the content.
        MediaError: one cannot be read.
    """
    if len(job.mask) not in (0, 1, len(job.styles)):
        raise OptionError(
            f"mask must be given once, or once for each of the {len(job.styles)} styles; "
            f"got {len(job.mask)}"
        )
    for mask in job.mask:
        _check_shape("mask", mask, job.content)
    return [Drawn(strips(mask, size=size)) for mask in job.mask]


def masked_styles(job: Job, styles: Sequence[Style]) -> list[Style]:
    """The styles with the regions that the job has for them.

    Raises:
        OptionError: there is not one mask a style, or it has another shape, or is black.
        MediaError: one cannot be read.
    """
    if not job.style_mask:
        return list(styles)
    if len(job.style_mask) != len(styles):
        raise OptionError(
            f"style_mask must be given once for each of the {len(styles)} styles; "
            f"got {len(job.style_mask)}"
        )
    found: list[Style] = []
    for style, mask, (source, _) in zip(styles, job.style_mask, job.styles, strict=True):
        if style.image is None:
            raise OptionError("style_mask needs the picture of a style; .style files hold none")
        _check_shape("style_mask", mask, source)
        region = luma(opened(mask, long_side=max(style.image.shape[2:])))
        if region.max() < 1 / 255:
            raise OptionError(f"style_mask {_name(mask)}must be white somewhere; it is black")
        found.append(replace(style, region=region.to(style.image)))
    return found


def _check_shape(option: str, mask: Source, picture: Source) -> None:
    (height, width), (rows, columns) = measured(mask), measured(picture)
    if abs(torch.tensor(height * columns / (width * rows)).log().item()) > ALIKE:
        raise OptionError(
            f"{option} {_name(mask)}must be in proportion to its picture, {columns} × {rows}; "
            f"got {width} × {height}"
        )


def _name(source: Source) -> str:
    return f"{source} " if isinstance(source, str) or hasattr(source, "suffix") else ""

"""Where to paint and where to look: masks, rectangles and maps of a content and its styles."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch.nn import functional as F

from impasto.core.contract import Style
from impasto.core.errors import OptionError
from impasto.core.tensors import Image, Mask
from impasto.jobs.sources import measured, opened, strips
from impasto.jobs.spec import Job
from impasto.media.image import Source
from impasto.ops import segment
from impasto.ops.color import luma
from impasto.tiles import Source as Strips
from impasto.wrappers.controls import Controls
from impasto.wrappers.maps import Pairs, by_kinds, by_maps

ALIKE = 0.02
"""A mask may be so much wider or higher, beside its picture, than that."""
MAP = 512
"""Long side that is enough for a painted map."""


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


class Stretched:
    """A mask brought to another size, row by row, bilinear.

    Args:
        mask: (1, 1, h, w).
        size: height and width that it is brought to.
    """

    def __init__(self, mask: Mask, *, size: tuple[int, int]) -> None:
        self.mask, (self.height, self.width) = mask.cpu(), size

    def strip(self, top: int, height: int) -> Mask:
        """Rows as (1, 1, height, W)."""
        rows = self.mask.shape[2]
        place = (torch.arange(top, top + height) + 0.5) * rows / self.height - 0.5
        place = place.clamp(0, rows - 1)
        above = place.floor().long()
        below = (above + 1).clamp_max(rows - 1)
        share = (place - above).view(1, 1, -1, 1)
        lines = torch.lerp(self.mask[:, :, above], self.mask[:, :, below], share)
        return F.interpolate(lines, (height, self.width), mode="bilinear")


class Product:
    """Where all of some masks apply."""

    def __init__(self, masks: Sequence[Strips]) -> None:
        self.masks, self.height, self.width = masks, masks[0].height, masks[0].width

    def strip(self, top: int, height: int) -> Mask:
        """Rows as (1, 1, height, W)."""
        return prod((mask.strip(top, height) for mask in self.masks), start=torch.ones(()))


@dataclass(frozen=True)
class Places:
    """Where a job paints.

    Attributes:
        masks: outside of any of these the content stays.
        regions: where each style goes, one a style; none is everywhere.
    """

    masks: list[Strips]
    regions: list[Strips]


def places(
    job: Job, controls: Controls, *, size: tuple[int, int], content: Callable[[], Image]
) -> Places:
    """What the masks, the subject and the protection of a job come to.

    Args:
        job: its masks, and how many styles there are.
        controls: built from its options.
        size: height and width of the result.
        content: gives the content, of any size.

    Raises:
        OptionError: a mask or a rectangle does not fit.
        MediaError: a mask cannot be read.
    """
    drawn = _masks(job, size=size)
    found = Places([], drawn) if len(drawn) > 1 else Places(drawn, [])
    if controls.subject is None and "subject" in controls.protect:
        raise OptionError("protect subject needs subject, the rectangle around it")
    if "faces" in controls.protect:
        found.masks.append(Stretched(1 - segment.faces(content()), size=size))
    if controls.subject is not None:
        inside = segment.subject(content(), box(controls.subject, job.content))
        if "subject" in controls.protect:
            found.masks.append(Stretched(1 - inside, size=size))
        elif len(job.styles) == 1:
            found.masks.append(Stretched(inside, size=size))
        elif len(job.styles) == 2 and not found.regions:
            found.regions.extend(Stretched(each, size=size) for each in (inside, 1 - inside))
        else:
            raise OptionError("subject takes one style for it, or two: for it and for the rest")
    return found


def box(edges: Sequence[float], content: Source) -> tuple[float, float, float, float]:
    """Left, top, right and bottom as shares of the content.

    Raises:
        OptionError: they are no rectangle within the content.
        MediaError: the content cannot be read.
    """
    height, width = measured(content)
    pixels = any(edge > 1 for edge in edges)
    scale = (width, height, width, height) if pixels else (1, 1, 1, 1)
    shares = [edge / side for edge, side in zip(edges, scale, strict=False)]
    if len(edges) != 4 or not (0 <= shares[0] < shares[2] <= 1 and 0 <= shares[1] < shares[3] <= 1):
        raise OptionError(
            f"subject must be LEFT,TOP,RIGHT,BOTTOM within {width} × {height} pixels, or shares "
            f"of them from 0 to 1; got {','.join(f'{edge:g}' for edge in edges)}"
        )
    return shares[0], shares[1], shares[2], shares[3]


def _masks(job: Job, *, size: tuple[int, int]) -> list[Strips]:
    """The masks of a job in the size of its result: none, one, or one a style."""
    if len(job.mask) not in (0, 1, len(job.styles)):
        raise OptionError(
            f"mask must be given once, or once for each of the {len(job.styles)} styles; "
            f"got {len(job.mask)}"
        )
    for mask in job.mask:
        _check_shape("mask", mask, job.content)
    return [Drawn(strips(mask, size=size)) for mask in job.mask]


def paired(
    job: Job, controls: Controls, styles: Sequence[Style], content: Callable[[], Image]
) -> Pairs:
    """The styles split by kinds of places, with where each part goes; nothing where none are asked.

    Raises:
        OptionError: a map is missing, or does not fit its picture or the others.
        MediaError: one cannot be read.
    """
    pictures = [style.image for style in styles if style.image is not None]
    if len(pictures) < len(styles) and (job.style_map or controls.match_regions):
        raise OptionError(
            "maps and match_regions need the picture of a style; .style files hold none"
        )
    if controls.match_regions:
        return by_kinds(styles, content(), count=controls.match_regions, seed=job.seed)
    if job.content_map is None:
        return [], []
    _check_shape("content_map", job.content_map, job.content)
    for each, (source, _) in zip(job.style_map, job.styles, strict=True):
        _check_shape("style_map", each, source)
    seen = [opened(each, long_side=MAP) for each in (job.content_map, *job.style_map)]
    return by_maps(styles, content_map=seen[0], style_maps=seen[1:])


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

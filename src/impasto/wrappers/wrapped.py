"""A stylizer whose styles, and whose picture, are changed as it was asked for.

The colours of the styles are changed before a method sees them. Its picture is smoothed, and its
luminance or its colours, or only what lies within a mask, are put into the content: pixel by pixel
or in small windows, so that it works tile by tile.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from impasto.core.contract import Box, Frame, InPasses, Pass, Style, Stylizer, Sums
from impasto.core.errors import OptionError
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.ops.color import (
    colors,
    covariance_map,
    grey,
    luma,
    mapped,
    match_histogram,
    match_luminance,
    with_luma,
)
from impasto.ops.resample import resize
from impasto.ops.smooth import guided
from impasto.tiles import Sink, Source, whole
from impasto.wrappers.controls import Color, Controls

ROUNDS, CLOSE = 60, 2e-3
"""Values that leave [0, 1] are clipped and the colours matched again, until the map that is left is
as near to the identity as this, or so often. Of 92 matchings of a painting and a photograph one
did not come within 1e-3 of mean and covariance (0.003)."""
WINDOW, WIDEST = 170, 12
"""The smoothing's window has a radius of the long side over this, at most so many pixels."""
SOFTEST = 0.25
"""The deviation that full smoothing takes for flat."""


def colored(style: Style, content: Image, *, color: Color) -> Style:
    """A style as a method should see it, its colours brought to those of the content.

    Args:
        style: what to imitate.
        content: (1, 3, H, W), of any size; only its colours count.
        color: what was asked for.

    Raises:
        OptionError: the picture of the style is needed and not known. For the luminance it is not:
            without it only the result is changed.
    """
    if color == "style" or (style.image is None and color == "luminance"):
        return style
    if style.image is None:
        raise OptionError(
            f"color {color} needs the picture of a style; a .style file does not hold it"
        )
    changes: dict[str, Callable[[Image], Image]] = {
        "luminance": lambda image: match_luminance(image, content),
        "linear": lambda image: _settled(image, content, root="cholesky"),
        "linear-symmetric": lambda image: _settled(image, content, root="symmetric"),
        "histogram": lambda image: match_histogram(image, content),
    }
    change = changes.get(color)
    return replace(style, image=change(style.image).clamp(0, 1)) if change else style


def repainted(styles: Sequence[Style], content: Image, *, strength: float) -> "Recolored":
    """The mirror wish: a stylizer that gives a content the colours of styles and nothing else.

    Args:
        styles: share by their weights, and in regions each has its own.
        content: (1, 3, H, W), of any size; only its colours count.
        strength: 0 returns the content; 0.5 is nearly all, as in the methods of one pass.
    """
    pictures = [style.image for style in styles if style.image is not None]
    if len(pictures) < len(styles):
        raise OptionError(
            "color content-only-colors needs the picture of a style; a .style file does not hold it"
        )
    own = colors(content)
    maps = [covariance_map(own, colors(picture)) for picture in pictures]
    return Recolored(maps, [style.weight for style in styles], 1 - (1 - strength) ** 3)


@dataclass(frozen=True)
class Recolored:
    """A stylizer that is one linear map of the colours for each style."""

    maps: Sequence[tuple[Tensor, Tensor]]
    weights: Sequence[float]
    share: float

    def passes(self, size: tuple[int, int]) -> Sequence[Pass]:
        """One, of single pixels."""
        return [_Pointwise(self._changed)] if self.share else []

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        """The frame in the colours of the styles."""
        return whole(self.passes((0, 0)), frame, report=report)

    def _changed(self, frame: Frame) -> Image:
        places = list(frame.regions) or [torch.ones_like(frame.content[:, :1])] * len(self.maps)
        parts = torch.cat(places) * torch.tensor(self.weights).to(frame.content).view(-1, 1, 1, 1)
        # Outside of all regions no part is left, and the content stays.
        cover = torch.cat(list(frame.regions) or places[:1]).sum(0, keepdim=True).clamp(0, 1)
        shares = self.share * cover * parts / parts.sum(0, keepdim=True).clamp_min(1e-12)
        changes = [mapped(frame.content, *each) - frame.content for each in self.maps]
        return (frame.content + (shares * torch.cat(changes)).sum(0, keepdim=True)).clamp(0, 1)


@dataclass(frozen=True)
class Wrapped:
    """A stylizer whose picture is smoothed, and put into the content as it was asked for.

    Attributes:
        inner: the stylizer.
        controls: what was asked for.
        mask: in the size of the content, from top to bottom; None is everywhere.
    """

    inner: Stylizer
    controls: Controls
    mask: Source | None = None

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        """The stylized frame; the content where the mask is 0, bit for bit."""
        content = frame.content
        mask = None if self.mask is None else _read(self.mask).to(content)

        def told(progress: Progress) -> None:
            inner = progress.image
            if inner is not None:
                shown = lambda: self._finished(content, inner().to(content), mask)  # noqa: E731
                progress = replace(progress, image=shown)
            report(progress)

        painted = self.inner(self._shown(frame), report=told)
        if self.controls.smooth:
            painted = _Smooth(self.controls.smooth, max(content.shape[2:])).smoothed(painted)
        return self._finished(content, painted, mask)

    def passes(self, size: tuple[int, int]) -> Sequence[Pass]:
        """Those of a stylizer that works in passes, and the smoothing."""
        assert isinstance(self.inner, InPasses)
        more = [_Smooth(self.controls.smooth, max(size))] if self.controls.smooth else []
        return [*self.inner.passes(size), *more]

    def shown(self, source: Source) -> Source:
        """What the passes are to work on, in place of this source."""
        return _Grey(source) if self.controls.color == "luminance" else source

    def finished(self, sink: Sink, *, content: Callable[[], Source]) -> Sink:
        """A sink for what comes out of the passes, in place of this sink."""
        plain = self.mask is None and self.controls.color != "luminance"
        return sink if plain else _Finished(self, sink, content())

    def _shown(self, frame: Frame) -> Frame:
        if self.controls.color != "luminance":
            return frame
        start = None if frame.start is None else grey(frame.start)
        return replace(frame, content=grey(frame.content), start=start)

    def _finished(self, content: Image, painted: Image, mask: Tensor | None) -> Image:
        """A picture of the inner stylizer, of any size, put into the content."""
        size = (painted.shape[2], painted.shape[3])
        if mask is None and self.controls.color != "luminance":
            return painted
        content = resize(content, size)
        if self.controls.color == "luminance":
            painted = with_luma(content, luma(painted - grey(content)))
        return painted if mask is None else torch.lerp(content, painted, resize(mask, size))


class _Pointwise:
    """A pass of single pixels."""

    margin, multiple = 0, 1

    def __init__(self, changed: Callable[[Frame], Image]) -> None:
        self.changed = changed

    def gather(self, frame: Frame, inside: Box) -> Sums:
        return {}

    def change(self, sums: Sums) -> Callable[[Frame], Image]:
        return self.changed


class _Smooth(_Pointwise):
    """A pass that smooths."""

    def __init__(self, amount: float, long_side: int) -> None:
        super().__init__(lambda frame: self.smoothed(frame.content))
        self.amount = amount
        self.radius = min(WIDEST, max(1, round(long_side / WINDOW)))
        self.margin = 2 * self.radius

    def smoothed(self, image: Image) -> Image:
        return guided(image, radius=self.radius, softness=SOFTEST * self.amount).clamp(0, 1)


class _Grey:
    """A source without its colours."""

    def __init__(self, source: Source) -> None:
        self.source, self.height, self.width = source, source.height, source.width

    def strip(self, top: int, height: int) -> Image:
        return grey(self.source.strip(top, height))


class _Finished:
    """A sink that puts what it takes into the rows of the content."""

    def __init__(self, wrapped: Wrapped, sink: Sink, content: Source) -> None:
        self.wrapped, self.sink, self.content = wrapped, sink, content
        self.top = 0

    def write(self, rows: Image) -> None:
        height, mask = rows.shape[2], self.wrapped.mask
        content = self.content.strip(self.top, height)
        part = None if mask is None else mask.strip(self.top, height)
        self.sink.write(self.wrapped._finished(content, rows, part))
        self.top += height


def _read(mask: Source) -> Tensor:
    return mask.strip(0, mask.height)


def _settled(image: Image, like: Image, *, root: Literal["cholesky", "symmetric"]) -> Image:
    """Matched within [0, 1]: what is clipped would change mean and covariance again."""
    wanted = colors(like)
    for _ in range(ROUNDS):
        matrix, offset = covariance_map(colors(image), wanted, root=root)
        away = max((matrix - torch.eye(3).to(matrix)).abs().max().item(), offset.abs().max().item())
        if away < CLOSE:
            break
        image = mapped(image, matrix, offset).clamp(0, 1)
    return image

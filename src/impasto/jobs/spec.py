"""A Job: plain data, everything that one picture is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from impasto.core.errors import OptionError
from impasto.jobs.output import Output
from impasto.jobs.sources import measured
from impasto.media import large
from impasto.media.image import SMALLEST, Source
from impasto.methods import DEFAULT
from impasto.nets.upscaler import FACTORS
from impasto.ops.resample import fit

LONG_SIDE = 1024
"""Without a size, a result is as large as its content but no longer than this."""


@dataclass(frozen=True)
class Job:
    """Everything that one picture is made of.

    Attributes:
        content: the picture to paint.
        styles: pictures to imitate, each with its share.
        method: a name from `impasto.methods.names()`.
        size: long side of the result in pixels; None is the content's own, up to `LONG_SIDE`.
        seed: of all randomness.
        start_picture: what to begin at instead of where the method would.
        options: the method's own, and those of `wrappers.Controls`.
        max_memory: bytes that the process may take; None is 60 % of what is free.
        mask: where to paint, white there and black elsewhere; one, or one a style.
        style_mask: where to look in the styles, likewise; one a style.
        content_map: flat colours, one for each kind of place in the content.
        style_map: the same colours for the same kinds of places in the styles; one a style.
        output: how the picture is written.
        upscale: how many times as large as it was painted the result is: 1, 2 or 4.
    """

    content: Source
    styles: Sequence[tuple[Source, float]]
    method: str = DEFAULT
    size: int | None = None
    seed: int = 0
    start_picture: Source | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    max_memory: float | None = None
    mask: Sequence[Source] = ()
    style_mask: Sequence[Source] = ()
    content_map: Source | None = None
    style_map: Sequence[Source] = ()
    output: Output = field(default_factory=Output)
    upscale: int = 1

    def painted_size(self) -> tuple[int, int]:
        """Height and width at which it is painted; opens no more than the content's header.

        Raises:
            OptionError: the size is not accepted.
            MediaError: the content cannot be read.
        """
        size = self.size
        if size is not None and (type(size) is not int or size < SMALLEST):
            raise OptionError(f"size must be a whole number of at least {SMALLEST}; got {size!r}")
        height, width = measured(self.content)
        found = fit(height, width, long_side=size or min(max(height, width), LONG_SIDE))
        if self.upscale not in (1, *FACTORS) or type(self.upscale) is not int:
            choices = ", ".join(map(str, FACTORS))
            raise OptionError(f"upscale must be one of 1, {choices}; got {self.upscale!r}")
        most = large.LIMIT // 1_000_000
        if found[0] * found[1] * self.upscale**2 > large.LIMIT:
            raise OptionError(f"size must keep the result within {most} million pixels; got {size}")
        return found

    def result_size(self) -> tuple[int, int]:
        """Height and width of the result.

        Raises:
            ImpastoError: as `painted_size`.
        """
        height, width = self.painted_size()
        return self.upscale * height, self.upscale * width

"""One job, carried out here: pictures opened, a method built, a picture made."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil, isfinite
from pathlib import Path
from typing import Any, cast

import torch

from impasto.core.contract import Frame, Style
from impasto.core.errors import Interrupted, OptionError
from impasto.core.options import build
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.media.image import LIMIT, SMALLEST, Source, from_array, measure, to_pillow
from impasto.media.image import load as read
from impasto.methods import DEFAULT, load
from impasto.ops.resample import fit, resize
from impasto.painted import paint

LONG_SIDE = 1024
"""Without a size, a result is as large as its content but no longer than this."""

Weighed = Source | tuple[Source, float]
"""A style and its share among several. A string may hold both, as in `"a.jpg:2.5"`."""

_PAINTED = (768, 1024)
"""Height and width to which pictures painted by code are in proportion."""
_LEAST = 64
"""Nothing is opened for use at a smaller long side than this."""


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
        options: the method's own.
    """

    content: Source
    styles: Sequence[tuple[Source, float]]
    method: str = DEFAULT
    size: int | None = None
    seed: int = 0
    start_picture: Source | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def result_size(self) -> tuple[int, int]:
        """Height and width of the result; opens no more than the content's header.

        Raises:
            OptionError: the size is not accepted.
            MediaError: the content cannot be read.
        """
        size = self.size
        if size is not None and (type(size) is not int or size < SMALLEST):
            raise OptionError(f"size must be a whole number of at least {SMALLEST}; got {size!r}")
        height, width = _PAINTED if _is_painted(self.content) else measure(self.content)
        found = fit(height, width, long_side=size or min(max(height, width), LONG_SIDE))
        if found[0] * found[1] > LIMIT:
            raise OptionError(
                f"size must keep the result within {LIMIT // 1_000_000} million pixels; got {size}"
            )
        return found


def stylize(
    content: Source,
    styles: Weighed | Sequence[Weighed],
    *,
    method: str = DEFAULT,
    size: int | None = None,
    seed: int = 0,
    start_picture: Source | None = None,
    report: Report = silent,
    **options: Any,
) -> Any:
    """The content, painted in the style of others.

    A picture is a file, `":name"` or `":name@seed"` painted by code, a Pillow picture, an array
    (H, W, 3) or (H, W) of 8 or 16 bits or floats, or a tensor (1, 3, H, W); floats are in [0, 1].

    Args:
        content: the picture to paint.
        styles: one or several pictures to imitate, each alone or with a weight above 0.
        method: a name from `impasto.methods.names()`.
        size: long side of the result in pixels, at least 16; None is the content's own, but at
            most 1024.
        seed: of all randomness; equal seeds give equal results.
        start_picture: begin at this instead of where the method would.
        report: is told of each step.
        options: the method's own, such as `strength`.

    Returns:
        A tensor (1, 3, H, W) if the content is a tensor, else a Pillow picture.

    Raises:
        OptionError: an option, a name or a weight that is not accepted.
        MediaError: a picture that cannot be read, or is too small or too large.
        WeightsError: the weights of a network cannot be had.
        Interrupted: the user stopped the run; carries the picture so far.
    """
    job = Job(content, weighed(styles), method, size, seed, start_picture, options)
    out = perform(job, report=report)
    return out if isinstance(content, torch.Tensor) else to_pillow(out)


def perform(job: Job, *, report: Report = silent) -> Image:
    """Carry out a job on this machine; the result is on the CPU.

    Uses a GPU if there is one, and lets this thread treat denormal numbers as zero, for speed.

    Raises:
        ImpastoError: as `stylize`.
    """
    # The picture of the last step is kept for an interrupt.
    latest: Progress | None = None
    done = 0.0

    def watch(progress: Progress) -> None:
        nonlocal latest, done
        done = progress.done
        latest = progress if progress.image else latest
        report(progress)

    try:
        image = _made(job, watch)
        if done < 1:  # A method that had nothing to do, or less than it thought.
            report(Progress(stage="done", done=1.0))
        return image
    except KeyboardInterrupt:
        kept = latest.image() if latest and latest.image else None
        if kept is not None:
            kept = resize(kept.float().cpu(), job.result_size())
        raise Interrupted(kept) from None


def _made(job: Job, report: Report) -> Image:
    # Threads inherit this from the one that starts them, so it comes before all work.
    torch.set_flush_denormal(True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = _generator(job.seed)
    method: Any = build(cast("Any", load(job.method)), job.options)
    target = job.result_size()

    def fitted(source: Source) -> Image:
        return resize(opened(source, long_side=max(_LEAST, *target)), target).to(device)

    side = max(_LEAST, ceil(max(target) * getattr(method, "style_scale", 1.0)))
    styles = [Style(opened(each, long_side=side).to(device), share) for each, share in job.styles]
    start = None if job.start_picture is None else fitted(job.start_picture)
    frame = Frame(fitted(job.content), start)
    return method.prepare(styles, generator=generator)(frame, report=report).cpu()


def opened(source: Source, *, long_side: int) -> Image:
    """The picture, (1, 3, H, W), for use at this long side.

    One that is painted by code has this long side; any other has its own, or, if it is much larger,
    at least twice as many pixels a side.

    Raises:
        OptionError: no such painted style, or no such seed.
        MediaError: the picture cannot be read.
    """
    if _is_painted(source):
        return _painted(str(source), long_side=long_side)
    return read(source, enough=2 * long_side)


def weighed(styles: Weighed | Sequence[Weighed]) -> list[tuple[Source, float]]:
    """Each style with its weight, 1 unless said.

    In a string only a number after the last colon is a weight, so `C:/a.jpg` and `:swirl` have
    none.

    Raises:
        OptionError: a weight that is not a finite number above 0.
    """
    several: Any = styles if isinstance(styles, list | tuple) and not _is_pair(styles) else [styles]
    return [_weighed_one(style) for style in several]


def _is_pair(style: Any) -> bool:
    match style:
        case (_, int() | float()):
            return isinstance(style, tuple)
        case _:
            return False


def _weighed_one(style: Any) -> tuple[Source, float]:
    source, weight = style if _is_pair(style) else (style, 1.0)
    if isinstance(style, str):
        head, _, tail = style.rpartition(":")
        with suppress(ValueError):
            source, weight = (head, float(tail)) if head else (style, 1.0)
    if not (weight > 0 and isfinite(weight)):
        name = f" {source}" if isinstance(source, str | Path) else ""
        raise OptionError(f"the weight of style{name} must be a number above 0; got {weight:g}")
    return source, float(weight)


def _generator(seed: int) -> torch.Generator:
    if type(seed) is not int or not 0 <= seed < 1 << 63:
        raise OptionError(f"seed must be a whole number of at least 0; got {seed!r}")
    return torch.Generator().manual_seed(seed)


def _is_painted(source: Source) -> bool:
    return isinstance(source, str) and source.startswith(":")


def _painted(source: str, *, long_side: int) -> Image:
    name, _, seed = source[1:].partition("@")
    if seed and not seed.isdecimal():
        raise OptionError(f"the seed in {source!r} must be a whole number of at least 0")
    height, width = fit(*_PAINTED, long_side=long_side)
    return from_array(paint(name, width=width, height=height, seed=int(seed or 0)))

"""Where pictures of a job come from: files, code that paints, memory; each with a weight."""

from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any

from impasto.core.errors import MediaError, OptionError
from impasto.core.tensors import Image
from impasto.media import large
from impasto.media.image import LIMIT, Source, from_array, measure
from impasto.media.image import load as read
from impasto.nets.gallery import works
from impasto.ops.resample import fit, resize
from impasto.painted import names, paint
from impasto.tiles import Held
from impasto.tiles import Source as Strips

Weighed = Source | tuple[Source, float]
"""A style and its share among several. A string may hold both, as in `"a.jpg:2.5"`."""

_PAINTED = (768, 1024)
"""Height and width to which pictures painted by code are in proportion."""


def opened(source: Source, *, long_side: int) -> Image:
    """The picture, (1, 3, H, W), for use at this long side.

    One that is painted by code has this long side; any other has its own, or, if it is much larger,
    at least twice as many pixels a side.

    Raises:
        OptionError: no such painted style, or no such seed.
        MediaError: the picture cannot be read.
    """
    if is_painted(source):
        return _painted(str(source), long_side=long_side)
    if isinstance(source, str | Path):
        height, width = _measured(source)
        if height * width > LIMIT:
            height, width = fit(height, width, long_side=2 * long_side)
            return large.Reader(source, size=(height, width)).strip(0, height)
    return read(source, enough=2 * long_side)


def held(source: Source, *, long_side: int) -> int:
    """Pixels of a picture that are held at once while it is opened for use at this long side.

    Raises:
        MediaError: the picture cannot be read.
    """
    if is_painted(source) or not isinstance(source, str | Path):
        return 0
    height, width = large.measure(source)
    if height * width > LIMIT:
        return 0
    # A JPEG is decoded at an eighth at the least.
    jpeg = Path(source).suffix.lower() in (".jpg", ".jpeg")
    shrink = min(8, max(1, max(height, width) // (2 * long_side))) if jpeg else 1
    return height * width // shrink**2


def strips(source: Source, *, size: tuple[int, int]) -> Strips:
    """The picture brought to this height and width, as rows; a file is read as they are asked for.

    Raises:
        OptionError: no such painted style, or no such seed.
        MediaError: the picture cannot be read.
    """
    if isinstance(source, str | Path) and not is_painted(source):
        return large.Reader(source, size=size)
    return Held(resize(opened(source, long_side=max(size)), size))


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


def listed(sources: Source | Sequence[Source] | None) -> list[Source]:
    """None, one or several as a list."""
    if sources is None:
        return []
    several: Any = sources if isinstance(sources, list | tuple) else [sources]
    return list(several)


def measured(source: Source) -> tuple[int, int]:
    """Height and width of the upright picture, of a file from its header alone.

    Raises:
        MediaError: the picture cannot be read.
    """
    if is_painted(source):
        return _PAINTED
    return _measured(source) if isinstance(source, str | Path) else measure(source)


def _measured(source: str | Path) -> tuple[int, int]:
    """Height and width of a file; what is none may be a slip of the pen."""
    said = str(source)
    if "://" in said:
        raise MediaError(f"{said} is an address of the web; get the picture first, then name it")
    try:
        return large.measure(source)
    except MediaError:
        known = [*works(), *(f":{name}" for name in names())]
        near = [f":{said}"] if f":{said}" in known else get_close_matches(said, known, 1, 0.75)
        if not near or Path(said).exists():
            raise
        raise MediaError(f"{said} does not exist; did you mean {near[0]}?") from None


def is_painted(source: Source) -> bool:
    """Whether it comes with the package: `":name"` or `":name@seed"`, or a style known by name."""
    return isinstance(source, str) and (source.startswith(":") or source in works())


def _painted(source: str, *, long_side: int) -> Image:
    if source in works():
        return read(works()[source].rendering)
    name, _, seed = source[1:].partition("@")
    if seed and not seed.isdecimal():
        raise OptionError(f"the seed in {source!r} must be a whole number of at least 0")
    height, width = fit(*_PAINTED, long_side=long_side)
    return from_array(paint(name, width=width, height=height, seed=int(seed or 0)))

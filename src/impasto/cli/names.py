"""Names of files that are written: made where none is given, and none that is read."""

from collections.abc import Sequence
from itertools import count
from os.path import realpath
from pathlib import Path

from impasto.core.errors import OptionError
from impasto.jobs.spec import Job
from impasto.media.formats import ENDINGS, FORMATS

NAMED = ("avif", "jpg", "png", "tiff", "webp")
"""What `--format` takes."""
_LONGEST = 60
"""Characters of a name that is made from those of many styles."""


def ending_of(content: str | None, format: str | None) -> str | None:
    """Of a name that is made: the format's, or the content's if that can be written.

    Raises:
        OptionError: there is no such format.
    """
    if format is not None and format not in NAMED:
        raise OptionError(f"format must be one of {', '.join(NAMED)}; got {format!r}")
    own = Path(content or "").suffix
    return f".{format}" if format else own if own.lower() in ENDINGS else None


def check_format(out: Path, format: str | None) -> None:
    """Refuse a name whose ending is not the format's.

    Raises:
        OptionError: it is another's.
    """
    if format and FORMATS.get(out.suffix.lower()) is not FORMATS[f".{format}"]:
        raise OptionError(f"format {format} does not fit the name {out}")


def free_name(job: Job, *, ending: str, overwrite: bool) -> Path:
    """CONTENT-STYLE next to the content, with a number where that exists."""
    content, *styles = _words(job)
    path = Path(_stem(content)) if content.startswith(":") else Path(content)
    stem = "-".join(map(_stem, [content, *styles]))[:_LONGEST]
    names = (f"{stem}{'' if number == 1 else f'-{number}'}{ending}" for number in count(1))
    free = (path for path in map(path.with_name, names) if overwrite or not path.exists())
    return next(free)


def _words(job: Job) -> list[str]:
    return [str(job.content), *(str(source) for source, _ in job.styles)]


def _stem(source: str) -> str:
    return source[1:].replace("@", "-") if source.startswith(":") else Path(source).stem


def check_apart(job: Job, outputs: Sequence[Path]) -> None:
    """No file that is written may be one that is read, or be written twice.

    Raises:
        OptionError: one would.
    """
    more = [job.start_picture, job.content_map, *job.mask, *job.style_mask, *job.style_map]
    keep_apart([*_words(job), *map(str, more)], outputs)


def keep_apart(read: Sequence[str], outputs: Sequence[Path]) -> None:
    """No file that is written may be one that is read, or be written twice.

    Raises:
        OptionError: one would.
    """
    taken = {realpath(source) for source in read}
    for path in outputs:
        if realpath(path) in taken:
            raise OptionError(f"{path} would overwrite another picture of this run; rename it")
        taken.add(realpath(path))

"""Which pictures are meant by names, folders and patterns, and where their results go."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from impasto.core.errors import OptionError

READ = frozenset(
    ".avif .bmp .gif .heic .heif .jpeg .jpg .png .ppm .tif .tiff .webp".split()  # noqa: SIM905
)
"""Endings of pictures in a folder; a file that is named may end as it likes."""
PAUSE = 1.0
"""Seconds between two looks at a folder that is watched."""

_MAGIC = frozenset("*?[")


@dataclass(frozen=True)
class Found:
    """A content.

    Attributes:
        path: of the file.
        below: the same, seen from the folder or pattern by which it was meant.
    """

    path: Path
    below: Path


def is_many(name: str) -> bool:
    """Whether a name means a folder or a pattern."""
    return is_folder(Path(name)) or _is_pattern(name)


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; a name that the system does not take is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def found(
    names: Sequence[str], *, recursive: bool = False, beside: Path | None = None
) -> list[Found]:
    """The pictures that are meant, in the order of the names and sorted within each, each once.

    Args:
        names: files, folders, and patterns with `*`, `?`, `[…]`, and `**` for any folders.
        recursive: whether the folders in a folder count.
        beside: a folder whose pictures do not count if it lies in another: that of the results.
    """
    every: dict[Path, Found] = {}
    for name in names:
        for each in _meant(name, recursive=recursive):
            if not (is_many(name) and beside and _lies_in(beside, each)):
                every.setdefault(each.path.resolve(), each)
    return list(every.values())


def watched(
    names: Sequence[str], *, recursive: bool, beside: Path, pause: float = PAUSE
) -> Iterator[Found | None]:
    """The pictures that are meant and those that come, for ever; None when there is no new one.

    One that is still being written, so that it differs from one look to the next, has to wait.

    Args:
        names: as of `found`.
        recursive: likewise.
        beside: likewise.
        pause: seconds between two looks.
    """
    known: dict[Path, tuple[int, int]] = {}
    given: set[tuple[Path, tuple[int, int]]] = set()
    while True:
        for each in found(names, recursive=recursive, beside=beside):
            stamp = _stamp(each.path)
            if stamp and known.get(each.path) == stamp and (each.path, stamp) not in given:
                given.add((each.path, stamp))
                yield each
            known[each.path] = stamp or (0, 0)
        yield None
        time.sleep(pause)


def placed(
    contents: Iterable[Found], *, folder: Path, ending: Callable[[Path], str], suffix: str
) -> list[Path]:
    """Where the result of each content goes: the same tree in another folder.

    Where two would have one name, the later ones keep the ending of their content in it.

    Args:
        contents: what was found.
        folder: where the tree begins.
        ending: content to the ending of its result.
        suffix: what comes behind the stem.

    Raises:
        OptionError: two contents of one name would go to one place.
    """
    taken: dict[Path, Path] = {}
    for each in contents:
        names = (f"{name}{suffix}{ending(each.path)}" for name in (each.path.stem, each.path.name))
        paths = [folder / each.below.parent / name for name in names]
        free = [path for path in paths if path not in taken]
        if not free:
            raise OptionError(f"{taken[paths[0]]} and {each.path} would both become {paths[0]}")
        taken[free[0]] = each.path
    return list(taken)


def _meant(name: str, *, recursive: bool) -> Iterator[Found]:
    path = Path(name)
    if path.is_dir():
        inside = sorted(path.rglob("*") if recursive else path.glob("*"))
        yield from _pictures(inside, path)
    elif _is_pattern(name):
        base = Path(*path.parts[: _first_magic(path)])
        yield from _pictures(sorted(base.glob(str(path.relative_to(base)))), base)
    else:
        yield Found(path, Path(path.name))


def _lies_in(folder: Path, each: Found) -> bool:
    """Whether it is in a folder that lies below where it was looked for."""
    base = each.path.resolve().parents[len(each.below.parts) - 1]
    return folder.resolve() != base and each.path.resolve().is_relative_to(folder.resolve())


def _pictures(paths: Iterable[Path], base: Path) -> Iterator[Found]:
    for path in paths:
        below = path.relative_to(base)
        hidden = any(part.startswith(".") for part in below.parts)
        if path.suffix.lower() in READ and not hidden and path.is_file():
            yield Found(path, below)


def _is_pattern(name: str) -> bool:
    return bool(_MAGIC & set(name)) and not Path(name).exists()


def _first_magic(path: Path) -> int:
    return next(i for i, part in enumerate(path.parts) if _MAGIC & set(part))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        known = path.stat()
    except OSError:
        return None
    return known.st_mtime_ns, known.st_size

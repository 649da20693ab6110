"""Files that appear in their place at once or not at all, and leave nothing if the process dies."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from impasto.core.errors import MediaError
from impasto.media import formats


@contextmanager
def placed(path: str | Path) -> Iterator[IO[bytes]]:
    """A file to write to and to read from, which appears under its name at the end.

    Where the system can, it has no name before, so that not even `kill -9` leaves a part of it.

    Raises:
        MediaError: the file cannot be written; also for every `OSError` inside.
    """
    # A link stays a link: what it points at is replaced.
    target = Path(os.path.realpath(path))
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with _opened(part) as file:
            yield file
            file.flush()
            if not part.exists():
                number = file.fileno()
                # Without a folder for the source, Python would link the link itself.
                os.link(f"/proc/self/fd/{number}", part, src_dir_fd=number)
        part.replace(target)
    except OSError as error:
        raise MediaError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_bytes(path: str | Path, data: bytes) -> None:
    """Put a file in its place at once or not at all.

    Raises:
        MediaError: the file cannot be written.
    """
    with placed(path) as file:
        file.write(data)


def make_folder(path: Path) -> None:
    """A folder, with those above it, unless it is there.

    Raises:
        MediaError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MediaError(f"{path} cannot be made a folder: {error.strerror or error}") from None


def check_writable(
    path: str | Path,
    *,
    endings: Sequence[str] = formats.ENDINGS,
    long_side: int = 0,
    overwrite: bool = False,
) -> None:
    """Refuse now what would fail after the work.

    Args:
        path: where a file shall be written.
        endings: the endings that are accepted, in lower case.
        long_side: of the picture to be written, in pixels; some formats have a limit.
        overwrite: whether a file that is there may be replaced.

    Raises:
        MediaError: an unknown ending, a folder that is missing or not writable, a picture that is
            too large for the format, a file that must not be replaced.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in endings:
        raise MediaError(formats.wrong_ending(path, tuple(endings)))
    try:
        if path.is_dir():
            raise MediaError(f"{path} is a folder; the name of a file is needed")
        if not overwrite and path.exists():
            raise MediaError(f"{path} exists; --overwrite replaces it")
        if not path.parent.is_dir():
            raise MediaError(f"the folder {path.parent} does not exist")
    except OSError as error:
        raise MediaError(f"{path} cannot be written: {error.strerror}") from None
    try:
        # Asking the system for permission is unreliable; trying is not.
        TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise MediaError(f"the folder {path.parent} is not writable: {error.strerror}") from None
    form = formats.FORMATS.get(ending)
    if form and long_side > form.longest:
        raise MediaError(
            f"{path} can be {form.longest} pixels long at most; .png has no such limit"
        )


def _opened(part: Path) -> IO[bytes]:
    with suppress(AttributeError, OSError):  # Not every system or kind of disk has this.
        flags = os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC
        if Path("/proc/self/fd").is_dir():
            return os.fdopen(os.open(part.parent, flags, 0o666), "w+b")
    return part.open("x+b")

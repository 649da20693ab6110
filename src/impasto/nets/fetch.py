"""Files of weights: downloaded once, resumed where cut, never used with a wrong digest."""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from impasto.core.errors import WeightsError

Meter = Callable[[int, int | None], None]
"""Is told the bytes that are here and the bytes in all, None where the server does not say."""

PAUSES = (1.0, 2.0, 4.0)
"""Seconds to wait before a cut download is taken up again, once for each."""


def silent(done: int, total: int | None) -> None:
    """A meter that says nothing."""


_meter: ContextVar[Meter] = ContextVar("_meter", default=silent)


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Inside, every download that has no meter of its own tells this one."""
    token = _meter.set(meter)
    try:
        yield
    finally:
        _meter.reset(token)


def cache_folder() -> Path:
    """Where downloads are kept: the user's cache folder, or what IMPASTO_CACHE names."""
    import platformdirs

    chosen = os.environ.get("IMPASTO_CACHE") or platformdirs.user_cache_dir("impasto")
    return Path(chosen).expanduser()


def fetch(url: str, path: Path, *, sha256: str, report: Meter | None = None) -> Path:
    """The file of this URL at `path`, downloaded unless it lies there, checked in either case.

    Of several processes that ask at once, one downloads. What was cut stays beside it as `….part`
    and is taken up there, in this call or in a later one.

    Args:
        url: what to download.
        path: where to keep it; its folder is made.
        sha256: the digest in hexadecimal, or its first characters.
        report: is told of every piece that arrives; by default whom `metered` names.

    Raises:
        WeightsError: the server refuses or cannot be reached; the digest is wrong (what was
            downloaded is deleted, what lay there is not); nothing can be written.
    """
    with _making(path) as part:
        if path.exists():
            check(path, sha256=sha256, remedy="remove it to download it again")
            return path
        try:
            _download(url, part, report or _meter.get())
        except _Refused as refusal:
            raise WeightsError(
                f"cannot download the network ({refusal}); "
                f"put {path.name} from {url} into {path.parent}"
            ) from refusal
        try:
            check(part, sha256=sha256, remedy=f"it came from {url} and is deleted; try again")
        except WeightsError:
            part.unlink()
            raise
        part.replace(path)
    return path


def build(path: Path, make: Callable[[Path], None]) -> Path:
    """The file at `path` as its recorded digest says, made anew if it is missing or damaged.

    Of several processes that ask at once, one makes it. The digest is recorded in a file beside it,
    `….sha256`, in the format of `sha256sum`.

    Args:
        path: where to keep the file; its folder is made.
        make: writes the whole file to the path that it is given, which is then moved to `path`.

    Raises:
        WeightsError: nothing can be written.
    """
    if not _intact(path):
        with _making(path) as part:
            if not _intact(path):
                make(part)
                _record(path).write_text(f"{digest(part)}  {path.name}\n", encoding="ascii")
                part.replace(path)
    return path


def recorded(path: Path) -> str | None:
    """The digest that is recorded beside a file, None where there is no record."""
    record = _record(path)
    return record.read_text(encoding="ascii", errors="replace")[:64] if record.is_file() else None


def digest(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits; a `WeightsError` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error


def check(path: Path, *, sha256: str, remedy: str) -> None:
    """Refuse a file whose digest does not begin with `sha256`.

    Raises:
        WeightsError: with the `remedy` at its end.
    """
    found = digest(path)
    if not found.startswith(sha256):
        raise WeightsError(
            f"{path} is damaged or another file: its SHA-256 begins with {found[:8]}, "
            f"not with {sha256[:8]}; {remedy}"
        )


@contextmanager
def _making(path: Path) -> Iterator[Path]:
    """Work on the file `path` alone among processes and threads; gives the `….part` to write to."""
    from filelock import FileLock

    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            try:
                yield part
            except OSError:
                part.unlink(missing_ok=True)  # A disk that we filled is not left full.
                raise
    except OSError as error:
        raise WeightsError(
            f"cannot write {path} ({error.strerror or error}): make room there, or name another "
            "folder in IMPASTO_CACHE"
        ) from error


def _intact(path: Path) -> bool:
    return path.is_file() and recorded(path) == digest(path)


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


class _Refused(Exception):  # noqa: N818 - the reason of a sentence, never seen outside
    pass


def _download(url: str, part: Path, report: Meter) -> None:
    import httpx

    for pause in (*PAUSES, None):
        try:
            _append(url, part, report)
            return
        except httpx.HTTPStatusError as error:
            answer = error.response
            raise _Refused(
                f"the server says {answer.status_code} {answer.reason_phrase}"
            ) from error
        except httpx.RequestError as error:
            # Where nothing has ever arrived we are offline, and waiting is of no use.
            if pause is None or not part.exists():
                raise _Refused(str(error) or type(error).__name__) from error
            time.sleep(pause)


def _append(url: str, part: Path, report: Meter) -> None:
    """Ask for what the part lacks. Whether the pieces fit together, the digest will tell."""
    import httpx

    done = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    timeout = httpx.Timeout(30.0, connect=10.0)
    with httpx.stream(
        "GET", url, headers=headers, timeout=timeout, follow_redirects=True
    ) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # The part is whole already: an earlier process ended before it was moved.
        response.raise_for_status()
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            done = 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if done else "wb") as file:
            for piece in response.iter_raw():
                file.write(piece)
                done += len(piece)
                report(done, total)

"""`-` in place of a file: the picture comes from stdin or goes to stdout."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from impasto.core.errors import MediaError, OptionError

STREAM = ":-"
"""What stands for `-` among the words of a command; no painted style is called so."""


@contextmanager
def streamed(
    content: str, output: Path | None, *, ending: str = ".png"
) -> Iterator[tuple[str, Path | None]]:
    """The content and the output as files; what is left in the output's at the end goes to stdout.

    Args:
        content: a name, or `STREAM` for stdin.
        output: a name, or `STREAM` for stdout.
        ending: of the format that goes to stdout.

    Raises:
        OptionError: the content comes from stdin, and there is no name for the result.
        MediaError: nothing comes from stdin.
    """
    to_stdout = str(output) == STREAM
    if content != STREAM and not to_stdout:
        yield content, output
        return
    if output is None:
        raise OptionError("--output is needed where CONTENT is -; it may be - too")
    with TemporaryDirectory(prefix="impasto-") as name:
        folder = Path(name)
        if content == STREAM:
            content = str(_spooled(folder / "stdin"))
        yield content, folder / f"stdout{ending}" if to_stdout else output
        made = folder / f"stdout{ending}"
        if made.exists():
            with made.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def _spooled(path: Path) -> Path:
    """What comes from stdin, as a file: a header is looked at before a picture is decoded."""
    with path.open("xb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    if not path.stat().st_size:
        raise MediaError("nothing came from stdin")
    return path

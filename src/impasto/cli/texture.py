"""`impasto texture`: more of a sample."""

import re
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from impasto.cli.flags import Overwrite, Quiet, with_flags
from impasto.cli.names import keep_apart
from impasto.cli.terminal import bar
from impasto.core.errors import OptionError
from impasto.jobs import texture as jobs
from impasto.media.image import check_writable, write

_HOW = Group("How it is sewn", sort_key=1)


def more(
    sample: Annotated[str, Parameter(help="A piece of the texture: a file, or :NAME.")],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o", help="A .png, .jpg or .webp file.")],
    size: Annotated[
        str, Parameter(metavar="WxH", help="Width and height of the result in pixels.")
    ] = "1024x1024",
    sample_size: Annotated[
        int | None,
        Parameter(help="Long side of SAMPLE in pixels. By default its own, at most 512."),
    ] = None,
    seed: Annotated[int, Parameter(help="Another seed, another texture.")] = 0,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    options: dict[str, Any],
) -> None:
    """Make more of a texture: a picture of any size that looks like SAMPLE all over."""
    height, width = parsed(size)
    keep_apart([sample], [output])
    check_writable(output, long_side=max(height, width), overwrite=overwrite)
    with bar(quiet=quiet) as report:
        image = jobs.texture(
            sample,
            (height, width),
            sample_size=sample_size,
            seed=seed,
            report=report,
            **options,
        )
    write(image, output)
    sys.stdout.write(f"{output}\n")


def parsed(size: str) -> tuple[int, int]:
    """Height and width of "WIDTHxHEIGHT".

    Raises:
        OptionError: it is not of this form.
    """
    found = re.fullmatch(r"(\d{1,6}) ?[x×] ?(\d{1,6})", size.strip().lower())
    if not found:
        raise OptionError(f"size must be WIDTHxHEIGHT in pixels, such as 1024x768; got {size!r}")
    return int(found[2]), int(found[1])


texture = with_flags(more, jobs.Texture, group=lambda *_: _HOW)

"""`impasto upscale`: a picture larger, for print."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.cli.flags import Overwrite, Quiet
from impasto.cli.names import keep_apart
from impasto.cli.terminal import bar
from impasto.core.errors import OptionError
from impasto.media.image import describe, load, measure, write
from impasto.media.place import check_writable
from impasto.nets import upscaler
from impasto.nets.upscaler import FACTORS, enlarge


def upscale(
    picture: Annotated[str, Parameter(help="The picture to enlarge.")],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o", help="Where to write it.")],
    by: Annotated[int, Parameter(help="How many times as high and wide: 2 or 4.")] = 2,
    weights: Annotated[
        Path | None, Parameter(help="A network of `impasto train upscaler`, not the bundled one.")
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Enlarge a picture by a network that keeps edges sharp."""
    if by not in FACTORS:
        raise OptionError(f"by must be one of {', '.join(map(str, FACTORS))}; got {by}")
    keep_apart([picture], [output])
    check_writable(output, long_side=by * max(measure(picture)), overwrite=overwrite)
    network = upscaler.load(weights) if weights else None
    image, metadata = load(picture), describe(picture)
    with bar(quiet=quiet) as report:
        large = enlarge(image, by=by, network=network, report=report)
    write(large, output, metadata=metadata, original=picture)
    sys.stdout.write(f"{output}\n")

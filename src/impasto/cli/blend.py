"""`impasto blend` and `impasto measure`: from style to style, and styles as small files."""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from impasto.cli.flags import Overwrite, Quiet
from impasto.cli.sheet import draw
from impasto.cli.stylize import NEEDED, run_with_method
from impasto.jobs.blend import blended, keep_style
from impasto.jobs.sources import weighed
from impasto.jobs.spec import Job
from impasto.media.place import check_writable
from impasto.methods import DEFAULT
from impasto.universal.palette import ENDING

app = App(name="blend", help_flags=[], version_flags=[])


@app.default
def command(*tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]) -> Any:
    """Build the command for the method that the words name, and run it."""
    about = "Paint CONTENT between two styles in a row, or between four in a square."
    return run_with_method("blend", about, sheet, tokens)


def sheet(
    content: Annotated[str, Parameter(help="The picture to paint: a file, or :NAME.")],
    /,
    *,
    style: Annotated[
        list[str],
        Parameter(
            alias="-s",
            group=NEEDED,
            negative=(),
            help="Two pictures, the ends of a row, or four, the corners of a square.",
        ),
    ],
    output: Annotated[
        Path, Parameter(alias="-o", group=NEEDED, help="The sheet: a .png, .jpg or .webp file.")
    ],
    steps: Annotated[int, Parameter(group=NEEDED, help="Pictures along a side.")] = 5,
    size: Annotated[int, Parameter(group=NEEDED, help="Long side of one picture in pixels.")] = 384,
    seed: Annotated[
        int, Parameter(group=NEEDED, help="Another seed, another variant, where there is chance.")
    ] = 0,
    method: Annotated[
        str, Parameter(group=NEEDED, help="How to paint; see `impasto methods`.")
    ] = DEFAULT,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
    options: dict[str, Any],
) -> int:
    """Paint the sheet; what can be refused is refused before the work starts.

    Raises:
        ImpastoError: as `impasto.jobs.sheet.paint`, or the file cannot be written.
    """
    job = Job(content, weighed(style), method, size, seed, options=options)
    return draw(blended(job, steps=steps), output, overwrite=overwrite, quiet=quiet)


def measure(
    style: Annotated[str, Parameter(help="The picture to measure: a file, or :NAME.")],
    /,
    *,
    output: Annotated[
        Path | None, Parameter(alias="-o", help="A .style file; by default next to STYLE.")
    ] = None,
    style_scale: Annotated[float, Parameter(help="Size of strokes, as of `stylize`.")] = 1.0,
    overwrite: Overwrite = False,
) -> None:
    """Measure a style once; its file of 150 KB then serves in place of the picture.

    It is a style for the methods adain and wct, and for drafts of auto.
    """
    name = style.removeprefix(":")
    output = output or Path(name).with_suffix(ENDING)
    check_writable(output, endings=(ENDING,), overwrite=overwrite)
    keep_style(style, output, style_scale=style_scale)
    sys.stdout.write(f"{output}\n")

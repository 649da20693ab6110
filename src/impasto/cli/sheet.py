"""`impasto sheet`: one picture with settings that vary, side by side, each with its words."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from impasto.cli.flags import Overwrite, Quiet
from impasto.cli.main import STOPPED, say
from impasto.cli.names import check_apart
from impasto.cli.stylize import NEEDED, run_with_method
from impasto.cli.terminal import bar
from impasto.core.errors import Interrupted, OptionError
from impasto.jobs.presets import find
from impasto.jobs.sheet import Cell, Painted, axis, check_all, drawn, paint, text, varied
from impasto.media.image import write
from impasto.media.metadata import Metadata
from impasto.media.place import check_writable, make_folder

app = App(name="sheet", help_flags=[], version_flags=[])
_LONGEST = 80
"""Characters of the name of a cell's file."""


@app.default
def command(*tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]) -> Any:
    """Build the command for the method that the words name, and run it."""
    about = (
        "Paint CONTENT with settings that vary, each picture with its words, on one sheet.\n\n"
        "impasto sheet photo.jpg -s a.jpg -s b.jpg --vary strength=0.2,0.5,0.8 "
        "--vary color=style,luminance -o sheet.png"
    )
    return run_with_method("sheet", about, vary, tokens)


def vary(
    content: Annotated[str, Parameter(help="The picture to paint: a file, or :NAME.")],
    /,
    *,
    style: Annotated[
        list[str] | None,
        Parameter(
            alias="-s",
            group=NEEDED,
            negative=(),
            help="Picture to imitate: a file, or :NAME. Repeat for more, each by itself.",
        ),
    ] = None,
    output: Annotated[
        Path, Parameter(alias="-o", group=NEEDED, help="The sheet: a .png, .jpg or .webp file.")
    ],
    vary: Annotated[
        list[str] | None,
        Parameter(
            group=NEEDED,
            negative=(),
            metavar="NAME=A,B,…",
            help="What varies: an option of any method, or method, preset, style, size, seed, "
            "mask. Repeat for more; the first goes along the rows. Values with commas are parted "
            "by semicolons.",
        ),
    ] = None,
    blend: Annotated[
        bool, Parameter(group=NEEDED, negative=(), help="All styles together in every picture.")
    ] = False,
    cells: Annotated[
        Path | None,
        Parameter(
            group=NEEDED,
            metavar="FOLDER",
            help="Also keep every picture, with its recipe; the same command goes on there.",
        ),
    ] = None,
    size: Annotated[int, Parameter(group=NEEDED, help="Long side of one picture in pixels.")] = 384,
    seed: Annotated[
        int | None,
        Parameter(group=NEEDED, help="Another seed, another variant, where there is chance."),
    ] = None,
    method: Annotated[
        str | None, Parameter(group=NEEDED, help="How to paint; see `impasto methods`.")
    ] = None,
    preset: Annotated[
        str | None, Parameter(group=NEEDED, metavar="NAME", help="Settings that go together.")
    ] = None,
    quiet: Quiet = False,
    overwrite: Overwrite = False,
    options: dict[str, Any],
) -> int:
    """Paint the sheet; what can be refused is refused before the work starts.

    Raises:
        ImpastoError: as `impasto.jobs.sheet.paint`, or a file cannot be written.
    """
    axes = [axis(words) for words in vary or ()]
    names = [name for name, _ in axes]
    styles = style or []
    if not styles and "style" not in names and not (preset and find(preset).style):
        raise OptionError("--style is missing")
    each = len(styles) > 1 and not blend
    said = {
        "preset": preset,
        "method": method,
        "style": [] if each else styles,
        "size": None if "size" in names else size,
        # A preset's would make its pictures larger than the others.
        "upscale": None if "upscale" in names else 1,
        "seed": seed,
        "options": options,
    }
    # The first goes along a row: styles do only where nothing else varies.
    axes[1:1] = [("style", styles)] if each else []
    rows = varied(content, said, axes)
    return draw(rows, output, cells=cells, overwrite=overwrite, quiet=quiet)


def draw(
    rows: Sequence[Sequence[Cell]],
    output: Path,
    *,
    cells: Path | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> int:
    """Paint the pictures of a sheet and write it; what is done is kept where the user stops it.

    Args:
        rows: its pictures.
        output: its file.
        cells: a folder for the single pictures.
        overwrite: replace files that exist.
        quiet: no bar.

    Raises:
        ImpastoError: as `impasto.jobs.sheet.paint`, or a file cannot be written.
    """
    every = [cell for row in rows for cell in row]
    files = [cells / _name(i, cell) for i, cell in enumerate(every, 1)] if cells else []
    for cell in every:
        check_apart(cell.job, [output, *files])
    side = max(len(rows), max(map(len, rows))) * check_all(every, files=files, overwrite=overwrite)
    check_writable(output, long_side=side, overwrite=overwrite)
    if cells:
        make_folder(cells)
    painted: list[Painted] = []
    code = 0
    try:
        with bar(quiet=quiet) as report:
            for each in paint(every, folder=output.parent, files=files, report=report):
                painted.append(each)
    except (KeyboardInterrupt, Interrupted):
        if not painted:
            raise Interrupted from None
        code = STOPPED
    recipes = text(painted)
    write(drawn(rows, painted), output, metadata=Metadata(recipe=recipes))
    if code:
        say(f"stopped; {len(painted)} of {len(every)} pictures are in {output}")
    else:
        sys.stdout.write(f"{output}\n")
    if not recipes:
        say(f"{output} has no room for so many recipes; --cells keeps one in each picture")
    return code


def _name(number: int, cell: Cell) -> str:
    words = re.sub(r"[^\w.]+", "-", " ".join([f"{number:03}", *cell.label])).strip("-.")
    return f"{words[:_LONGEST]}.png"

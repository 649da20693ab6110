"""`impasto methods`, `models` and `styles`: what there is to choose from."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from impasto.cli.flags import Overwrite


def methods() -> None:
    """List the methods of style transfer."""
    from impasto.methods import load, names

    table((name, (load(name).__doc__ or "").partition("\n")[0]) for name in names())


def models() -> None:
    """List the feature networks, and the other networks that come with the package."""
    from impasto.nets import zoo

    roles = (zoo.models(), zoo.decoders(), zoo.painters(), zoo.optimizers())
    known = [model for role in roles for model in role.values()]
    table((model.name, model.status, model.licence, model.about) for model in known)


def presets(
    name: Annotated[str | None, Parameter(help="The one to print, as a file of TOML.")] = None,
    /,
) -> None:
    """List the presets, those of the package and your own, or print one.

    Your own are files NAME.toml in the folder that the last line names.
    """
    from impasto.jobs.presets import checked, find, folder, known

    if name is not None:
        sys.stdout.write(find(name).text())
        return
    table(checked(known()))
    sys.stdout.write(f"\nyour own: {folder()}\n")


def styles(
    name: Annotated[str | None, Parameter(help="The one to paint.")] = None,
    /,
    *,
    output: Annotated[
        Path | None, Parameter(alias="-o", help="Where to paint it; NAME.png by default.")
    ] = None,
    size: Annotated[int, Parameter(help="Long side in pixels.")] = 1024,
    seed: Annotated[int, Parameter(help="Another seed, another picture.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """List the styles that are known by name, or paint one to a file.

    Of a style that a network learnt after a painting it is our rendering: a photograph painted so.
    """
    from impasto.nets.gallery import works

    if name is None:
        from impasto.painted import describe, names

        table((work.name, f"{work.painter}: {work.about}") for work in works().values())
        table((f":{known}", describe(known)) for known in names())
        return
    from impasto.jobs.sources import opened
    from impasto.media.image import write
    from impasto.media.place import check_writable

    name = name.removeprefix(":")
    output = output or Path(f"{name}.png")
    check_writable(output, long_side=size, overwrite=overwrite)
    write(opened(name if name in works() else f":{name}@{seed}", long_side=size), output)
    sys.stdout.write(f"{output}\n")


def table(rows: Iterable[Iterable[str]]) -> None:
    """Rows on stdout, their columns aligned."""
    cells = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(f"{line.rstrip()}\n")

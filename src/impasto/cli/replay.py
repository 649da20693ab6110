"""`impasto info` and `impasto replay`: what a picture was made of, and the same once more."""

import json
import sys
from itertools import count
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from impasto.cli.flags import Overwrite, Quiet
from impasto.cli.look import table
from impasto.cli.main import say
from impasto.cli.terminal import bar
from impasto.core.errors import OptionError
from impasto.jobs.recipe import Recipe
from impasto.jobs.replay import Finder, cells_of, recipe_of
from impasto.jobs.replay import replay as again
from impasto.media.place import check_writable

Picture = Annotated[Path, Parameter(help="A picture that impasto made.")]
Cell = Annotated[
    int | None, Parameter(metavar="NUMBER", help="Which picture of a sheet, from 1 on.")
]
Search = Annotated[
    list[Path] | None,
    Parameter(negative=(), help="Folder in which to look for the inputs. Repeat for more."),
]


def info(
    picture: Picture,
    /,
    *,
    as_json: Annotated[
        bool, Parameter(name="--json", negative=(), help="Print the recipe as it is stored.")
    ] = False,
    cell: Cell = None,
) -> None:
    """Show the recipe that a picture holds: what it was made of, and with what."""
    cells = cells_of(picture) if cell is None else None
    if cells and not as_json:
        rows = [[f"{name} {value}" for name, value in words.items()] for words in cells]
        table([str(number), *row] for number, row in enumerate(rows, 1))
        return
    recipe = recipe_of(picture, cell=cell)
    if as_json:
        sys.stdout.write(f"{recipe.text()}\n")
    else:
        table(_rows(recipe))


def replay(
    picture: Picture,
    /,
    *,
    output: Annotated[
        Path | None, Parameter(alias="-o", help="Result; by default a new one next to PICTURE.")
    ] = None,
    content: Annotated[
        Path | None, Parameter(help="Where the content is now, if it was moved.")
    ] = None,
    style: Annotated[
        list[Path] | None,
        Parameter(alias="-s", negative=(), help="Where a style is now. Repeat for more."),
    ] = None,
    search: Search = None,
    cell: Cell = None,
    changed: Annotated[
        bool,
        Parameter(negative=(), help="Go on although an input or a network is not what it was."),
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Make a picture again from its recipe: the same bytes, or word of what has changed.

    Inputs are known by their digests. They are looked for beside PICTURE, in the current folder,
    and in the folders of --search and all below.
    """
    recipe = recipe_of(picture, cell=cell)
    finder = Finder(picture, content, style or (), search or (), changed)
    job = finder.job(recipe)
    out = output or _free_name(picture)
    if out.resolve() in (picture.resolve(), *(Path(p).resolve() for p in finder.found)):
        raise OptionError(f"{out} would overwrite another picture of this run; rename it")
    check_writable(out, long_side=max(job.result_size()), overwrite=overwrite)
    with bar(quiet=quiet) as report:
        differ = again(recipe, job, out, changed=changed, report=report)
    if differ:
        say(f"not as it was: {'; '.join(differ)}")
    elif not quiet and cell is None:
        same = out.suffix.lower() == picture.suffix.lower() and _equal(out, picture)
        say(f"{out} has {'the same bytes as' if same else 'other bytes than'} {picture}")
    if not quiet:
        sys.stdout.write(f"{out}\n")


def _free_name(picture: Path) -> Path:
    names = (picture.with_stem(f"{picture.stem}-{number}") for number in count(2))
    return next(name for name in names if not name.exists())


def _equal(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def _rows(recipe: Recipe) -> list[tuple[str, str]]:
    """What and how, one a line; words that are not set are left out."""
    job: dict[str, Any] = recipe.job.model_dump()
    options = job.pop("options")
    known = {**job, **options, **{f"network {k}": v[:12] for k, v in recipe.networks.items()}}
    rows = [*known.items(), *recipe.made.model_dump().items()]
    return [(name, _words(value)) for name, value in rows if value not in (None, (), {}, False)]


def _words(value: Any) -> str:
    match value:
        case {"name": name, "sha256": digest, **__}:
            return f"{name} (sha256 {digest[:12]}…)"
        case list() | tuple():
            return ", ".join(_words(part) for part in value)
        case dict():
            return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)

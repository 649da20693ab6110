"""`impasto stylize`: words to one job, and its picture to a file."""

import sys
from collections.abc import Callable, Sequence
from itertools import count, zip_longest
from os.path import realpath
from pathlib import Path
from typing import Annotated, Any, cast

from cyclopts import App, Group, Parameter
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from impasto.cli.flags import with_flags
from impasto.cli.main import STOPPED, run, say
from impasto.cli.terminal import Watch
from impasto.core.errors import Interrupted, OptionError
from impasto.jobs.memory import parse
from impasto.jobs.perform import carry
from impasto.jobs.sources import listed, weighed
from impasto.jobs.spec import Job
from impasto.media.image import ENDINGS, check_writable, write
from impasto.methods import DEFAULT, load
from impasto.wrappers import Controls

NEEDED = Group("What most people need", sort_key=1)
_WHERE = Group("Where", sort_key=2)
_OPTIONS = Group("More of the method", sort_key=3)
_WATCHING = Group("Watching", sort_key=4)
_ADVANCED = Group("Advanced", sort_key=5)
_FIRST = ("strength", "stroke", "color", "smooth", "quality")
"""Options that go with what most people need."""

_LONGEST = 60
"""Characters of a name that is made from those of many styles."""

app = App(name="stylize", help_flags=[], version_flags=[])


@app.default
def stylize(*tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]) -> Any:
    """Build the command for the method that the words name, and run it."""
    about = "Paint CONTENT in the style of other pictures."
    return run_with_method("stylize", about, paint, tokens)


def run_with_method(
    name: str, about: str, function: Callable[..., int | None], tokens: Sequence[str]
) -> Any:
    """Run a command that has the flags of the method that its words name."""
    command = App(
        name=f"impasto {name}", help=about, version_flags=[], suppress_keyboard_interrupt=False
    )
    command["--help"].show = False
    model = cast("type[BaseModel]", load(_method(tokens)))
    command.default(with_flags(function, model, Controls, group=_group))
    return run(command, tokens)


def _method(tokens: Sequence[str]) -> str:
    """The method is looked up before the other words can be understood."""
    for token, following in zip_longest(tokens, tokens[1:], fillvalue=""):
        name, _, value = token.partition("=")
        if name == "--method":
            return value or following
    return DEFAULT


def _group(name: str, field: FieldInfo) -> Group:
    if name in _FIRST:
        return NEEDED
    extra = field.json_schema_extra
    return _ADVANCED if isinstance(extra, dict) and extra.get("advanced") else _OPTIONS


def paint(
    content: Annotated[str, Parameter(help="The picture to paint: a file, or :NAME.")],
    /,
    *,
    style: Annotated[
        list[str],
        Parameter(
            alias="-s",
            group=NEEDED,
            negative=(),
            metavar="STYLE[:WEIGHT]",
            help="Picture to imitate: a file, or :NAME from `impasto styles`. Repeat to blend.",
        ),
    ],
    output: Annotated[
        Path | None,
        Parameter(
            alias="-o",
            group=NEEDED,
            help="Result: a .png, .jpg or .webp file. By default a new one next to CONTENT.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        Parameter(
            group=NEEDED,
            help="Long side of the result in pixels. By default CONTENT's own, at most 1024.",
        ),
    ] = None,
    seed: Annotated[
        int,
        Parameter(group=NEEDED, help="Another seed, another variant, where there is chance."),
    ] = 0,
    method: Annotated[
        str, Parameter(group=NEEDED, help="How to paint; see `impasto methods`.")
    ] = DEFAULT,
    preview: Annotated[
        bool | Path | None,
        Parameter(
            group=_WATCHING,
            negative=(),
            metavar="[=FILE]",
            help="Rewrite a small picture on the way; without FILE it is deleted at the end.",
        ),
    ] = None,
    every: Annotated[
        int | None, Parameter(group=_WATCHING, help="Keep a picture of every N-th step.")
    ] = None,
    trace: Annotated[
        Path | None,
        Parameter(group=_WATCHING, help="Write all losses to this .csv, and a drawing beside it."),
    ] = None,
    quiet: Annotated[
        bool, Parameter(alias="-q", group=_WATCHING, negative=(), help="Say nothing on the way.")
    ] = False,
    start_picture: Annotated[
        str | None, Parameter(group=_ADVANCED, help="Begin at this picture.")
    ] = None,
    max_memory: Annotated[
        str | None,
        Parameter(
            group=_ADVANCED,
            metavar="SIZE",
            help="Memory that may be taken, as 2GB or 1500MB; 60 % of what is free by default.",
        ),
    ] = None,
    mask: Annotated[
        list[str] | None,
        Parameter(
            group=_WHERE,
            negative=(),
            metavar="PICTURE",
            help="Paint where this is white and leave the rest. Repeat: one for each style.",
        ),
    ] = None,
    style_mask: Annotated[
        list[str] | None,
        Parameter(
            group=_WHERE,
            negative=(),
            metavar="PICTURE",
            help="Look at the style where this is white; one for each style.",
        ),
    ] = None,
    options: dict[str, Any],
) -> int | None:
    """Paint one picture; what can be refused is refused before the work starts.

    Raises:
        ImpastoError: as `impasto.jobs.perform.carry`.
    """
    limit = None if max_memory is None else parse(max_memory)
    job = Job(
        content,
        weighed(style),
        method,
        size,
        seed,
        start_picture,
        options,
        limit,
        mask=listed(mask),
        style_mask=listed(style_mask),
    )
    long_side = max(job.result_size())
    out = output or _free_name(job)
    check_writable(out, long_side=long_side)
    watch = Watch(out, preview=preview, every=every, trace=trace, quiet=quiet)
    _check_apart(job, [out, *watch.files])
    code = 0
    with watch.running() as report:
        try:
            carry(job, out, report=report)
        except Interrupted as event:
            if event.image is None:
                raise
            write(event.image, out)
            code = STOPPED
    if code:
        say(f"stopped; the picture so far is in {out}")
    elif not quiet:
        sys.stdout.write(f"{out}\n")
    return code


def _free_name(job: Job) -> Path:
    """CONTENT-STYLE next to the content, with a number where that exists."""
    content, *styles = _words(job)
    path = Path(_stem(content)) if content.startswith(":") else Path(content)
    stem = "-".join(map(_stem, [content, *styles]))[:_LONGEST]
    ending = path.suffix if path.suffix.lower() in ENDINGS else ".png"
    names = (f"{stem}{'' if number == 1 else f'-{number}'}{ending}" for number in count(1))
    return next(path for path in map(path.with_name, names) if not path.exists())


def _words(job: Job) -> list[str]:
    return [str(job.content), *(str(source) for source, _ in job.styles)]


def _stem(source: str) -> str:
    return source[1:].replace("@", "-") if source.startswith(":") else Path(source).stem


def _check_apart(job: Job, outputs: Sequence[Path]) -> None:
    """No file that is written may be one that is read, or be written twice."""
    read = [*_words(job), str(job.start_picture), *map(str, [*job.mask, *job.style_mask])]
    taken = {realpath(source) for source in read}
    for path in outputs:
        if realpath(path) in taken:
            raise OptionError(f"{path} would overwrite another picture of this run; rename it")
        taken.add(realpath(path))

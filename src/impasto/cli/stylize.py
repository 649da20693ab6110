"""`impasto stylize`: words to one job, and its picture to a file."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from inspect import signature
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, cast

from cyclopts import App, Group, Parameter, UnknownOptionError
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from impasto.cli.batch import Batch
from impasto.cli.flags import elsewhere, with_flags
from impasto.cli.main import STOPPED, run, say, shown
from impasto.cli.names import NAMED, check_apart, check_format, ending_of, free_name
from impasto.cli.plan import plan
from impasto.cli.streams import STREAM, streamed
from impasto.cli.terminal import Watch
from impasto.core.errors import Interrupted, OptionError
from impasto.jobs.control import over
from impasto.jobs.folders import found, is_folder, is_many
from impasto.jobs.memory import parse
from impasto.jobs.output import Output
from impasto.jobs.perform import carry, keep
from impasto.jobs.presets import find
from impasto.jobs.replay import settings_of
from impasto.jobs.sources import listed, weighed
from impasto.jobs.spec import Job
from impasto.media.place import check_writable
from impasto.methods import DEFAULT, load
from impasto.wrappers.controls import Controls

NEEDED = Group("What most people need", sort_key=1)
_WHERE = Group("Where", sort_key=2)
_OPTIONS = Group("More of the method", sort_key=3)
_MANY = Group("Many pictures", sort_key=4)
_FILE = Group("The file", sort_key=5)
_WATCHING = Group("Watching", sort_key=6)
_ADVANCED = Group("Advanced", sort_key=7)
_FIRST = ("strength", "stroke", "color", "smooth", "quality")
"""Options that go with what most people need."""
_PLACES = ("subject", "match_regions", "protect")


app = App(name="stylize", help_flags=[], version_flags=[])


plan_app = App(name="plan", help_flags=[], version_flags=[])


@plan_app.default
def planning(*tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]) -> Any:
    """Build the command for the method that the words name, and tell what it would take."""
    about = "Tell what `impasto stylize` with the same words would take, without doing it."
    return run_with_method("plan", about, expect, tokens)


@app.default
def stylize(*tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]) -> Any:
    """Build the command for the method that the words name, and run it."""
    about = "Paint CONTENT in the style of other pictures."
    # A lone hyphen would be taken for an option.
    words = [STREAM if token == "-" else token for token in tokens]
    return run_with_method("stylize", about, paint, words)


def expect(*content: Any, **words: Any) -> int | None:
    """What `paint` would do, told and not done."""
    return paint(*content, planning=True, **words)


def run_with_method(
    name: str, about: str, function: Callable[..., int | None], tokens: Sequence[str]
) -> Any:
    """Run a command that has the flags of the method that its words name."""
    command = App(
        name=f"impasto {name}",
        help=about,
        version_flags=[],
        suppress_keyboard_interrupt=False,
        default_parameter=Parameter(show_default=shown),
    )
    command["--help"].show = False
    method = _method(tokens)
    model = cast("type[BaseModel]", load(method))
    command.default(with_flags(function, model, Controls, group=group_of))
    try:
        return run(command, tokens)
    except UnknownOptionError as error:
        raise elsewhere(method, str(error)) or error from None


def _method(tokens: Sequence[str]) -> str:
    """The method is looked up before the other words can be understood."""
    given: dict[str, str] = {}
    for token, following in zip_longest(tokens, tokens[1:], fillvalue=""):
        name, _, value = token.partition("=")
        given.setdefault(name, value or following)
    if "--method" in given:
        return given["--method"]
    if "--like" in given:
        return settings_of(Path(given["--like"]), styled=True).method
    return find(given["--preset"]).job().method if "--preset" in given else DEFAULT


def group_of(name: str, field: FieldInfo) -> Group:
    """The part of the help in which an option is shown."""
    if name in _FIRST:
        return NEEDED
    if name in _PLACES:
        return _WHERE
    extra = field.json_schema_extra
    return _ADVANCED if isinstance(extra, dict) and extra.get("advanced") else _OPTIONS


def paint(
    content: Annotated[
        list[str],
        Parameter(
            negative=(),
            help="The picture to paint: a file, :NAME, or - for stdin. Or many: files, folders, "
            "'patterns*'.",
        ),
    ],
    /,
    *,
    style: Annotated[
        list[str] | None,
        Parameter(
            alias="-s",
            group=NEEDED,
            negative=(),
            metavar="STYLE[:WEIGHT]",
            help="Picture to imitate: a file, or :NAME from `impasto styles`. Repeat to blend.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        Parameter(
            alias="-o",
            group=NEEDED,
            help="Result: .png, .jpg, .webp, .tiff or .avif, or - for stdout. By default a new one "
            "next to CONTENT. Of many, a folder.",
        ),
    ] = None,
    size: Annotated[
        int | None,
        Parameter(
            group=NEEDED,
            help="Long side of the result in pixels. By default CONTENT's own, at most 1024.",
        ),
    ] = None,
    upscale: Annotated[
        int | None,
        Parameter(group=NEEDED, help="Make the result 2 or 4 times as large as it is painted."),
    ] = None,
    seed: Annotated[
        int | None,
        Parameter(group=NEEDED, help="Another seed, another variant, where there is chance."),
    ] = None,
    method: Annotated[
        str | None,
        Parameter(
            group=NEEDED,
            show_default=lambda _: DEFAULT,
            help="How to paint; see `impasto methods`.",
        ),
    ] = None,
    like: Annotated[
        Path | None,
        Parameter(
            group=NEEDED,
            metavar="PICTURE",
            help="Take method, options, size, seed and styles from the recipe of this picture.",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        Parameter(
            group=NEEDED,
            metavar="NAME",
            help="Settings that go together, from impasto presets or a .toml file. What you say "
            "yourself wins.",
        ),
    ] = None,
    recursive: Annotated[
        bool, Parameter(alias="-r", group=_MANY, negative=(), help="With the folders in a folder.")
    ] = False,
    each: Annotated[
        bool, Parameter(group=_MANY, negative=(), help="Each style by itself instead of a blend.")
    ] = False,
    suffix: Annotated[
        str,
        Parameter(
            group=_MANY,
            allow_leading_hyphen=True,
            help="What comes behind the stem of a result's name.",
        ),
    ] = "",
    watch: Annotated[
        bool,
        Parameter(group=_MANY, negative=(), help="Go on with pictures that come, until Ctrl-C."),
    ] = False,
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
        Parameter(
            group=_WATCHING, help="Write all losses to this .csv, and a drawing of them beside it."
        ),
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
    content_map: Annotated[
        str | None,
        Parameter(
            group=_WHERE,
            metavar="PICTURE",
            help="Flat colours, one for each kind of place in CONTENT.",
        ),
    ] = None,
    style_map: Annotated[
        list[str] | None,
        Parameter(
            group=_WHERE,
            negative=(),
            metavar="PICTURE",
            help="The same colours for the same kinds of places in the style; one for each style.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        Parameter(
            group=_FILE,
            help=f"Of the result without --output: {', '.join(NAMED)}.",
        ),
    ] = None,
    file_quality: Annotated[
        int | None,
        Parameter(group=_FILE, help="Of JPEG, WebP and AVIF, from 1 to 100; 95 by default."),
    ] = None,
    bits: Annotated[
        int | None,
        Parameter(group=_FILE, help="Of a channel, 8 or 16; as CONTENT has by default."),
    ] = None,
    profile: Annotated[
        str,
        Parameter(
            group=_FILE, help="Of colours: keep is CONTENT's, srgb, p3, or an .icc file of RGB."
        ),
    ] = "keep",
    metadata: Annotated[
        bool,
        Parameter(group=_FILE, negative="--no-metadata", help="Keep CONTENT's EXIF and XMP data."),
    ] = True,
    overwrite: Annotated[
        bool, Parameter(group=_FILE, negative=(), help="Replace a result that exists.")
    ] = False,
    planning: Annotated[bool, Parameter(parse=False)] = False,
    options: dict[str, Any],
) -> int | None:
    """Paint, or plan; what can be refused is refused before the work starts.

    Raises:
        ImpastoError: as `impasto.jobs.perform.carry`.
    """
    limit = None if max_memory is None else parse(max_memory)
    if like and preset:
        raise OptionError("like and preset both say how to paint; give one")
    base = settings_of(like, styled=bool(style)) if like else find(preset).job() if preset else None
    job = over(
        base or Job("", []),
        method=method,
        styles=weighed(style or []),
        size=size,
        seed=seed,
        options=options,
    )
    if not job.styles:
        raise OptionError("--style is missing")
    job = replace(
        job,
        start_picture=start_picture,
        max_memory=limit,
        mask=listed(mask),
        style_mask=listed(style_mask),
        content_map=content_map,
        style_map=listed(style_map),
        output=Output(file_quality, bits, profile, metadata),
        upscale=job.upscale if upscale is None else upscale,
    )
    job.output.check()
    many = each or recursive or watch or _many(content, output)
    if planning:
        contents = found(content, recursive=recursive, beside=output) if many else content
        return plan(job, contents, each=each)
    if many:
        if preview or every or trace:
            raise OptionError("preview, every and trace are for one picture; here are many")
        if output is None:
            raise OptionError("--output must name a folder for many pictures")
        ending = ending_of(None, format)
        batch = Batch(
            content, output, recursive, each, suffix, watch, overwrite, quiet=quiet, ending=ending
        )
        return batch.run(job)
    to_stdout = ending_of(None, format) or ".png"
    with streamed(content[0], output, ending=to_stdout) as (name, file):
        job = replace(job, content=name)
        ending = ending_of(content[0], format) or ".png"
        out = file or free_name(job, ending=ending, overwrite=overwrite)
        check_format(out, format)
        to_stream = str(output) == STREAM
        check_apart(job, [out])
        long_side = max(job.result_size())
        check_writable(out, long_side=long_side, overwrite=overwrite or to_stream)
        seen = Watch(
            out, preview=preview, every=every, trace=trace, overwrite=overwrite, quiet=quiet
        )
        return _one(job, seen, named=None if quiet or to_stream else out)


expect.__signature__ = signature(paint)  # type: ignore[attr-defined]


def _one(job: Job, watch: Watch, *, named: Path | None) -> int:
    """Paint one picture, and name its file on stdout if asked to."""
    out = watch.out
    check_apart(job, [out, *watch.files])
    code = 0
    with watch.running() as report:
        try:
            carry(job, out, report=report)
        except Interrupted as event:
            if event.image is None:
                raise
            keep(event.image, out, job=job)
            code = STOPPED
    if code:
        say(f"stopped; the picture so far is in {out}")
    elif named:
        sys.stdout.write(f"{named}\n")
    return code


def _many(content: Sequence[str], output: Path | None) -> bool:
    """Whether the words mean more than one picture, or a folder for the result."""
    folder = output is not None and is_folder(output)
    return folder or len(content) > 1 or any(map(is_many, content))

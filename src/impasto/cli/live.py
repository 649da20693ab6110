"""`impasto live`: a camera or a video, painted as it runs."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast

from cyclopts import App, Parameter
from pydantic import BaseModel

from impasto.cli.flags import Quiet, with_flags
from impasto.cli.main import run
from impasto.cli.names import check_apart
from impasto.cli.stylize import NEEDED, group_of
from impasto.cli.window import QUIT, Window
from impasto.core.errors import OptionError
from impasto.jobs.live import Newest, Paced, Palette, Seen, Wall, live
from impasto.jobs.sources import weighed
from impasto.jobs.spec import Job
from impasto.media.place import check_writable
from impasto.media.video import ENDINGS, Recorder, Video, pixels
from impasto.methods import load
from impasto.nets import trained
from impasto.nets.gallery import works

KEYS = (
    "right, left: the next style or the last. 1 to 9: the first nine. period, comma: a quarter of "
    "the way to the next style or back. up, down: strength. h: hide the words. q: end."
)

app = App(name="live", help_flags=[], version_flags=[])


@app.default
def command(*tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]) -> Any:
    """Build the command with the flags of the methods that paint as frames come, and run it."""
    about = f"Paint a camera or a video as it runs. Keys, in the window: {KEYS}"
    asked = App(name="impasto live", help=about, version_flags=[])
    asked["--help"].show = False
    model = cast("type[BaseModel]", load("multistyle"))
    asked.default(with_flags(show, model, group=group_of, without=("engine",)))
    return run(asked, tokens)


def show(
    source: Annotated[
        str, Parameter(help="A video file, or the number of a camera, as the system counts.")
    ] = "0",
    /,
    *,
    style: Annotated[
        list[str] | None,
        Parameter(
            alias="-s",
            group=NEEDED,
            negative=(),
            help="A style by name, a .style file, or a network of one style. Repeat: keys go from "
            "one to the next. By default all that are known by name.",
        ),
    ] = None,
    size: Annotated[
        int, Parameter(group=NEEDED, help="Long side of the painted frames in pixels.")
    ] = 640,
    method: Annotated[
        str | None,
        Parameter(group=NEEDED, show_default=False, help="johnson or multistyle, by the styles."),
    ] = None,
    engine: Annotated[
        str,
        Parameter(
            group=NEEDED,
            help="What runs the network: torch, onnxruntime, openvino, or auto, the quickest here, "
            "which takes a quarter of a minute once.",
        ),
    ] = "auto",
    headless: Annotated[bool, Parameter(negative=(), help="Open no window, and count.")] = False,
    output: Annotated[
        Path | None, Parameter(alias="-o", help="Write what is seen to this .mp4, .mkv or .mov.")
    ] = None,
    overwrite: Annotated[bool, Parameter(negative=(), help="Replace a file that exists.")] = False,
    mirror: Annotated[bool, Parameter(negative=(), help="Left for right, as in a mirror.")] = False,
    quiet: Quiet = False,
    options: dict[str, Any],
) -> None:
    """Paint until the video ends, the window is closed or Ctrl-C; frames are dropped, not delayed.

    Raises:
        ImpastoError: the source or a style cannot be opened, an option is not accepted, a package
            is missing, or the file cannot be written.
    """
    import torch

    from impasto.core.machine import quicken

    quicken()
    if size < 64:
        raise OptionError(f"size must be a whole number of at least 64; got {size}")
    job = _job(style, method, {**options, "engine": engine})
    if output:
        check_writable(output, endings=ENDINGS, overwrite=overwrite)
        check_apart(replace(job, content=source), [output])
    device = "cuda" if torch.cuda.is_available() else "cpu"
    palette = Palette(job, size=(size, size), device=device)
    clock, video = Wall(), Video(source)
    feed = (Newest if video.live else Paced)(video, clock)
    with ExitStack() as stack:
        window = None if headless else stack.enter_context(Window())
        recorder = stack.enter_context(Recorder(output)) if output else None
        frames = live(feed, palette, long_side=size, clock=clock)
        with suppress(KeyboardInterrupt):  # The usual end of a film without a window.
            for seen in _heard(frames, window, palette):
                _show(seen, window, recorder, mirror=mirror, quiet=quiet)
    if not quiet:
        sys.stderr.write("\n")
    if output:
        sys.stdout.write(f"{output}\n")


def _show(
    seen: Seen, window: Window | None, recorder: Recorder | None, *, mirror: bool, quiet: bool
) -> None:
    """One frame, wherever frames go."""
    frame = pixels(seen.image.flip(3) if mirror else seen.image)
    if recorder:
        recorder.write(frame, time=seen.time)
    if window:
        window.show(frame, f"{seen.tally.rate:4.1f} a second  {seen.words}")
    if not quiet:
        _count(seen)


def _heard(frames: Iterator[Seen], window: Window | None, palette: Palette) -> Iterator[Seen]:
    """The frames, and between them the keys, until one of them means the end."""
    for seen in frames:
        yield seen
        for key in window.keys() if window else ():
            if key == QUIT:
                return
            palette.press(key)


def _job(style: list[str] | None, method: str | None, options: dict[str, Any]) -> Job:
    styles = weighed(style or list(works()))
    if any(share != 1 for _, share in styles):
        raise OptionError("live takes styles without weights; keys mix them")
    nets = any(str(source).lower().endswith(trained.ENDINGS) for source, _ in styles)
    return Job("", styles, method or ("johnson" if nets else "multistyle"), options=options)


def _count(seen: Seen) -> None:
    tally = seen.tally
    sys.stderr.write(
        f"\r{tally.shown} frames, {tally.rate:.1f} a second, {seen.dropped} dropped, "
        f"at most {tally.latest:.2f} s late  {seen.words} \x1b[K"
    )
    sys.stderr.flush()

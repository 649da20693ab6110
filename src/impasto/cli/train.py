"""`impasto train …`: make the weights that methods use."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
from cyclopts import App, Group, Parameter

from impasto.cli.flags import Quiet, with_flags
from impasto.cli.main import STOPPED, say
from impasto.cli.terminal import bar
from impasto.core.errors import OptionError
from impasto.core.machine import quicken
from impasto.core.options import build
from impasto.core.progress import Progress, Report
from impasto.training import ranks
from impasto.training.data import pictures
from impasto.training.decoder import decode
from impasto.training.distill import Distill
from impasto.training.distill import distill as learn
from impasto.training.feedforward import Feed, feed
from impasto.training.loop import CHECKPOINT
from impasto.training.mirrors import Decode
from impasto.training.optimizer import Learn, lead
from impasto.training.refiner import Refine, refine
from impasto.training.superres import Enlarge
from impasto.training.superres import learn as learn_to_enlarge
from impasto.training.teaching import RECIPE, teach

_RECIPE = Group("The recipe", sort_key=1)
TIMED = 3
"""Steps by whose pace a training is estimated; the one before them gets everything ready."""

Data = Annotated[
    list[Path],
    Parameter(negative=(), help="Folder of pictures to learn from. Repeat for more."),
]
Paintings = Annotated[
    list[Path] | None,
    Parameter(
        negative=(),
        help="Folder of pictures that serve as styles too; without it all pictures do.",
    ),
]
Begin = Annotated[Path | None, Parameter(help="Weights of an earlier training to begin with.")]
Out = Annotated[
    Path, Parameter(help="Folder of the run; the same command goes on where it was stopped.")
]


def distill(
    *,
    teacher: Annotated[
        list[str],
        Parameter(
            negative=(),
            help="Network to learn from: vgg19, vgg16 or a weights file. "
            "Repeat: each layer is asked of the first that has it.",
        ),
    ],
    data: Data,
    paintings: Paintings = None,
    out: Out,
    quiet: Quiet = False,
    options: dict[str, Any],
) -> int:
    """Distil the bundled feature network petit from larger ones."""
    return _run(
        lambda report: learn(
            build(Distill, options),
            teachers=teacher,
            photos=data,
            paintings=paintings or (),
            folder=out,
            device=_device(),
            report=report,
        ),
        out=out,
        quiet=quiet,
    )


def decoder(
    *,
    network: Annotated[
        str, Parameter(help="Network whose activations are decoded: petit or a file of its shape.")
    ] = "petit",
    teacher: Annotated[
        str | None,
        Parameter(
            help="Network that judges the pictures: vgg19, vgg16 or a weights file; "
            "without it --network does."
        ),
    ] = None,
    data: Data,
    paintings: Paintings = None,
    begin: Begin = None,
    out: Out,
    quiet: Quiet = False,
    options: dict[str, Any],
) -> int:
    """Train the decoders of adain or wct."""
    return _run(
        lambda report: decode(
            build(Decode, options),
            network=network,
            teacher=teacher,
            photos=data,
            paintings=paintings or (),
            begin=begin,
            folder=out,
            device=_device(),
            report=report,
        ),
        out=out,
        quiet=quiet,
    )


Looks = Annotated[
    str, Parameter(help="Network that the losses look with: petit, vgg19 or a weights file.")
]
Eyes = Annotated[
    str,
    Parameter(
        help="Network that the losses look with: petit, vgg19, a weights file, or a file of Python "
        "that makes one."
    ),
]
Photos = Annotated[
    list[Path],
    Parameter(negative=(), help="Folder of photographs to learn from. Repeat for more."),
]


def johnson(
    *,
    style: Annotated[Path, Parameter(help="The picture to imitate.")],
    photos: Photos,
    network: Eyes = "petit",
    begin: Begin = None,
    out: Out,
    quiet: Quiet = False,
    options: dict[str, Any],
) -> int:
    """Train a network that paints one style in one pass."""
    return _run(
        lambda report: feed(
            build(Feed, options),
            network=network,
            photos=photos,
            styles=[style],
            begin=begin,
            folder=out,
            device=_device(),
            report=report,
        ),
        out=out,
        quiet=quiet,
    )


def multistyle(
    *,
    styles: Annotated[
        Path | None,
        Parameter(help="Folder of pictures to imitate, each named as its style."),
    ] = None,
    add_style: Annotated[
        Path | None,
        Parameter(
            help="Learn this picture alone, as a .style file for --to; by default in "
            f"{RECIPE['steps']} steps with --content-scale {RECIPE['content_scale']}."
        ),
    ] = None,
    to: Annotated[
        str, Parameter(help="Network that learns one style more: multistyle or a file.")
    ] = "multistyle",
    photos: Photos,
    network: Eyes = "petit",
    begin: Begin = None,
    out: Out,
    quiet: Quiet = False,
    options: dict[str, Any],
) -> int:
    """Train a network that paints many styles in one pass, or teach it one more."""
    if (styles is None) == (add_style is None):
        raise OptionError("one of --styles and --add-style is needed")
    recipe = build(Feed, ({} if add_style is None else dict(RECIPE)) | options)

    def training(report: Report) -> Path:
        if add_style is not None:
            return teach(
                recipe,
                to=to,
                network=network,
                photos=photos,
                style=add_style,
                folder=out,
                device=_device(),
                report=report,
            )
        return feed(
            recipe,
            network=network,
            photos=photos,
            styles=pictures([styles] if styles else []),
            begin=begin,
            folder=out,
            device=_device(),
            report=report,
        )

    return _run(training, out=out, quiet=quiet)


def upscaler(
    *,
    photos: Photos,
    paintings: Paintings = None,
    network: Looks = "petit",
    out: Out,
    quiet: Quiet = False,
    options: dict[str, Any],
) -> int:
    """Train the network that doubles pictures."""
    return _run(
        lambda report: learn_to_enlarge(
            build(Enlarge, options),
            network=network,
            photos=photos,
            paintings=paintings or (),
            folder=out,
            device=_device(),
            report=report,
        ),
        out=out,
        quiet=quiet,
    )


def optimizer(
    *,
    photos: Photos,
    paintings: Paintings = None,
    begin: Begin = None,
    out: Out,
    quiet: Quiet = False,
    options: dict[str, Any],
) -> int:
    """Train the network that leads the descents of gatys and auto."""
    return _run(
        lambda report: lead(
            build(Learn, options),
            photos=photos,
            paintings=paintings or (),
            begin=begin,
            folder=out,
            device=_device(),
            report=report,
        ),
        out=out,
        quiet=quiet,
    )


def refiner(
    *,
    photos: Photos,
    paintings: Paintings = None,
    begin: Annotated[
        Path | None, Parameter(help="Folder of an earlier training to begin with.")
    ] = None,
    out: Out,
    quiet: Quiet = False,
    options: dict[str, Any],
) -> int:
    """Train the decoder of adain and the network that refines its pictures, together."""
    return _run(
        lambda report: refine(
            build(Refine, options),
            photos=photos,
            paintings=paintings or (),
            begin=begin,
            folder=out,
            device=_device(),
            report=report,
        ),
        out=out,
        quiet=quiet,
    )


def _device() -> torch.device:
    """Of this process; it has met the others that train with it."""
    return ranks.join(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def _estimated(report: Report) -> Report:
    """The report; after the first few steps it says how long the training will take."""
    begun: list[tuple[float, Progress]] = []

    def tell(progress: Progress) -> None:
        report(progress)
        if progress.step and len(begun) <= TIMED:
            begun.append((time.monotonic(), progress))
            if len(begun) > TIMED:
                (begin, first), (now, last) = begun[0], begun[-1]
                left = last.step / last.done - last.step
                pace = (now - begin) / (last.step - first.step)
                say(
                    f"{left:,.0f} steps to go, about {_lasting(left * pace)}; "
                    "after Ctrl-C the same command goes on"
                )

    return tell


def _lasting(seconds: float) -> str:
    """A time as people say it: 40 s, 25 min, 2 h 10 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _run(training: Callable[[Report], Path], *, out: Path, quiet: bool) -> int:
    """Train and name the file with the weights, or say how to go on."""
    quicken()
    try:
        told = not quiet and ranks.rank() == 0
        with bar(quiet=not told) as report:
            weights = training(_estimated(report) if told else report)
    except KeyboardInterrupt:
        kept = (out / CHECKPOINT).exists()
        how = "goes on from the last checkpoint" if kept else "begins anew"
        say(f"stopped; the same command {how}")
        return STOPPED
    if ranks.rank() == 0:
        sys.stdout.write(f"{weights}\n")
    return 0


app = App(name="train", help="Train the weights that methods use.", version_flags=[])
app.command(with_flags(distill, Distill, group=lambda *_: _RECIPE), name="distill")
app.command(with_flags(decoder, Decode, group=lambda *_: _RECIPE), name="decoder")
app.command(with_flags(johnson, Feed, group=lambda *_: _RECIPE), name="johnson")
app.command(with_flags(multistyle, Feed, group=lambda *_: _RECIPE), name="multistyle")
app.command(with_flags(upscaler, Enlarge, group=lambda *_: _RECIPE), name="upscaler")
app.command(with_flags(optimizer, Learn, group=lambda *_: _RECIPE), name="optimizer")
app.command(with_flags(refiner, Refine, group=lambda *_: _RECIPE), name="refiner")

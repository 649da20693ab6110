"""One job, carried out here: pictures opened, a method built, a picture made."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch

from impasto.core.contract import Frame, InPasses
from impasto.core.errors import OptionError
from impasto.core.machine import quicken
from impasto.core.options import build
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.jobs import memory
from impasto.jobs.control import Control, built
from impasto.jobs.larger import Enlarged, shares
from impasto.jobs.output import original
from impasto.jobs.overview import Overview, watched
from impasto.jobs.prepared import LEAST, Prepared, known
from impasto.jobs.presets import job_of
from impasto.jobs.recipe import Made, Recipe, current, plain
from impasto.jobs.sources import Weighed, held, listed, opened, strips, weighed
from impasto.jobs.spec import Job
from impasto.media import large
from impasto.media.image import LIMIT, Source, to_pillow, write
from impasto.nets import upscaler, zoo
from impasto.ops.resample import resize
from impasto.tiles import Held, Sink, coarsest, surroundings, tiled
from impasto.tiles import Source as Strips
from impasto.universal.method import Painter
from impasto.wrappers.wrapped import Recolored

COLORS = 512
"""Long side of a content of which only the colours count, where it is not there already."""


def stylize(
    content: Source,
    styles: Weighed | Sequence[Weighed],
    *,
    preset: str | Path | None = None,
    method: str | None = None,
    size: int | None = None,
    seed: int | None = None,
    start_picture: Source | None = None,
    max_memory: float | int | str | None = None,
    mask: Source | Sequence[Source] | None = None,
    style_mask: Source | Sequence[Source] | None = None,
    content_map: Source | None = None,
    style_map: Source | Sequence[Source] | None = None,
    upscale: int | None = None,
    report: Report = silent,
    **options: Any,
) -> Any:
    """The content, painted in the style of others.

    A picture is a file, `":name"` or `":name@seed"` painted by code, a Pillow picture, an array
    (H, W, 3) or (H, W) of 8 or 16 bits or floats, or a tensor (1, 3, H, W); floats are in [0, 1].

    Args:
        content: the picture to paint.
        styles: one or several pictures to imitate, each alone or with a weight above 0.
        preset: settings that go together, a name that `impasto presets` lists or a .toml file; what
            is said here wins over them.
        method: a name from `impasto.methods.names()`; None is "auto".
        size: long side of the result in pixels, at least 16; None is the content's own, but at
            most 1024.
        seed: of all randomness; equal seeds give equal results. None is 0.
        start_picture: begin at this instead of where the method would.
        max_memory: "2GB", "1500MB" or a number of GB that the process may take; None is 60 % of
            what is free. A large picture is worked on tile by tile where the method can do so.
        mask: where to paint, white there and black elsewhere; outside nothing changes. One, or one
            a style, which then goes there.
        style_mask: where to look in each style, likewise.
        content_map: flat colours, one for each kind of place in the content.
        style_map: the same colours for the same kinds of places in the style; one a style.
        upscale: 2 or 4 makes the result so many times as large as it is painted, by a
            network; None is 1.
        report: is told of each step.
        options: the method's own, such as `strength`, and those that all have, such as `color`.

    Returns:
        A tensor (1, 3, H, W) if the content is a tensor, else a Pillow picture in 8 bits of sRGB,
        with the content's transparency.

    Raises:
        OptionError: an option, a name or a weight that is not accepted.
        MediaError: a picture that cannot be read, or is too small or too large.
        WeightsError: the weights of a network cannot be had.
        Interrupted: the user stopped the run; carries the picture so far.
    """
    limit = None if max_memory is None else memory.parse(max_memory)
    job = job_of(
        content,
        preset=preset,
        method=method,
        style=weighed(styles),
        size=size,
        seed=seed,
        options=options,
        start_picture=start_picture,
        max_memory=limit,
        mask=listed(mask),
        style_mask=listed(style_mask),
        content_map=content_map,
        style_map=listed(style_map),
        upscale=upscale,
    )
    out = perform(job, report=report)
    if isinstance(content, torch.Tensor):
        return out
    return to_pillow(out, original=original(content))


def perform(job: Job, *, report: Report = silent) -> Image:
    """Carry out a job on this machine; the result is on the CPU.

    Uses a GPU if there is one. For speed it lets this thread treat denormal numbers as zero, and
    this process keep up to 0.3 GB of memory that it frees.

    Raises:
        ImpastoError: as `stylize`.
    """
    return watched(job, report, lambda told: _begun(job, told).made())


def carry(job: Job, path: str | Path, *, report: Report = silent) -> None:
    """Carry out a job and write its picture; as `perform`, but there need be no memory for it.

    A picture that is worked on tile by tile is read, changed and written a few rows at a time.

    Args:
        job: what to do.
        path: ends as `media.image.ENDINGS`; the file appears whole or not at all.
        report: is told of each step.

    Raises:
        ImpastoError: as `stylize`, or the file cannot be written.
    """
    watched(job, report, lambda told: _begun(job, told).written(Path(path)))


def keep(image: Image, path: Path, *, job: Job, recipe: str | None = None) -> None:
    """Write a picture that was made of a job.

    Raises:
        MediaError: the content cannot be read, or the file cannot be written.
    """
    write(image, path, **_asked(job, recipe))


def _asked(job: Job, recipe: str | None) -> dict[str, Any]:
    """What the file is like, beside its picture."""
    return {
        "metadata": job.output.said(job.content, recipe=recipe),
        "original": original(job.content),
        "quality": job.output.quality,
    }


def _begun(job: Job, report: Report) -> "Run":
    run = Run(job, report=report)
    run.open()
    run.begin()
    return run


def _on(engine: str | None, method: Any) -> Any:
    """A method on the engine that a recipe names, where it has a choice."""
    names = ("engine", "precision")
    if engine is None or not all(hasattr(method, name) for name in names):
        return method
    return build(
        cast("Any", type(method)),
        {**dict(method), **dict(zip(names, engine.split(), strict=False))},
    )


class Run:
    """A job that is carried out step by step, so that of a batch the next can be read meanwhile.

    First it is only looked at, no further than the header of its content.

    Args:
        job: what to do.
        report: is told of each step.
        prepared: stylizers that other jobs have left.
        like: on what a picture was made that is to be made again.

    Raises:
        ImpastoError: as `stylize`.
    """

    def __init__(
        self,
        job: Job,
        *,
        report: Report = silent,
        prepared: Prepared | None = None,
        like: Made | None = None,
    ) -> None:
        quicken()
        self.job, self.report, self.like = job, report, like
        job.output.check()
        self.prepared = prepared or Prepared()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.size, self.by = job.painted_size(), job.upscale
        self.made_size = job.result_size()
        self.method, self.controls = built(job.method, job.options)
        self.budget = self._budget()
        self.fits = self.whole = self.budget.fits(self.size)
        if like:
            if like.tiles is None and not self.fits:
                raise self.budget.refusal(self.size)
            self.fits = not like.cramped
            self.method = _on(like.engine, self.method)
        self.frame: Frame | None = None

    def open(self) -> None:
        """Read the content now if it is done at once, so that a damaged one is refused early.

        Raises:
            MediaError: it cannot be read.
        """
        if self.fits and self._pixels() <= memory.WHOLE:
            self.frame = self._frame()

    def begin(self) -> None:
        """Prepare the method, and settle whether the picture goes in tiles.

        Raises:
            RoomError: the picture has no room, and the method cannot do it in tiles.
            ImpastoError: a style cannot be opened, or does not suit the method.
        """
        control = Control(
            self.job,
            self.method,
            self.controls,
            size=self.size,
            whole=self.fits,
            device=self.device,
        )
        with zoo.noted() as self.networks:
            if self.by > 1:
                upscaler.bundled()
            self.stylizer, self.regions = control.prepared(self.prepared, content=self._colors)
        inner = self.stylizer.inner
        # What a painter does is the same in tiles; another may do more with the whole.
        same = isinstance(inner, Painter | Recolored)
        self.whole = self.fits and (self._pixels() <= memory.WHOLE or not same)
        if self.like:
            self.whole = self.like.tiles is None
        if not self.whole:
            if not isinstance(inner, InPasses):
                raise self.budget.refusal(self.size)
            self.passes = self.stylizer.passes(self.size)
            self.margin, self.scale = surroundings(self.passes), coarsest(self.passes)
            only = self.like and self.like.tiles
            self.side = self.budget.side(self.size, margin=self.margin, scale=self.scale, only=only)

    def recipe(self, folder: Path) -> Recipe | None:
        """From what a picture in this folder can be made again; None for pictures in memory."""
        job = plain(self.job, folder=folder)
        engine = getattr(self.stylizer.inner, "engine", None) if self.whole else None
        tiles = None if self.whole else self.side
        made = current(tiles=tiles, cramped=not self.fits, engine=engine)
        return Recipe(job, self.networks, made) if job else None

    def made(self) -> Image:
        """The picture, in memory."""
        painting, enlarging = shares(self.report, self.by)
        if self.whole:
            frame = self._placed(self.frame or self._frame())
            painted = self.stylizer(frame, report=painting).cpu()
            return upscaler.enlarge(painted, by=self.by, report=enlarging)
        if self.made_size[0] * self.made_size[1] > LIMIT:
            raise OptionError(
                f"size must keep a result in memory within {LIMIT // 1_000_000} million pixels"
            )
        out = Held(torch.empty((1, 3, *self.made_size)))
        self._in_tiles(out, folder=None)
        return out.image

    def written(self, path: Path, *, recipe: str | None = None) -> None:
        """The picture, in a file.

        Args:
            path: of the file.
            recipe: what it shall hold as its recipe; its own by default.
        """
        if self.whole:
            self.keep(self.made(), path, recipe=recipe)
            return
        height, width = self.made_size
        asked = _asked(self.job, recipe or self._own(path))
        with large.writing(path, height=height, width=width, **asked) as sink:
            shown = self._in_tiles(sink, folder=path.parent)
            self.report(Progress("writing", 1.0, size=self.made_size, image=shown))

    def keep(self, image: Image, path: Path, *, recipe: str | None = None) -> None:
        """Write a picture that was made."""
        keep(image, path, job=self.job, recipe=recipe or self._own(path))

    def _own(self, path: Path) -> str | None:
        own = self.recipe(path.parent)
        return own and own.text()

    def _in_tiles(self, sink: Sink, *, folder: Path | None) -> Callable[[], Image]:
        """Paint, and give the small picture that is left."""
        painting, _ = shares(self.report, self.by)
        if self.by > 1:
            sink = Enlarged(sink, height=self.size[0], by=self.by)
        overview = Overview(sink, size=self.size, report=painting)
        tiled(
            self.passes,
            self.stylizer.shown(self._source()),
            self.stylizer.finished(overview, content=lambda: self._strips(self.job.content)),
            side=self.side,
            regions=self.regions,
            folder=folder,
            device=self.device,
            report=overview.told,
        )
        return overview.image.clone

    def _source(self) -> Strips:
        begin = self.job.start_picture
        return self._strips(self.job.content if begin is None else begin)

    def _frame(self) -> Frame:
        begin = self.job.start_picture
        return Frame(self._fitted(self.job.content), None if begin is None else self._fitted(begin))

    def _fitted(self, picture: Source) -> Image:
        if self._pixels() > memory.WHOLE:
            return self._strips(picture).strip(0, self.size[0]).to(self.device)
        image = opened(picture, long_side=max(LEAST, *self.size))
        return resize(image, self.size).to(self.device)

    def _strips(self, picture: Source) -> Strips:
        return strips(picture, size=self.size)

    def _placed(self, frame: Frame) -> Frame:
        """The frame with the regions of its styles."""
        masks = [each.strip(0, each.height).to(self.device) for each in self.regions]
        return replace(frame, regions=masks)

    def _colors(self) -> Image:
        """The content, for its colours."""
        return self.frame.content if self.frame else opened(self.job.content, long_side=COLORS)

    def _budget(self) -> memory.Budget:
        job = self.job
        return memory.Budget(
            job.method,
            self.method,
            memory.room(job.max_memory),
            known=[known(source) for source, _ in job.styles],
            decoded=held(job.content, long_side=max(LEAST, *self.size)),
            by=self.by,
        )

    def _pixels(self) -> int:
        return self.size[0] * self.size[1]

"""Make a picture again from its recipe, or say which of its inputs changed."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from impasto.core.errors import MediaError, OptionError
from impasto.core.progress import Report, silent
from impasto.features import CODE
from impasto.jobs import sheet
from impasto.jobs.overview import watched
from impasto.jobs.perform import Run
from impasto.jobs.plain import Input, identified
from impasto.jobs.recipe import Recipe, parse
from impasto.jobs.spec import Job
from impasto.media.image import read_recipe
from impasto.nets import zoo


def recipe_of(picture: Path, *, cell: int | None = None) -> Recipe:
    """The recipe that a picture holds.

    Args:
        picture: that impasto made.
        cell: of a sheet, which of its pictures, from 1.

    Raises:
        MediaError: the picture cannot be read.
        OptionError: it holds no recipe, or one that is not accepted, or there is no such cell.
    """
    text = read_recipe(picture)
    if text is None:
        raise OptionError(
            f"{picture} holds no recipe; only pictures that impasto made to the end have one"
        )
    if not sheet.is_sheet(text):
        if cell is not None:
            raise OptionError(f"cell is for sheets; {picture} is one picture")
        return parse(text, name=str(picture))
    cells = sheet.parse(text, name=str(picture))
    if cell is None or not 1 <= cell <= len(cells):
        raise OptionError(f"{picture} is a sheet; cell must be a number from 1 to {len(cells)}")
    return cells[cell - 1][1]


def cells_of(picture: Path) -> list[dict[str, str]] | None:
    """The words of every picture of a sheet; None if the picture is none.

    Raises:
        ImpastoError: as `recipe_of`.
    """
    text = read_recipe(picture)
    if text is None or not sheet.is_sheet(text):
        return None
    return [words for words, _ in sheet.parse(text, name=str(picture))]


def settings_of(picture: Path, *, styled: bool) -> Job:
    """A job for other contents with the settings of a picture; its content is not named.

    Args:
        picture: holds a recipe.
        styled: whether there are other styles for it, so that its own need not be here.

    Raises:
        ImpastoError: as `recipe_of` and `Finder.job`.
    """
    recipe = recipe_of(picture)
    own: dict[str, Any] = {"content": ":", "start_picture": None, "content_map": None}
    own |= {"mask": (), "style_mask": (), "style_map": ()}
    job = recipe.job.model_copy(update=own | ({"styles": ()} if styled else {}))
    return Finder(picture).job(replace(recipe, job=job))


@dataclass
class Finder:
    """Finds inputs by their digests, however they are called now.

    Attributes:
        picture: beside it is looked first, then in the current folder.
        content: a file for the content.
        styles: files for styles.
        search: folders in which to look, with all that are in them.
        changed: take a file that is given or has the right name although its digest is another.
        found: where the inputs were.
    """

    picture: Path
    content: Path | None = None
    styles: Sequence[Path] = ()
    search: Sequence[Path] = ()
    changed: bool = False
    found: list[Path] = field(default_factory=list[Path])

    def job(self, recipe: Recipe) -> Job:
        """The job of a recipe, its files where they are found.

        Raises:
            OptionError: an input is missing or changed, or is code, which a picture from a stranger
                must not have run.
        """
        known = {one.sha256 for one in recipe.inputs()}
        first = getattr(recipe.job, "content")  # noqa: B009 - a model made at run time

        def locate(one: Input) -> str:
            own = [self.content] if self.content else []
            role, given = ("content", own) if one is first else ("style", self.styles)
            self.found.append(self._found(one, role, given=given, known=known))
            return str(self.found[-1])

        job = recipe.as_job(locate)
        eyes = str(job.options.get("network", ""))
        if eyes.endswith(CODE):
            raise OptionError(
                f"{self.picture} was painted through {Path(eyes).name}, which is code and is not "
                f"run for a picture; name it yourself: impasto stylize … --network {eyes}"
            )
        return job

    def _found(
        self, wanted: Input, role: str, *, given: Sequence[Path], known: Collection[str]
    ) -> Path:
        folders = (self.picture.parent, Path(), *self.search)
        named = [*given, *(folder / wanted.name for folder in folders)]
        for place in chain(named, self._candidates(wanted)):
            if _digest(place) == wanted.sha256:
                return place
        # What is given and is another input is not a changed form of this one.
        others = [place for place in named if _digest(place) not in (None, *known)] or [*given]
        if not others:
            raise OptionError(
                f"{wanted.name}, from which {self.picture} was made, is not here; name it with "
                f"--{role}, or its folder with --search"
            )
        if not self.changed:
            raise OptionError(
                f"{others[0]} is not the {role} from which {self.picture} was made, or it has "
                "changed; --changed takes it all the same"
            )
        return others[0]

    def _candidates(self, wanted: Input) -> Iterator[Path]:
        """Files of the right length, nearest first."""
        near = (folder.glob("*") for folder in (self.picture.parent, Path()))
        far = (folder.rglob("*") for folder in self.search)
        for place in chain(*near, *far):
            if place.is_file() and place.stat().st_size == wanted.bytes:
                yield place


def _digest(place: Path) -> str | None:
    """Of a file that can be read."""
    with suppress(MediaError):
        return identified(place, folder=place.parent).sha256 if place.is_file() else None
    return None


def replay(
    recipe: Recipe, job: Job, path: Path, *, changed: bool = False, report: Report = silent
) -> list[str]:
    """Make the picture of a recipe again.

    Args:
        recipe: what it was made of, and on; this process takes on the number of threads.
        job: its job, with its files found.
        path: where to write it.
        changed: whether an input was changed, or a network may be.
        report: is told of each step.

    Returns:
        What is not as it was, in a few words each; where it is nothing the file has the same bytes.

    Raises:
        OptionError: a network is another today, and `changed` is not set.
        ImpastoError: as `impasto.jobs.perform.carry`.
    """
    import torch

    others = zoo.changed(recipe.networks)
    if others and not changed:
        raise OptionError(
            f"the network {others[0]} is another today; --changed paints with it all the same"
        )
    torch.set_num_threads(recipe.made.threads)

    def work(told: Report) -> list[str]:
        run = Run(job, report=told, like=recipe.made)
        run.open()
        run.begin()
        own = run.recipe(path.parent)
        differ = _differences(recipe, own) if own else []
        run.written(path, recipe=None if differ else recipe.text())
        return differ

    return watched(job, report, work)


def _differences(recipe: Recipe, own: Recipe) -> list[str]:
    then, now = recipe.made.model_dump(), own.made.model_dump()
    said = [f"{key} was {then[key]} and is {now[key]}" for key in then if then[key] != now[key]]
    networks = [
        f"the network {name} is another"
        for name in {**recipe.networks, **own.networks}
        if recipe.networks.get(name) != own.networks.get(name)
    ]
    return [*said, *networks, *([] if recipe.asks_for(own.job) else ["an input has changed"])]

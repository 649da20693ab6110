"""Sheets: one content painted again and again while settings vary, each picture with its words."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import ceil, prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, ValidationError

from impasto.core.errors import MediaError, OptionError, WeightsError
from impasto.core.options import is_list
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.jobs.batch import Item, check, finished
from impasto.jobs.control import fields_of
from impasto.jobs.perform import Run
from impasto.jobs.plain import Strict, Word, is_mapping, reason
from impasto.jobs.prepared import Prepared
from impasto.jobs.presets import job_of
from impasto.jobs.recipe import LIMIT, Recipe
from impasto.jobs.recipe import parse as parse_recipe
from impasto.jobs.spec import Job
from impasto.media.contact import contact
from impasto.media.image import Source, read, read_recipe
from impasto.media.place import check_writable

MOST = 225
"""Pictures of a sheet."""
PIXELS = 40_000_000
"""Of all pictures of a sheet together."""
WRAP = 6
"""Pictures in a row at most, where only one thing varies."""

Axis = tuple[str, Sequence[str]]
"""A setting, and the words that it takes in turn."""


@dataclass(frozen=True)
class Cell:
    """One picture of a sheet.

    Attributes:
        words: the settings in which it differs from others, as they are shown.
        job: what to paint.
    """

    words: Mapping[str, str]
    job: Job

    @property
    def label(self) -> list[str]:
        """The words of each setting."""
        return [
            f"{name.replace('_', '-')} {Path(value).name if name in _NAMED else value}"
            for name, value in self.words.items()
        ]


@dataclass(frozen=True)
class Painted:
    """A picture of a sheet that is done.

    Attributes:
        cell: what was asked for.
        image: (1, 3, H, W).
        recipe: from which it can be made again; None if it works on pictures in memory.
    """

    cell: Cell
    image: Image
    recipe: Recipe | None


def axis(words: str) -> Axis:
    """What varies, from "NAME=VALUE,VALUE"; where values have commas, semicolons part them.

    Raises:
        OptionError: it does not look like that.
    """
    name, _, text = words.partition("=")
    values = [value.strip() for value in text.split(";" if ";" in text else ",")]
    values = values[:-1] if ";" in text and not values[-1] else values
    if not name.strip() or not all(values):
        raise OptionError(f"vary must be NAME=VALUE,VALUE,… with every value given; got {words!r}")
    return name.strip().lstrip("-").replace("-", "_"), values


def varied(content: Source, said: Mapping[str, Any], axes: Sequence[Axis]) -> list[list[Cell]]:
    """The rows of a sheet: all that the axes come to, the first of them along a row.

    Args:
        content: what to paint.
        said: what is the same everywhere, as `presets.job_of` takes it.
        axes: what varies; any option of the methods, and method, style, preset, size and the like.

    Raises:
        ImpastoError: a setting is unknown or said twice, or a value is not accepted.
    """
    names = [name for name, _ in axes]
    taken = [*said["options"], *(name for name, value in said.items() if value), *names]
    for name in names:
        if taken.count(name) > 1:
            raise OptionError(f"{name} is given twice; vary it, or say it once")
    count = prod(len(values) for _, values in axes)
    if count > MOST:
        raise OptionError(f"a sheet has {MOST} pictures at most; these would be {count}")
    columns, *others = axes or [("", ("",))]
    rows = [
        [
            dict([(columns[0], value), *zip([n for n, _ in others], rest, strict=True)])
            for value in columns[1]
        ]
        for rest in product(*(values for _, values in others))
    ]
    if not others:
        width = ceil(count / ceil(count / WRAP))
        rows = [rows[0][i : i + width] for i in range(0, count, width)]
    return [[_cell(content, said, words) for words in row] for row in rows]


def _cell(content: Source, said: Mapping[str, Any], words: Mapping[str, str]) -> Cell:
    # Pictures are told apart by their style first.
    order = sorted(filter(None, words), key=lambda name: name != "style")
    words = {name: words[name] for name in order}
    own = {name: _PLACES[name](value) for name, value in words.items() if name in _PLACES}
    job = job_of(content, **{**said, **own})
    fields = fields_of(job.method)
    options = {
        name: value.split(",") if name in fields and is_list(fields[name].annotation) else value
        for name, value in words.items()
        if name not in own
    }
    return Cell(words, replace(job, options={**job.options, **options}))


def _whole(name: str) -> Callable[[str], int]:
    def number(word: str) -> int:
        if not word.isdecimal():
            raise OptionError(f"{name} must be a whole number; got {word!r}")
        return int(word)

    return number


_PLACES: dict[str, Callable[[str], Any]] = {
    "preset": str,
    "method": str,
    "style": lambda word: [word],
    "size": _whole("size"),
    "seed": _whole("seed"),
    "upscale": _whole("upscale"),
    "start_picture": str,
    "content_map": str,
    **{name: lambda word: [word] for name in ("mask", "style_mask", "style_map")},
}
"""What varies beside the options, and how its words are read."""
_NAMED = _PLACES.keys() - {"method", "size", "seed", "upscale"}
"""Those whose words may be long paths."""


def check_all(cells: Sequence[Cell], *, files: Sequence[Path] = (), overwrite: bool = False) -> int:
    """Refuse now what would fail after some of the work.

    Args:
        cells: all of a sheet.
        files: where their pictures are to be written, one each, or none.
        overwrite: whether what was made otherwise may be replaced.

    Returns:
        The longest side of any of their pictures.

    Raises:
        ImpastoError: a setting, a style or a file is not accepted.
    """
    sizes = [cell.job.result_size() for cell in cells]
    if sum(height * width for height, width in sizes) > PIXELS:
        raise OptionError(
            f"a sheet has {PIXELS // 1_000_000} million pixels at most; "
            "give a smaller --size, or fewer values"
        )
    for cell in cells:
        check(cell.job)
    for cell, path in zip(cells, files, strict=False):
        if path.parent.is_dir():
            fresh = overwrite or not path.exists() or finished(Item(cell.job, path))
            check_writable(path, overwrite=fresh)
    return max(map(max, sizes))


def paint(
    cells: Sequence[Cell],
    *,
    folder: Path,
    files: Sequence[Path] = (),
    report: Report = silent,
) -> Iterator[Painted]:
    """Paint one picture after another; what they share is loaded and measured once.

    Args:
        cells: what to paint.
        folder: where the sheet will lie, for the names in recipes.
        files: also write each picture here, with its recipe; one that is there already and was made
            of the same job is taken as it is.
        report: is told of every step.

    Raises:
        ImpastoError: as `impasto.jobs.perform.perform`; the sentence begins with the cell's words.
    """
    prepared = Prepared()
    for number, cell in enumerate(cells):
        stage = ", ".join(cell.label) or f"{number + 1} of {len(cells)}"

        def told(progress: Progress, number: int = number, stage: str = stage) -> None:
            done = (number + progress.done) / len(cells)
            report(replace(progress, stage=stage, done=done, image=None))

        try:
            path = files[number] if files else None
            yield _painted(cell, prepared, folder=folder, path=path, report=told)
        except (OptionError, MediaError, WeightsError) as error:
            if not cell.label:
                raise
            raise type(error)(f"{stage}: {error}") from None
        report(Progress(stage, (number + 1) / len(cells), number + 1))


def _painted(
    cell: Cell, prepared: Prepared, *, folder: Path, path: Path | None, report: Report
) -> Painted:
    if path and path.exists() and finished(Item(cell.job, path)):
        text = read_recipe(path)
        return Painted(cell, read(path), parse_recipe(text, name=str(path)) if text else None)
    run = Run(cell.job, report=report, prepared=prepared)
    run.begin()
    image = run.made()
    if path:
        run.keep(image, path)
    return Painted(cell, image, run.recipe(folder))


def drawn(rows: Sequence[Sequence[Cell]], painted: Sequence[Painted]) -> Image:
    """The sheet, with what is painted so far."""
    images = iter(painted)
    pictures = [[next((p.image for p in [next(images, None)] if p), None) for _ in r] for r in rows]
    sizes = [cell.job.result_size() for row in rows for cell in row]
    size = (max(height for height, _ in sizes), max(width for _, width in sizes))
    return contact(pictures, [[cell.label for cell in row] for row in rows], size=size)


# The recipes of a sheet: the first one whole, of the others what is different.


class _Told(Strict):
    words: dict[Word, Annotated[str, Field(max_length=1000)]]
    recipe: dict[str, JsonValue]


class _Sheet(Strict):
    sheet: Literal[1]
    cells: Annotated[list[_Told], Field(min_length=1, max_length=MOST)]


def text(painted: Sequence[Painted]) -> str | None:
    """The recipes of all pictures as the JSON that a file holds; None if it would be too long."""
    found: list[Any] = []
    first: Any = None
    for each in painted:
        own = each.recipe.text() if each.recipe else None
        if own is None:
            return None
        whole = json.loads(own)
        first = first or whole
        kept = whole if not found else _changes(first, whole)
        found.append({"words": each.cell.words, "recipe": kept})
    said = json.dumps({"sheet": 1, "cells": found}, separators=(",", ":"))
    return said if found and len(said) <= LIMIT else None


def is_sheet(said: str) -> bool:
    """Whether what a picture holds in the place of a recipe are those of a sheet."""
    return said.startswith('{"sheet":')


def parse(said: str, *, name: str) -> list[tuple[dict[str, str], Recipe]]:
    """The words and the recipe of every picture of a sheet, whoever wrote them.

    Raises:
        OptionError: they are not accepted.
    """
    if len(said.encode("utf-8", "replace")) > LIMIT:
        raise OptionError(f"the recipes in {name} are too long; {LIMIT} bytes are accepted")
    try:
        read = _Sheet.model_validate_json(said)
    except ValidationError as error:
        raise OptionError(f"the recipes in {name} are not accepted: {reason(error)}") from None
    first = read.cells[0].recipe
    wholes = [first, *(_merged(first, cell.recipe) for cell in read.cells[1:])]
    return [
        (cell.words, parse_recipe(json.dumps(whole), name=name))
        for cell, whole in zip(read.cells, wholes, strict=True)
    ]


def _changes(base: Any, own: Any) -> Any:
    """What is different; a part that has other names is given whole, below "="."""
    if not (is_mapping(base) and is_mapping(own)):
        return own
    if base.keys() != own.keys():
        return {"=": own}
    return {key: _changes(base[key], own[key]) for key in own if base[key] != own[key]}


def _merged(base: Any, changes: Any) -> Any:
    if not (is_mapping(base) and is_mapping(changes)):
        return changes
    if set(changes) == {"="}:
        return changes["="]
    return {**base, **{key: _merged(base.get(key), part) for key, part in changes.items()}}

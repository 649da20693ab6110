"""The recipe of a picture: its whole Job as JSON, from which the same file can be made again.

It holds the digests of all that was read and the names of files, never the folders they lie in.
Whoever reads one reads a stranger's words: plain data of known kinds, capped in length; and files
are found by their digest only, in folders that the reader names.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, create_model

from impasto.core.errors import OptionError
from impasto.jobs.control import built
from impasto.jobs.plain import (
    Input,
    Strict,
    Word,
    changed,
    is_list,
    is_mapping,
    reason,
    shape,
    stored,
)
from impasto.jobs.spec import Job

LIMIT = 48_000
"""Bytes of the longest recipe."""
FORM = 1
"""Of what is written here; another is not read."""


class Made(Strict):
    """On what a picture was made: all that may move its last bits.

    Attributes:
        impasto: version.
        torch: version.
        device: where it was painted.
        processor: the kind of instructions that torch used.
        threads: that torch used.
        tiles: side of the tiles in pixels; None if the picture was done at once.
        cramped: whether there was no room to do it at once.
        engine: what ran the network that painted, and in which precision, where there is a choice.
    """

    impasto: Word
    torch: Word
    device: Literal["cpu", "cuda"]
    processor: Word
    threads: int = Field(ge=1, le=256)
    tiles: int | None = Field(None, ge=16, le=100_000)
    cramped: bool = False
    engine: Word | None = None


@dataclass(frozen=True)
class Recipe:
    """What a picture was made of, and on.

    Attributes:
        job: the fields of the Job as plain data, an `Input` for every file.
        networks: name of a network to the digest of its file.
        made: on what it was made.
    """

    job: BaseModel
    networks: Mapping[str, str]
    made: Made

    def text(self) -> str | None:
        """The JSON that a file holds, equal for equal recipes; None if it would be too long."""
        whole = {
            "recipe": FORM,
            "made": self.made.model_dump(),
            "job": self.job.model_dump(),
            "networks": dict(sorted(self.networks.items())),
        }
        text = json.dumps(whole, separators=(",", ":"))
        return text if len(text) <= LIMIT else None

    def inputs(self) -> list[Input]:
        """The files that are needed."""
        found: list[Input] = []

        def keep(one: Input) -> str:
            found.append(one)
            return one.name

        changed(self.job, keep)
        return found

    def as_job(self, locate: Callable[[Input], Any]) -> Job:
        """The Job, every file where `locate` says it is."""
        return changed(self.job, locate)

    def asks_for(self, job: BaseModel | None) -> bool:
        """Whether it is for the same job, as `plain` gives it, whatever its files are called."""
        return job is not None and _nameless(self.job.model_dump()) == _nameless(job.model_dump())


def plain(job: Job, *, folder: Path) -> BaseModel | None:
    """A job as the recipe of a picture in this folder has it; None if it works on memory.

    Raises:
        ImpastoError: an input cannot be read, or no such method or option.
    """
    method, controls = built(job.method, job.options)
    whole = replace(job, options={**dict(controls), **dict(method)})
    try:
        return shape(Job).model_validate(stored(whole, Job, folder=folder))
    except ValidationError:
        return None


def parse(text: str, *, name: str) -> Recipe:
    """The recipe in a text, whoever wrote it.

    Args:
        text: as `Recipe.text` gives it.
        name: of the picture, for sentences.

    Raises:
        OptionError: it is no recipe that this version can read.
    """
    try:
        if len(text) > LIMIT or len(text.encode()) > LIMIT:
            raise OptionError(f"the recipe in {name} is too long; {LIMIT} bytes are accepted")
        read: Any = _whole().model_validate_json(text)
    except ValidationError as error:
        raise OptionError(f"the recipe in {name} is not accepted: {reason(error)}") from None
    except UnicodeEncodeError:
        raise OptionError(f"the recipe in {name} is not accepted: it is no text") from None
    return Recipe(read.job, read.networks, read.made)


def current(*, tiles: int | None, cramped: bool, engine: str | None = None) -> Made:
    """What pictures are made on, here and now; see `Made`."""
    import torch

    return Made(
        impasto=version("impasto"),
        torch=torch.__version__,
        device="cuda" if torch.cuda.is_available() else "cpu",
        processor=torch.backends.cpu.get_cpu_capability(),
        threads=min(256, torch.get_num_threads()),
        tiles=tiles,
        cramped=cramped,
        engine=engine,
    )


@cache
def _whole() -> type[BaseModel]:
    return create_model(
        "Recipe",
        __base__=Strict,
        recipe=(Literal[1], ...),
        made=(Made, ...),
        job=(shape(Job), ...),
        networks=(dict[Word, Word], ...),
    )


def _nameless(value: Any) -> Any:
    if is_mapping(value):
        return value.get("sha256") or {key: _nameless(part) for key, part in value.items()}
    return [_nameless(part) for part in value] if is_list(value) else value

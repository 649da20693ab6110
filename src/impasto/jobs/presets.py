"""Presets: settings that have proved good together, by name or in a file of TOML.

A preset may come from a stranger. It is plain data of known kinds, capped in length; it names no
files; and it is built like the words of a command, so what is no option is refused.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from impasto.core.errors import ImpastoError, OptionError
from impasto.jobs.control import built, over
from impasto.jobs.plain import Painted, Plain, Strict, Word, reason
from impasto.jobs.sources import Weighed, weighed
from impasto.jobs.spec import Job
from impasto.media.image import SMALLEST, Source
from impasto.methods import DEFAULT

ENDING = ".toml"
LIMIT = 16_384
"""Bytes of the longest preset."""
_KINDS = "a finite number, true or false, a word that names no file, or a list of those"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")


class Preset(Strict):
    """What a file of TOML says, its options as they stand there.

    Attributes:
        about: what it is good for, a few words.
        method, size, seed, upscale: as of a Job; None is whatever would be without the preset.
        style: styles that are known by name.
        options: the method's own, and those of `wrappers.Controls`.
    """

    about: Word = ""
    method: Word | None = None
    size: int | None = Field(None, ge=SMALLEST)
    seed: int | None = Field(None, ge=0, lt=1 << 63)
    upscale: Literal[2, 4] | None = None
    style: tuple[Painted, ...] = ()
    options: dict[Word, Plain] = Field(default_factory=dict[str, Any])

    def job(self) -> Job:
        """A job without a content, with these settings."""
        return Job(
            "",
            weighed(self.style),
            self.method or DEFAULT,
            self.size,
            self.seed or 0,
            options=self.options,
            upscale=self.upscale or 1,
        )

    def text(self) -> str:
        """The file of TOML that says this."""
        said = {
            name: value for name, value in self if name != "options" and value not in (None, ())
        }
        # A string, a number, a switch or a list of them in JSON is the same in TOML.
        lines = [f"{key} = {json.dumps(value)}" for key, value in {**said, **self.options}.items()]
        return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Known:
    """A preset that can be had by name.

    Attributes:
        name: what `find` takes.
        text: the TOML.
        path: of the file, None if it comes with the package.
    """

    name: str
    text: str
    path: Path | None = None

    def read(self) -> Preset:
        """What it says.

        Raises:
            OptionError: it is not accepted.
        """
        return parse(self.text, name=str(self.path or self.name))


def folder() -> Path:
    """Where the user's own presets are, one file each."""
    import platformdirs

    return Path(platformdirs.user_config_dir("impasto")) / "presets"


def known() -> dict[str, Known]:
    """All presets by name: those of the package, then the user's, which win."""
    paths = sorted(path for path in folder().glob(f"*{ENDING}") if _NAME.fullmatch(path.stem))
    return _built_in() | {path.stem: Known(path.stem, _read(path), path) for path in paths}


def find(word: str | Path) -> Preset:
    """The preset of this name, or in this file, which ends in .toml.

    Raises:
        OptionError: there is none, or it is not accepted.
    """
    path = Path(word).expanduser()
    if path.suffix.lower() == ENDING:
        if not path.is_file():
            raise OptionError(f"the preset {word} does not exist")
        return Known(path.stem, _read(path), path).read()
    found = known()
    if str(word) not in found:
        raise OptionError(
            f"preset must be one of {', '.join(found)} or a {ENDING} file; got {str(word)!r}"
        )
    return found[str(word)].read()


def parse(text: str, *, name: str) -> Preset:
    """The preset in a text, whoever wrote it.

    Args:
        text: TOML; its keys are about, method, size, seed, upscale, style and options.
        name: for sentences.

    Raises:
        OptionError: it is not accepted.
    """
    if len(text.encode("utf-8", "replace")) > LIMIT:
        raise OptionError(f"the preset {name} is too long; {LIMIT} bytes are accepted")
    try:
        whole = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise OptionError(f"the preset {name} is no TOML: {_line(error)}") from None
    own = {key: whole.pop(key) for key in Preset.model_fields if key in whole and key != "options"}
    try:
        # Only JSON may give a list where a tuple is meant.
        said = json.dumps({**own, "options": whole})
        preset = Preset.model_validate_json(said)
        built(preset.method or DEFAULT, preset.options)
    except ValidationError as error:
        where = [*error.errors()[0]["loc"]]
        wrong = where[:1] == ["options"] and len(where) > 1
        said = f"{_line(where[1])} must be {_KINDS}" if wrong else reason(error)
        raise OptionError(f"the preset {name} is not accepted: {said}") from None
    except (ImpastoError, TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"the preset {name} is not accepted: {_line(error)}") from None
    return preset


@cache
def _built_in() -> dict[str, Known]:
    text = Path(__file__).with_suffix(ENDING).read_text(encoding="utf-8")
    parts = re.split(r"^\[([a-z0-9_-]+)\]\n", text, flags=re.MULTILINE)
    return {name: Known(name, body) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _read(path: Path) -> str:
    """No more of a file than shows that it is too long."""
    try:
        with path.open("rb") as file:
            return file.read(LIMIT + 1).decode("utf-8", "replace")
    except OSError as error:
        raise OptionError(f"the preset {path} cannot be read: {error.strerror}") from None


def job_of(
    content: Source,
    *,
    preset: str | Path | None = None,
    method: str | None = None,
    style: Sequence[Weighed] = (),
    size: int | None = None,
    seed: int | None = None,
    upscale: int | None = None,
    options: Mapping[str, Any],
    **pictures: Any,
) -> Job:
    """A job of what is said, and of a preset wherever nothing is said.

    Args:
        content: what to paint.
        preset: its name or file.
        method: what is said, as of a Job, like all that follows.
        style: with weights, as `weighed` takes them.
        size: in pixels.
        seed: of all randomness.
        upscale: a factor.
        options: the method's own, and the controls.
        pictures: masks, maps and a picture to start from, by their names in a Job.

    Raises:
        OptionError: a name is unknown, or a weight or a preset is not accepted.
    """
    base = Job("", []) if preset is None else find(preset).job()
    said = over(
        base, method=method, styles=weighed(list(style)), size=size, seed=seed, options=options
    )
    larger = said.upscale if upscale is None else upscale
    return replace(said, content=content, upscale=larger, **pictures)


def _line(error: object) -> str:
    said = re.sub(r"[^ -~]", "?", " ".join(str(error).split()))
    return (said or type(error).__name__)[:300]


def checked(presets: Mapping[str, Known]) -> list[tuple[str, str]]:
    """Name and what it is good for of each, or why it is not accepted."""
    rows: list[tuple[str, str]] = []
    for name, each in presets.items():
        try:
            rows.append((name, each.read().about))
        except OptionError as error:
            rows.append((name, f"not accepted: {error}"))
    return rows

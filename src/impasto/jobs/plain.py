"""Dataclasses as plain data: every picture that is a file becomes its name and its digest.

The type hints of a dataclass tell which strings are pictures and which are words, so a new field
travels without a line here.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeGuard,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic import StringConstraints as Words

from impasto.core.errors import MediaError
from impasto.jobs.sources import is_painted

_CONTROLS = "\x00-\x1f\x7f-\x9f"
"""What a terminal would obey."""

Digest = Annotated[str, Words(pattern=r"^[0-9a-f]{64}$")]
Word = Annotated[str, Words(pattern=rf"^[^{_CONTROLS}\\/]*$", max_length=1000)]


class Strict(BaseModel):
    """Base of what strangers may have written: nothing is guessed, nothing unknown is taken."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


def _below(name: str) -> str:
    """A name that leads nowhere but down.

    Raises:
        ValueError: it could lead elsewhere.
    """
    if not re.fullmatch(rf"[^{_CONTROLS}\\:]+", name) or set(name.split("/")) & {"", ".", ".."}:
        raise ValueError("a name below a folder is needed")
    return name


def _by_name(word: str) -> str:
    if not is_painted(word):
        raise ValueError("a file or the name of a style is needed")
    return word


Painted = Annotated[
    str, Words(pattern=r"^:?[a-z0-9_-]{1,60}(@[0-9]{1,18})?$"), AfterValidator(_by_name)
]


class Input(Strict):
    """A file that was read.

    Attributes:
        name: seen from the picture, if it lies below the picture's folder, else the bare name.
        sha256: of the whole file.
        bytes: its length.
    """

    name: Annotated[str, Words(max_length=1000), AfterValidator(_below)]
    sha256: Digest
    bytes: int = Field(ge=0)


def identified(path: Path, *, folder: Path) -> Input:
    """What stands for a file in the recipe of a picture in this folder.

    Raises:
        MediaError: it cannot be read.
    """
    try:
        known = path.stat()
        digest = _digest(path, known.st_mtime_ns, known.st_size)
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror or error}") from error
    here, there = path.resolve(), folder.resolve()
    name = here.relative_to(there).as_posix() if here.is_relative_to(there) else path.name
    try:
        return Input(name=_below(name)[-1000:].lstrip("/"), sha256=digest, bytes=known.st_size)
    except ValueError:
        return Input(name="file", sha256=digest, bytes=known.st_size)


@lru_cache(maxsize=64)
def _digest(path: Path, changed: int, length: int) -> str:
    # The styles of a batch are asked for again and again.
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stored(value: Any, hint: Any, *, folder: Path) -> Any:
    """A value of this type as plain data."""
    if _is_source(hint) and isinstance(value, str | Path):
        return value if is_painted(value) else identified(Path(value), folder=folder)
    if is_dataclass(value) or isinstance(value, BaseModel):
        hints = get_type_hints(type(value))
        return {
            name: stored(getattr(value, name), each, folder=folder)
            for name, each in hints.items()
            if name in _names(type(value))
        }
    if is_mapping(value):
        each = (_inner(hint, Mapping) or (Any,))[-1]
        return {str(key): stored(part, each, folder=folder) for key, part in value.items()}
    if is_list(value):
        hints = _inner(hint, Sequence) or (Any,)
        if len(hints) != len(value) or ... in hints:
            hints = (hints[0],) * len(value)
        pairs = zip(value, hints, strict=True)
        return tuple(stored(part, each, folder=folder) for part, each in pairs)
    return option(value, folder=folder) if hint is Any else value


def option(value: Any, *, folder: Path) -> Any:
    """A value of a type that is not told; a word that names a file stands for that file."""
    if isinstance(value, Path) or (isinstance(value, str) and _FILE.search(value)):
        path = Path(value).expanduser()
        return identified(path, folder=folder) if path.is_file() else str(value)
    return value


_FILE = re.compile(r"[\\/]|\.[A-Za-z]\w*$|^~")
"""Words of an option do not look like that."""


def changed(value: Any, change: Callable[[Input], Any]) -> Any:
    """Plain data with every `Input` changed, and what was a dataclass one again."""
    if isinstance(value, Input):
        return change(value)
    if isinstance(value, BaseModel):
        found = {name: changed(part, change) for name, part in value}
        return _KINDS[type(value)](**found) if type(value) in _KINDS else type(value)(**found)
    if is_mapping(value):
        return {name: changed(part, change) for name, part in value.items()}
    if is_list(value):
        return tuple(changed(part, change) for part in value)
    return value


_KINDS: dict[type[BaseModel], type] = {}


@cache
def shape(kind: type) -> type[BaseModel]:
    """The model of a dataclass as plain data, with `Input` or `Painted` where it has pictures."""
    hints, shaped = get_type_hints(kind), dict[str, Any]()
    for field in fields(kind):
        default: Any = ... if field.default is MISSING else field.default
        if field.default_factory is not MISSING:
            default = Field(default_factory=field.default_factory)
        shaped[field.name] = (_shaped(hints[field.name]), default)
    model = create_model(kind.__name__, __base__=Strict, **shaped)
    _KINDS[model] = kind
    return model


def _no_file(word: str) -> str:
    if _FILE.search(word):
        raise ValueError("a word is needed, not a file")
    return word


_Leaf = Input | bool | int | float | Annotated[Word, AfterValidator(_no_file)] | None
_Row = _Leaf | tuple[_Leaf, ...] | dict[Word, _Leaf]
Plain = _Row | tuple[_Row, ...] | dict[Word, _Row]
"""What the options of a method may be."""


def _shaped(hint: Any) -> Any:
    """A type as pydantic shall check it."""
    if hint is Any or hint is str:
        return Plain if hint is Any else Word
    if isinstance(hint, type) and is_dataclass(hint):
        return shape(hint)
    origin: Any = get_origin(hint)
    parts = get_args(hint)
    if origin is Literal or not parts:
        return cast("Any", hint)
    if _is_source(hint):
        others = [part for part in parts if get_origin(part) or part is NoneType]
        return Union[(Input, Painted, *map(_shaped, others))]
    inner: tuple[Any, ...] = tuple(part if part is ... else _shaped(part) for part in parts)
    if origin in (Union, UnionType):
        return Union[inner]  # noqa: UP007
    if origin is tuple:
        return tuple[inner]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return dict[inner[0], inner[1]]
    row: Any = tuple[inner[0], ...]
    return row


def is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    """Whether it is plain data in a row."""
    return isinstance(value, list | tuple)


def is_mapping(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is plain data by name."""
    return isinstance(value, Mapping)


def _is_source(hint: Any) -> bool:
    return Path in get_args(hint)


def _inner(hint: Any, kind: type) -> tuple[Any, ...]:
    """What a container of this kind holds, also where it is one part of a union."""
    for part in get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,):
        origin = get_origin(part)
        if isinstance(origin, type) and issubclass(origin, kind):
            return get_args(part)
    return ()


def _names(kind: Any) -> set[str]:
    return set(kind.model_fields) if issubclass(kind, BaseModel) else {f.name for f in fields(kind)}


def reason(error: ValidationError) -> str:
    """The first fault of what strangers wrote, in words that are safe to show."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if re.fullmatch(r"\w{1,40}", str(part)))
    said = re.sub(r"[^ -~]", "?", " ".join(first["msg"].split()))[:200]
    return f"{where}: {said}" if where else said

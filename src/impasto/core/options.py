"""A method's fields as options: built from loose words, refused with one sentence."""

from collections.abc import Mapping
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from impasto.core.errors import OptionError

M = TypeVar("M", bound=BaseModel)

ADVANCED: dict[str, Any] = {"json_schema_extra": {"advanced": True}}
"""For a `Field` that few people need: it is shown apart."""
LONGEST = 80
"""Characters of a value in a refusal."""
_KINDS = {bool: "yes or no", int: "a whole number", float: "a number"}
_PLURALS = {int: "whole numbers", float: "numbers"}


class Options(BaseModel):
    """Base of everything that declares options: frozen, no unknown names, only finite numbers."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False
    )


def build(model: type[M], values: Mapping[str, Any]) -> M:
    """The model with these values.

    Raises:
        OptionError: an option is unknown or has a value that is not accepted.
    """
    try:
        return model(**values)
    except ValidationError as error:
        raise OptionError(_sentence(model, error)) from None


def accepts(field: FieldInfo) -> str:
    """What a field takes, in words: "a number from 0 to 1", "one of lbfgs, adam"."""
    choices = [str(c) for c in _choices(field.annotation)]
    if choices:
        return f"one of {', '.join(choices)}"
    bounds = {
        name: getattr(m, name)
        for m in field.metadata
        for name in ("ge", "gt", "le", "lt")
        if getattr(m, name, None) is not None
    }
    multiples = [m.multiple_of for m in field.metadata if getattr(m, "multiple_of", None)]
    kind = f"a multiple of {multiples[0]}" if multiples else _kind(field.annotation)
    low, high = bounds.get("ge"), bounds.get("le")
    if low is not None and high is not None:
        return f"{kind} from {low:g} to {high:g}"
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    limits = " and ".join(f"{words[name]} {value:g}" for name, value in bounds.items())
    return f"{kind} {limits}".rstrip()


def is_list(annotation: Any) -> bool:
    """Whether a field takes several values."""
    return get_origin(annotation) in (tuple, list) or any(map(is_list, get_args(annotation)))


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The values of a Literal, also where it is one part of a union."""
    parts = get_args(annotation)
    if parts and all(isinstance(part, str) for part in parts):
        return parts
    return next((found for part in parts if (found := _choices(part))), ())


def _kind(annotation: Any) -> str:
    parts = get_args(annotation)
    if get_origin(annotation) is tuple:
        return f"a list of {_PLURALS.get(parts[0], 'words')}"
    kinds = [_kind(part) for part in parts if part is not NoneType] or [_KINDS.get(annotation)]
    return kinds[0] or "a word"


def _sentence(model: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "options"
    if first["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields)
        return f"there is no option {name}; the options are {known}"
    if name not in model.model_fields:
        return first["msg"].removeprefix("Value error, ")
    field = model.model_fields[name]
    return f"{name} must be {accepts(field)}; got {_shown(first['input'])}"


def _shown(value: object) -> str:
    """A value on one line that is not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"

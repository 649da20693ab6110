"""A method's fields as options: built from loose words, refused with one sentence."""

from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from impasto.core.errors import OptionError

M = TypeVar("M", bound=BaseModel)


class Options(BaseModel):
    """Base of everything that declares options: frozen, and no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


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
    kind = _kind(field.annotation)
    low, high = bounds.get("ge"), bounds.get("le")
    if low is not None and high is not None:
        return f"{kind} from {low:g} to {high:g}"
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return " ".join([kind, *(f"{words[name]} {value:g}" for name, value in bounds.items())])


def _choices(annotation: Any) -> tuple[Any, ...]:
    """The values of a Literal, also where it is one part of a union."""
    parts = get_args(annotation)
    if parts and all(isinstance(part, str) for part in parts):
        return parts
    return next((found for part in parts if (found := _choices(part))), ())


def _kind(annotation: Any) -> str:
    text = str(annotation)
    if "tuple" in text:
        return "a list"
    for name, word in (("float", "a number"), ("int", "a whole number"), ("bool", "yes or no")):
        if name in text:
            return word
    return "a word"


def _sentence(model: type[BaseModel], error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "options"
    if first["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields)
        return f"there is no option {name}; the options are {known}"
    if name not in model.model_fields:
        return first["msg"].removeprefix("Value error, ")
    field = model.model_fields[name]
    return f"{name} must be {accepts(field)}; got {first['input']!r}"

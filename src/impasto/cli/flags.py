"""The fields of a model as flags of a command."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_args, get_origin

from cyclopts import Group, Parameter
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from impasto.core.options import accepts


def with_flags(
    function: Callable[..., int | None],
    model: type[BaseModel],
    *,
    group: Callable[[str, FieldInfo], Group],
) -> Callable[..., int | None]:
    """The function as a command with a flag for every field of a model.

    What is typed reaches the function as words in its argument `options`, the words of a list
    parted by commas; it is for the model to judge their values.

    Args:
        function: has a keyword argument `options`.
        model: declares the options, with descriptions, bounds and defaults.
        group: a field's name and declaration to the part of the help in which it is shown.
    """

    def command(*arguments: Any, **words: Any) -> int | None:
        given = {name: words.pop(name, None) for name in model.model_fields}
        options = {
            name: value.split(",") if _is_list(model.model_fields[name].annotation) else value
            for name, value in given.items()
            if value is not None
        }
        return function(*arguments, **words, options=options)

    own = [p for p in inspect.signature(function).parameters.values() if p.name != "options"]
    flags = [_flag(name, field, group(name, field)) for name, field in model.model_fields.items()]
    command.__signature__ = inspect.Signature([*own, *flags])  # type: ignore[attr-defined]
    command.__doc__ = function.__doc__
    return command


def _flag(name: str, field: FieldInfo, group: Group) -> inspect.Parameter:
    takes = accepts(field)
    default = field.get_default()
    shown = ",".join(map(str, default)) if isinstance(default, tuple) else default
    parameter = Parameter(
        group=group,
        help=f"{field.description or ''} ({takes})".replace(" (a word)", ""),
        metavar="A,B,…" if _is_list(field.annotation) else "",
        show_default=False if default is None else str(shown),
    )
    # All but switches are handed on as they were typed.
    kind: Any = bool if field.annotation is bool else str
    annotation = Annotated[kind | None, parameter]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in (tuple, list) or any(map(_is_list, get_args(annotation)))

"""Flags that several commands have, and the fields of models as flags of a command."""

import inspect
import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Annotated, Any

from cyclopts import Group, Parameter
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from impasto.core.errors import OptionError
from impasto.core.options import accepts, is_list

Quiet = Annotated[bool, Parameter(alias="-q", negative=(), help="Say nothing on the way.")]
Overwrite = Annotated[bool, Parameter(negative=(), help="Replace a result that exists.")]


def with_flags(
    function: Callable[..., int | None],
    *models: type[BaseModel],
    group: Callable[[str, FieldInfo], Group],
    without: Sequence[str] = (),
) -> Callable[..., int | None]:
    """The function as a command with a flag for every field of some models.

    What is typed reaches the function as words in its argument `options`, the words of a list
    parted by commas; it is for the models to judge their values.

    Args:
        function: has a keyword argument `options`.
        models: declare the options, with descriptions, bounds and defaults; where two have one of
            a name, the first.
        group: a field's name and declaration to the part of the help in which it is shown.
        without: fields that get no flag.
    """
    fields = dict(chain.from_iterable(model.model_fields.items() for model in reversed(models)))
    order = dict.fromkeys(chain.from_iterable(model.model_fields for model in models))
    for name in without:
        del fields[name], order[name]

    def command(*arguments: Any, **words: Any) -> int | None:
        given = {name: words.pop(name, None) for name in fields}
        options = {
            name: value.split(",") if is_list(fields[name].annotation) else value
            for name, value in given.items()
            if value is not None
        }
        return function(*arguments, **words, options=options)

    own = [p for p in inspect.signature(function).parameters.values() if p.name != "options"]
    flags = [_flag(name, fields[name], group(name, fields[name])) for name in order]
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
        metavar="A,B,…" if is_list(field.annotation) else "",
        show_default=str(shown) if default not in (None, ()) else False,
    )
    # All but switches are handed on as they were typed.
    kind: Any = bool if field.annotation is bool else str
    annotation = Annotated[kind | None, parameter]
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def elsewhere(method: str, said: str) -> OptionError | None:
    """The refusal of an option that only other methods have; None if none has it.

    Args:
        method: that was asked for it.
        said: the sentence that names the option.
    """
    from impasto.jobs.control import fields_of, refusal
    from impasto.methods import names

    found = re.search(r"--([a-z][\w-]*)", said)
    option = found[1].replace("-", "_") if found else ""
    if option and any(option in fields_of(name) for name in names()):
        return OptionError(f"{refusal(method, option)}; choose by --method")
    return None

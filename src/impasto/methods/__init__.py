"""Methods of style transfer: one file, one paper, one name.

The folder is the registry. A package of somebody else's enters through the entry point group
`impasto.methods` with the same contract: a pydantic model with `prepare`.
"""

import inspect
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import cast

from pydantic import BaseModel

from impasto.core.contract import Method
from impasto.core.errors import OptionError

DEFAULT = "auto"


def names() -> tuple[str, ...]:
    """The names of all methods, sorted, without importing any."""
    own = {path.stem for path in Path(__file__).parent.glob("[a-z]*.py")}
    return tuple(sorted(own | {entry.name for entry in _strangers()}))


def load(name: str) -> type[Method]:
    """The class of a method; its fields are the method's options.

    Raises:
        OptionError: there is no such method.
    """
    if name not in names():
        raise OptionError(f"method must be one of {', '.join(names())}; got {name!r}")
    for entry in _strangers():
        if entry.name == name:
            return entry.load()
    module = import_module(f"impasto.methods.{name}")
    (found,) = (
        thing
        for _, thing in inspect.getmembers(module, inspect.isclass)
        if thing.__module__ == module.__name__ and issubclass(thing, BaseModel)
    )
    return cast("type[Method]", found)


@cache
def _strangers() -> list[EntryPoint]:
    # To look through all that is installed takes ten milliseconds, each time.
    return list(entry_points(group="impasto.methods"))

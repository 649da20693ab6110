"""Pictures that the project paints itself, to be used as styles: any size, any seed.

Each file of `pictures/` holds one, and its first line describes it. A new file is a new picture.
"""

import pkgutil
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from impasto.core.errors import OptionError
from impasto.painted import pictures

if TYPE_CHECKING:
    import numpy as np

SMALLEST = 16
"""Pixels that a side has at least."""


def names() -> tuple[str, ...]:
    """Names of all pictures, sorted; nothing is painted or loaded."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(pictures.__path__)))


def describe(name: str) -> str:
    """One line that says what a picture shows and how it is made.

    Raises:
        OptionError: there is no picture of this name.
    """
    return (_load(name).__doc__ or "").splitlines()[0]


def paint(name: str, *, width: int, height: int, seed: int = 0) -> "np.ndarray":
    """Paint a picture, sRGB uint8 (height, width, 3).

    The same name, size and seed give the same bytes. Another seed gives another picture in the same
    style, another size the same picture.

    Args:
        name: one of `names()`.
        width: in pixels, at least 16.
        height: in pixels, at least 16.
        seed: 0 or more.

    Raises:
        OptionError: the name is unknown, a side is too short or the seed is negative.
    """
    painter = _load(name).paint
    if min(width, height) < SMALLEST:
        raise OptionError(
            f"width and height must be at least {SMALLEST} pixels; got {width} x {height}"
        )
    if seed < 0:
        raise OptionError(f"seed must be 0 or more; got {seed}")
    from impasto.painted.canvas import picture

    return picture(painter, width=width, height=height, seed=seed)


def _load(name: str) -> ModuleType:
    if name not in names():
        raise OptionError(f"painted style must be one of {', '.join(names())}; got '{name}'")
    return import_module(f"{pictures.__name__}.{name}")

"""Styles that are known by name: what the bundled network was trained for.

Each has a rendering, a picture of ours in that style. It stands for the style wherever a method
needs a picture, because the paintings themselves are not part of the package.
"""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

RENDERINGS = Path(__file__).with_name("renderings")


@dataclass(frozen=True)
class Work:
    """One style.

    Attributes:
        name: what `--style` takes.
        painter: who painted it, and when.
        about: what it looks like.
    """

    name: str
    painter: str
    about: str

    @property
    def rendering(self) -> Path:
        """A photograph painted in this style by us."""
        return RENDERINGS / f"{self.name}.webp"


@cache
def works() -> dict[str, Work]:
    """All styles by name, in the order in which to show them."""
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return {name: Work(name, **entry) for name, entry in tomllib.loads(text).items()}

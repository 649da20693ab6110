"""The one contract between methods and everything above them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from impasto.core.progress import Report, silent
from impasto.core.tensors import Image, Mask


@dataclass(frozen=True)
class Style:
    """One thing to imitate.

    Attributes:
        image: (1, 3, H, W), sRGB in [0, 1].
        weight: share of this style among several, above 0; shares are normalised to sum to one.
        region: where in the style to look; None is everywhere.
    """

    image: Image
    weight: float = 1.0
    region: Mask | None = None


@dataclass(frozen=True)
class Frame:
    """One thing to stylize; a photograph is a video of one frame.

    Attributes:
        content: (1, 3, H, W), sRGB in [0, 1].
        start: a picture to begin at instead of where the method would, of any size.
    """

    content: Image
    start: Image | None = None


@runtime_checkable
class Stylizer(Protocol):
    """A prepared method: stylizes frame after frame with the same styles."""

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        """The stylized frame, in the size of its content."""
        ...


@runtime_checkable
class Method(Protocol):
    """A frozen pydantic model: its fields are its options, `prepare` is its behaviour."""

    def prepare(self, styles: Sequence[Style], *, generator: torch.Generator) -> Stylizer:
        """Do once what does not depend on the content."""
        ...

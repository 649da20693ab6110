"""The one contract between methods and everything above them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from impasto.core.progress import Report, silent
from impasto.core.tensors import Image, Mask


@dataclass(frozen=True)
class Style:
    """One thing to imitate: a picture, or what was measured of one.

    Attributes:
        image: (1, 3, H, W), sRGB in [0, 1]; None where only `measured` is known.
        weight: share of this style among several, above 0; shares are normalised to sum to one.
        region: where in the style to look; None is everywhere.
        scale: size of its strokes, a factor to that which the method was asked for.
        measured: what a method's `measure` gave of a picture, in its stead.
    """

    image: Image | None
    weight: float = 1.0
    region: Mask | None = None
    measured: Mapping[str, Tensor] | None = None
    scale: float = 1.0


class Box(NamedTuple):
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int


def together(images: Sequence[Image | None], sides: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Which styles are regions of one picture at one size, so that it need be looked at only once.

    Args:
        images: one a style.
        sides: the long sides at which they are looked at.

    Returns:
        Each side with the places of its styles.
    """
    found: dict[tuple[int, int], list[int]] = {}
    for place, (image, side) in enumerate(zip(images, sides, strict=True)):
        found.setdefault((id(image), side), []).append(place)
    return [(side, places) for (_, side), places in found.items()]


@dataclass(frozen=True)
class Frame:
    """One thing to stylize; a photograph is a video of one frame.

    Attributes:
        content: (1, 3, H, W), sRGB in [0, 1].
        start: a picture to begin at instead of where the method would, of any size.
        regions: where each style applies, one a style, in the size of the content; none means that
            all are blended everywhere. Where they overlap they share, where none is the content
            stays.
        place: where a tile with its surroundings lies in the picture; None is all of it.
        origin: what the first of several passes was given, for those that are `Recalling`.
    """

    content: Image
    start: Image | None = None
    regions: Sequence[Mask] = ()
    place: Box | None = None
    origin: Image | None = None


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


@runtime_checkable
class Regional(Method, Protocol):
    """A method that heeds `Frame.regions`, and the region and the scale of a `Style`."""

    regional: ClassVar[bool]


@runtime_checkable
class Learnt(Method, Protocol):
    """A method whose styles were learnt, so that their pictures play no part.

    Attributes:
        learnt: always true.
        mixes: whether it takes several styles at once, and heeds `Frame.regions`.
    """

    learnt: ClassVar[bool]
    mixes: ClassVar[bool]


@runtime_checkable
class Measuring(Method, Protocol):
    """A method to which a style is a few statistics that can be kept in place of its picture."""

    def measure(self, image: Image) -> dict[str, Tensor]:
        """What the method needs to know of a style picture; `Style.measured` takes it."""
        ...


Sums = dict[str, Tensor]
"""Name to a sum over pixels, in float64: the sums of two tiles are those of both together."""


@runtime_checkable
class Pass(Protocol):
    """One change of a picture, which a tile needs its surroundings and some sums of the whole for.

    Attributes:
        margin: pixels of surroundings that decide about a pixel.
        multiple: tiles begin at multiples of it.
    """

    @property
    def margin(self) -> int:
        """In pixels."""
        ...

    @property
    def multiple(self) -> int:
        """In pixels."""
        ...

    def gather(self, frame: Frame, inside: Box) -> Sums:
        """The sums over one tile.

        Args:
            frame: the tile with its surroundings.
            inside: the tile itself within the frame.
        """
        ...

    def change(self, sums: Sums) -> Callable[[Frame], Image] | None:
        """What is to be done with each tile, now that the sums over all of them are known.

        None where that is nothing.
        """
        ...


@runtime_checkable
class Recalling(Pass, Protocol):
    """A pass that is told what the first one was given: `Frame.origin`.

    Attributes:
        recalls: always true.
    """

    recalls: ClassVar[bool]


@runtime_checkable
class Glancing(Pass, Protocol):
    """A pass that needs fewer surroundings to gather than to change.

    Attributes:
        glance: pixels of surroundings that decide about the sums over a tile.
    """

    glance: int


@runtime_checkable
class Skippable(Pass, Protocol):
    """A pass that may turn out to be needless, and is left out then."""

    @property
    def needed(self) -> bool:
        """Whether it changes anything; known when all before it have been told their sums."""
        ...


@runtime_checkable
class Reducing(Pass, Protocol):
    """A pass that works on a smaller picture.

    Attributes:
        scale: pixels along a side that are seen as one.
    """

    scale: int


@runtime_checkable
class InPasses(Stylizer, Protocol):
    """A stylizer that works pass by pass, so that it can work tile by tile."""

    def passes(self, size: tuple[int, int]) -> Sequence[Pass]:
        """What is done to a picture of this height and width; each on the result of the last."""
        ...


class Task(NamedTuple):
    """What is done at once: a picture, or one tile of it.

    Attributes:
        height: in pixels, of a tile with its surroundings.
        width: likewise.
        known: of each style what `Style.measured` will hold.
        tile: whether it is a tile.
    """

    height: int
    width: int
    known: Sequence[Mapping[str, Tensor]] = ({},)
    tile: bool = False

    @property
    def pixels(self) -> int:
        """Height times width."""
        return self.height * self.width


class Cost(NamedTuple):
    """What a task takes.

    Attributes:
        memory: bytes by which the process grows.
        seconds: on the machine of the project's figures, see `jobs.calibration`.
        largest: the side of a tile, in pixels, beyond which nothing is gained but memory lost; None
            is any.
    """

    memory: float
    seconds: float
    largest: int | None = None


@runtime_checkable
class Costed(Method, Protocol):
    """A method that knows what it takes; of another, as much as of Gatys' is assumed."""

    def cost(self, task: Task) -> Cost:
        """With the networks and the styles at hand, without files."""
        ...

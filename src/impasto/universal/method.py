"""The options that all universal methods have, and their stylizers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from impasto.core.contract import Cost, Frame, Pass, Style, Stylizer, Task
from impasto.core.errors import OptionError
from impasto.core.options import ADVANCED, Options
from impasto.core.progress import Report, silent
from impasto.core.tensors import Image
from impasto.nets import petit, refiner, zoo
from impasto.nets.decoder import STATISTICS
from impasto.nets.vgg import VGG, bfloat16_is_fast
from impasto.ops.resample import resize
from impasto.ops.stats import Moments
from impasto.tiles import whole
from impasto.universal.matching import confined
from impasto.universal.palette import (
    HALF,
    SCALES,
    Palette,
    Scale,
    device_of,
    fits,
    key,
    known,
    scaled,
)
from impasto.universal.refining import Even, Noted, Refining

LARGEST = 576
"""Side of the largest tile of a pass that refines, in pixels; the way back takes memory."""
MOVES = 7
"""How often at most a picture is refined."""
USUAL, HALFWAY = 1.5, 0.45
"""How often it usually is at half of the size, and what share of a move in full that takes."""
LONGEST = 1024
"""In a result longer than this, strokes are as large as in one of this long side: the network sees
no larger ones."""

_Module = TypeVar("_Module", bound=nn.Module)


class Universal(Options):
    """The options that all universal methods have, and what they do before any content is known."""

    regional: ClassVar[bool] = True
    enough: ClassVar[Mapping[Scale, tuple[float, float]]] = {HALF: (0.06, 0.13), 1: (0.07, 0.04)}
    """At half of the size and in full: the distance of the style from which one move is enough, and
    where it is not, that from which the next is the last."""

    spared: ClassVar[float] = 0.0
    """The distance of the style from which nothing is moved at half of the size."""

    strength: float = Field(0.5, ge=0, le=1, description="0 returns the content, 1 is all style")
    style_scale: float = Field(
        1.0, ge=0.1, le=10, description="size of strokes: the style's long side over the result's"
    )
    start: Literal["content", "noise"] = Field(
        "content", description="noise gives the texture of the style alone"
    )
    refine: int = Field(
        MOVES,
        ge=0,
        le=8,
        description="how often at most what came out is moved to the style; the first half of the "
        "moves, or more, is at half of the size",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="auto is bfloat16 where the processor has it",
        **ADVANCED,
    )

    @property
    def alpha(self) -> float:
        """The share of the style in the features; the papers' α.

        1 − (1 − strength)³, because the look of a picture changes most as α nears 1: so the default
        of 0.5 is a painting, and the lower half is left for those who want a touch. A texture
        from noise has no content that could be kept.
        """
        return 1.0 if self.start == "noise" else 1 - (1 - self.strength) ** 3

    @property
    def moving(self) -> float:
        """What refining usually takes, in moves at full size."""
        return min(self.refine, 1) + HALFWAY * min(max(0, self.refine - 1), USUAL)

    def measure(self, image: Image) -> dict[str, Tensor]:
        """Mean and covariance of a style's features at every tap of `petit`; see `Measured`.

        Args:
            image: (1, 3, H, W); it is looked at with a long side of `style_scale` times its own,
                but that is no longer than `LONGEST`.

        Returns:
            Float32, and `size`, the height and width that were looked at.
        """
        network = self.placed(zoo.load("petit"), image.device)
        side = min(LONGEST, round(self.style_scale * max(image.shape[2:])))
        picture = scaled(image, side)
        sides, parts = [max(picture.shape[2:])], dict[str, Tensor]()
        for scale in SCALES:
            (seen,) = known(network, [Style(picture)], petit.TAPS, long_sides=sides, scale=scale)
            parts |= {
                key(tap, part, scale): value[0].float()
                for tap, found in seen.items()
                for part, value in found._asdict().items()
            }
        return parts | {"size": torch.tensor(picture.shape[2:])}

    def costs(self, task: Task, *, pixel: float, seconds: float) -> Cost:
        """Of a pass and what refines it.

        Args:
            task: what is done at once.
            pixel: bytes for each of a picture that is done at once. Tiles are of several sizes, and
                leave gaps in memory that take more.
            seconds: what it takes.
        """
        base, more = (120e6, 2.0 if self.refine else 1.0) if task.tile else (40e6, 1.0)
        return Cost(base + more * pixel * task.pixels, seconds, LARGEST if self.refine else None)

    def eyes(self, styles: Sequence[Style]) -> VGG:
        """The network that sees, where the styles are.

        Raises:
            OptionError: no style, or one without a picture and measurements that fit.
        """
        if not styles:
            raise OptionError("at least one style is needed")
        for style in styles:
            if style.image is None and not fits(style.measured or {}):
                raise OptionError("a style must have a picture, or what was measured of one")
        return self.placed(zoo.load("petit"), device_of(styles[0]))

    def palette(
        self,
        network: VGG,
        styles: Sequence[Style],
        taps: Sequence[str],
        *,
        long_side: int,
        scale: Scale = 1,
    ) -> "Palette":
        """What the network sees of the styles at these taps, beside a result of this long side.

        Args:
            network: what to look with.
            styles: pictures, or what was measured of them.
            taps: where to look.
            long_side: of the result, in pixels.
            scale: pixels along a side that are seen as one then.
        """
        sides = [round(self.style_scale * style.scale * long_side) for style in styles]
        found = known(network, styles, taps, long_sides=sides, scale=scale)
        weights = torch.tensor([style.weight for style in styles], dtype=torch.float64)
        return Palette(
            (weights / weights.sum()).to(device_of(styles[0])),
            {
                tap: Moments(
                    torch.cat([each[tap].mean for each in found]),
                    torch.cat([each[tap].covariance for each in found]),
                )
                for tap in taps
            },
        )

    def refining(
        self,
        network: VGG,
        palette: "Palette",
        styles: Sequence[Style],
        *,
        long_side: int,
        noted: Noted,
    ) -> list[Pass]:
        """The passes behind a method's own.

        Args:
            network: what to look with.
            palette: the styles, at `decoder.STATISTICS` at least.
            styles: of which it is.
            long_side: of the result, in pixels.
            noted: where the method's first pass tells the content's moments.

        Raises:
            WeightsError: the weights cannot be had.
        """
        if not self.refine:
            return []
        device = network.input.weight.device
        moves = refiner.bundled(device, half=self._half(device))
        palettes: dict[Scale, Palette] = {1: palette}
        full = max(1, self.refine // 2)
        scales: list[Scale] = [HALF if i < self.refine - full else 1 for i in range(self.refine)]
        if HALF in scales:
            palettes[HALF] = self.palette(
                network, styles, STATISTICS, long_side=long_side, scale=HALF
            )

        def move(scale: Scale, *, first: bool) -> Refining:
            even: Even = "picture" if first else "move"
            return Refining(
                network,
                palettes[scale],
                refiner=moves,
                scale=scale,
                alpha=self.alpha,
                enough=self.enough[scale][not first],
                idle=self.spared if first and scale == HALF else 0.0,
                even=even if self.start == "content" else "nothing",
                noted=noted,
            )

        return [
            move(scale, first=place == scales.index(scale)) for place, scale in enumerate(scales)
        ]

    def placed(self, module: _Module, device: torch.device) -> _Module:
        """A network on its device, in the precision that is wanted there."""
        module.to(device)
        return module.half() if self._half(device) else module

    def _half(self, device: torch.device) -> bool:
        auto = self.precision == "auto" and bfloat16_is_fast(device)
        return auto or self.precision == "bfloat16"

    def painter(
        self, build: Callable[[int], Sequence[Pass]], *, generator: torch.Generator
    ) -> Stylizer:
        """The stylizer that makes the passes for its long side, beginning where it is told."""
        seed = int(torch.randint(2**31, (), generator=generator))
        if self.strength == 0:
            return Painter(lambda _: ())
        # A video has frames of one size; more than a few sizes hardly ever come.
        painter = Painter(lru_cache(maxsize=2)(build))
        return Texture(painter, seed) if self.start == "noise" else painter


@dataclass(frozen=True)
class Painter:
    """A stylizer that works pass by pass; without passes it returns the content."""

    build: Callable[[int], Sequence[Pass]]

    def passes(self, size: tuple[int, int]) -> Sequence[Pass]:
        """Those for a picture of this height and width."""
        return self.build(min(LONGEST, max(size)))

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        """Stylize the content, or the picture to begin at, as one tile."""
        height, width = frame.content.shape[2:]
        passes = self.passes((height, width))
        if not passes:
            return frame.content.clone()
        if frame.start is None:
            return whole(passes, frame, report=report)
        begun = replace(frame, content=resize(frame.start, (height, width)), start=None)
        return confined(whole(passes, begun, report=report), frame)


@dataclass(frozen=True)
class Texture:
    """A painter that begins at noise."""

    painter: Painter
    seed: int

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        """A texture in the size of the content."""
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.rand(frame.content.shape, generator=generator).to(frame.content)
        start = noise if frame.start is None else frame.start
        return self.painter(replace(frame, start=start), report=report)

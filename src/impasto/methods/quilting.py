"""Quilting: sew a picture from patches of the style, each cut where it fits its neighbours best.

Efros and Freeman, "Image Quilting for Texture Synthesis and Transfer", SIGGRAPH 2001. Departures:

1. `strength` scales the odds of the paper's α, which holds at the default of 0.5. Below that the
   photograph also shines through, so that a strength near 0 is near it.
2. The luminance of the content gets the histogram of the style's before the two are compared.
3. A large style is searched at half its size, and around the best places at its own. The blocks
   so found are within 2 % of the best on average; a small style is searched everywhere.
4. Blocks on a diagonal do not touch each other and are laid at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from impasto.core.contract import Cost, Frame, Style, Stylizer, Task
from impasto.core.errors import OptionError
from impasto.core.options import Options
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.ops.blocks import Blocks
from impasto.ops.color import luma, match_histogram
from impasto.ops.lattice import Lattice, squares
from impasto.ops.resample import fit, resize
from impasto.ops.seams import kept
from impasto.ops.smooth import blurred
from impasto.universal.matching import confined

LEAST = 16
"""Pixels of the short side of a style, at least."""
PART, SAMPLE_PART = 20 / 512, 36 / 192
"""The side of the first blocks by default: over the long side of the result, and, for a texture,
over the short side of the sample, as in the paper's examples."""
BLUR = 2 / 512
"""Deviation of the blur over the long side."""
TRACE = 0.02
"""What is left of the odds of the content at full strength."""

Maps = tuple[Float[Tensor, "1 C _ _"], Float[Tensor, "1 C _ _"]]
"""One of the content and one of the style, of any size: places that look alike in them correspond.
A difference of 1 counts as much as that of black and white."""
Guide = Callable[[Image, Image], Maps]
"""From content and style to their maps."""
Told = Callable[[int, Image], None]


def _luminance(content: Image, style: Image) -> Maps:
    own, wanted = luma(content), luma(style)
    return match_histogram(own, wanted), wanted


def _blurred(content: Image, style: Image) -> Maps:
    sigma = BLUR * max(content.shape[2:])
    own, wanted = _luminance(content, style)
    return blurred(own, sigma=sigma), blurred(wanted, sigma=sigma)


GUIDES: Mapping[str, Guide] = {"luminance": _luminance, "blurred": _blurred}


class Quilting(Options):
    """Sew pieces of the style together (Efros and Freeman 2001): real strokes, no network."""

    regional: ClassVar[bool] = True

    strength: float = Field(0.5, ge=0, le=1, description="0 returns the content, 1 is all texture")
    style_scale: float = Field(
        1.0, ge=0.1, le=10, description="size of strokes: the style's long side over the result's"
    )
    block: int | None = Field(
        None,
        ge=4,
        description="side of the first blocks in pixels; by default by the size",
    )
    overlap: float = Field(
        0.17, ge=0.05, le=0.5, description="how far blocks overlap, as a share of their side"
    )
    tolerance: float = Field(
        0.1, ge=0, description="by what share a block may fit worse than the best: more is freer"
    )
    passes: int = Field(
        3, ge=1, le=8, description="rounds over the picture, each with blocks a third smaller"
    )
    guide: Literal["luminance", "blurred"] | Guide = Field(
        "blurred", description="in what a patch has to look like the content"
    )

    def cost(self, task: Task) -> Cost:
        """Fitted to the figures of `python -m benchmarks plan`."""
        searched = max(1.0, self.style_scale**2) * len(task.known) * task.pixels
        return Cost(3100 * searched, 0.3 + 1.9e-5 * searched)

    def prepare(self, styles: Sequence[Style], *, generator: torch.Generator) -> Stylizer:
        """Draw a seed; styles are brought to size for each frame.

        Raises:
            OptionError: no style, or one without its picture.
        """
        if not styles or any(style.image is None for style in styles):
            raise OptionError("quilting needs the picture of each style; a .style file has none")
        return _Stylizer(self, styles, int(torch.randint(2**31, (), generator=generator)))

    def synthesize(
        self,
        sample: Image,
        size: tuple[int, int],
        *,
        generator: torch.Generator,
        report: Report = silent,
    ) -> Image:
        """A texture of this height and width that looks like a sample (the paper's section 2).

        Of the options, `block`, `overlap` and `tolerance` count.

        Raises:
            OptionError: the block is larger than the sample.
        """
        side = self.side(round(SAMPLE_PART * min(sample.shape[2:])), sample)
        lattice = Lattice(size, side, self.lap(side))
        origin = quilt(
            sample[0],
            lattice,
            tolerance=self.tolerance,
            generator=generator,
            told=_Course(report, [lattice]).advance,
        )
        return sample.flatten(2)[:, :, origin]

    def side(self, usual: int, style: Image) -> int:
        """The side of the first blocks, which have to fit into the style."""
        most = min(style.shape[2:])
        if self.block is not None and self.block > most:
            raise OptionError(
                f"block must be at most {most}, the short side of the style at this size; "
                f"got {self.block}"
            )
        return self.block or max(4, min(usual, most))

    def lap(self, side: int) -> int:
        """By how many pixels blocks of this side overlap."""
        return max(1, round(self.overlap * side))

    def alphas(self) -> list[float]:
        """How much of the error is texture, pass by pass.

        The paper's αᵢ = 0.8 (i − 1) / (N − 1) + 0.1, with the odds α : 1 − α times those of the
        strength.
        """
        odds = self.strength / max(1 - self.strength, TRACE)
        steps = torch.linspace(0.1, 0.9, self.passes).tolist() if self.passes > 1 else [0.5]
        return [alpha * odds / (alpha * odds + 1 - alpha) for alpha in steps]

    def lattices(self, size: tuple[int, int], style: Image) -> list[Lattice]:
        """The blocks of each pass."""
        sides = [self.side(round(PART * max(size)), style)]
        for _ in range(self.passes - 1):
            sides.append(max(4, round(sides[-1] * 2 / 3)))
        return [Lattice(size, side, self.lap(side)) for side in sides]


@dataclass(frozen=True)
class _Stylizer:
    options: Quilting
    styles: Sequence[Style]
    seed: int

    @torch.no_grad()
    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        if len(frame.regions) != len(self.styles) and (frame.regions or len(self.styles) > 1):
            raise OptionError(
                "quilting takes one style, or several with regions, one for each; "
                f"got {len(self.styles)} and {len(frame.regions)} regions"
            )
        if self.options.strength == 0:
            return frame.content.clone()
        size = (frame.content.shape[2], frame.content.shape[3])
        styles = [self._scaled(style, max(size)) for style in self.styles]
        rounds = [self.options.lattices(size, picture(style)) for style in styles]
        course = _Course(report, [lattice for each in rounds for lattice in each])
        generator = torch.Generator().manual_seed(self.seed)
        painted = [
            self._painted(frame, style, lattices=lattices, generator=generator, course=course)
            for style, lattices in zip(styles, rounds, strict=True)
        ]
        return torch.lerp(frame.content, _joined(painted, frame), min(1, 2 * self.options.strength))

    def _scaled(self, style: Style, long_side: int) -> Style:
        """A style, and where to look in it, as large as it is asked for."""
        height, width = picture(style).shape[2:]
        least = LEAST * max(height, width) / min(height, width)
        side = ceil(max(least, self.options.style_scale * style.scale * long_side))
        size = fit(height, width, long_side=side)
        region = None if style.region is None else resize(style.region, size)
        return replace(style, image=resize(picture(style), size), region=region)

    def _painted(
        self,
        frame: Frame,
        style: Style,
        *,
        lattices: Sequence[Lattice],
        generator: torch.Generator,
        course: "_Course",
    ) -> Image:
        """The content in one style, pass after pass (the paper's section 3)."""
        image = picture(style)
        maps = self._maps(frame.content, image)
        before = None if frame.start is None else resize(frame.start, lattices[0].size)[0]
        for lattice, alpha in zip(lattices, self.options.alphas(), strict=True):
            origin = quilt(
                image[0],
                lattice,
                tolerance=self.options.tolerance,
                generator=generator,
                alpha=alpha,
                maps=maps,
                before=before,
                region=None if style.region is None else style.region[0],
                told=course.advance,
            )
            before = image[0].flatten(1)[:, origin]
        assert before is not None  # There is one pass at least.
        return before[None]

    def _maps(self, content: Image, style: Image) -> tuple[Tensor, Tensor]:
        """What the guide says of both, in their sizes; errors are averaged over its channels."""
        guide = self.options.guide
        found = (GUIDES[guide] if isinstance(guide, str) else guide)(content, style)
        shapes = [tuple(each.shape) for each in found]
        if [len(shape) for shape in shapes] != [4, 4] or shapes[0][:2] != shapes[1][:2]:
            raise OptionError(f"guide must give two maps (1, C, H, W) of equal C; got {shapes}")
        own, wanted = (
            F.interpolate(each, like.shape[2:], mode="bilinear", antialias=True)[0]
            for each, like in zip(found, (content, style), strict=True)
        )
        share = len(own) ** -0.5
        return share * own, share * wanted


def quilt(
    texture: Float[Tensor, "3 H W"],
    lattice: Lattice,
    *,
    tolerance: float,
    generator: torch.Generator,
    alpha: float = 1.0,
    maps: tuple[Tensor, Tensor] | None = None,
    before: Float[Tensor, "3 h w"] | None = None,
    region: Float[Tensor, "1 H W"] | None = None,
    told: Told | None = None,
) -> Int[Tensor, "h w"]:
    """One pass: which pixel of a texture, row · W + column, goes where.

    The error of a block is α times that of its colours, averaged over the channels, where something
    lies already, and 1 − α times that of the maps (the paper's section 3).

    Args:
        texture: what blocks are cut from, at least as large as one.
        lattice: where they go.
        tolerance: a block is drawn among those whose error is so much above the least.
        generator: draws.
        alpha: from 0 to 1.
        maps: (C, h, w) of the result and (C, H, W) of the texture, to be alike.
        before: the result of the pass before, which blocks have to look like as well.
        region: where in the texture to look, from 0 to 1.
        told: is handed the number of blocks that were just laid, and the result so far.
    """
    wanted, own = maps or (texture.new_empty((0, *lattice.size)), texture[:0])
    weights = _weights(lattice, alpha, maps=len(own), filled=before is not None).to(texture)
    blocks = Blocks(torch.cat([texture, own]), weights, region=region)
    begun = texture.new_zeros((3, *lattice.size)) if before is None else before
    canvas = lattice.grown(torch.cat([begun, wanted]))
    origin = torch.zeros_like(canvas[0], dtype=torch.long)
    chances = torch.rand(lattice.shape, generator=generator)
    for wave in lattice.waves():
        row, column, chance = (each.to(texture.device) for each in (*wave, chances[wave]))
        place = lattice.step * torch.stack([row, column], 1)
        here = squares(place, lattice.block, width=canvas.shape[2])
        there = canvas.flatten(1)[:, here]
        left, top = column > 0, row > 0
        found = blocks.search(
            there.transpose(0, 1), left + 2 * top, tolerance=tolerance, chances=chance
        )
        source = squares(found, lattice.block, width=texture.shape[2])
        laid = texture.flatten(1)[:, source]
        error = (laid - there[:3]).square().sum(0)
        new = kept(error, lattice.overlap, left=left, top=top)
        canvas[:3].flatten(1)[:, here[new]] = laid[:, new]
        origin.view(-1)[here[new]] = source[new]
        if told:
            told(len(row), canvas[None, :3, : lattice.size[0], : lattice.size[1]])
    return origin[: lattice.size[0], : lattice.size[1]]


def _weights(lattice: Lattice, alpha: float, *, maps: int, filled: bool) -> Tensor:
    """What the error of every pixel and channel counts, (4, 3 + maps, B, B)."""
    everywhere = torch.ones(4, 1, lattice.block, lattice.block)
    lying = everywhere if filled else lattice.leaning()[:, None]
    return torch.cat([alpha / 3 * lying] * 3 + [(1 - alpha) * everywhere] * maps, 1)


@dataclass
class _Course:
    """How far we are, by blocks; the last passes have small ones, which are as slow."""

    report: Report
    lattices: Sequence[Lattice]
    laid: int = 0

    def advance(self, blocks: int, image: Image) -> None:
        self.laid += blocks
        total = sum(lattice.shape[0] * lattice.shape[1] for lattice in self.lattices)
        size = (image.shape[2], image.shape[3])
        self.report(Progress("sewing", self.laid / total, self.laid, size, image=image.clone))


def _joined(painted: Sequence[Image], frame: Frame) -> Image:
    """Each picture in its region, shared where regions overlap; beyond them the content."""
    if not frame.regions:
        return painted[0]
    regions = torch.cat(list(frame.regions))
    shares = regions / regions.sum(0, keepdim=True).clamp_min(1e-6)
    return confined((shares * torch.cat(list(painted))).sum(0, keepdim=True), frame)


def picture(style: Style) -> Image:
    """The picture of a style that has one."""
    assert style.image is not None  # `prepare` has looked.
    return style.image

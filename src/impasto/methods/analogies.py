"""Image analogies: what was done to A to make A', done to B. A : A' :: B : B'.

Hertzmann, Jacobs, Oliver, Curless and Salesin, "Image Analogies", SIGGRAPH 2001. A' is the style,
A the `unfiltered` picture, B the content. From coarse to fine and pixel by pixel, B' takes that
pixel of A' around which A and A' look most like B and what there is of B' already; the scan itself
is `ops.coherence`. Departures:

1. A need not be given: it is made from A' by smoothing that stops at edges.
2. The nearest place is looked for by PatchMatch in place of a tree: before a level is scanned, by
   all that is known of B and B' then, and during the scan among the neighbours' and by chance.
3. Before a level is scanned, B' is guessed in this way, from the coarser level or from chance. So
   pixels that are not there yet, and those beyond the border, are no special case.
4. `transfer="filter"` finds the linear filter that best explains A' by A, and does it to B. What it
   misses is copied as an analogy, averaged over what neighbours say, and less the less they agree.
   The paper copies pixels, so that what A does not show cannot be filtered.
5. `strength` is the weight of A and B beside A' and B', as odds: 1 in the middle, where the paper
   is. Below it the content also shows through, so that 0 returns it.
6. Several styles serve as one larger picture; their weights play no part.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from impasto.core.contract import Cost, Frame, Style, Stylizer, Task
from impasto.core.errors import OptionError
from impasto.core.options import ADVANCED, Options
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.media.image import load
from impasto.ops.coherence import Found, Pixels, Rows, scan
from impasto.ops.color import luma, with_luma
from impasto.ops.filters import learnt
from impasto.ops.neighborhoods import CAUSAL, COARSE, FINE, gathered, gaussian_pyramid, steered
from impasto.ops.patches import patchmatch
from impasto.ops.resample import fit, resize
from impasto.ops.smooth import guided
from impasto.universal.matching import confined

COARSEST, MOST = 8, 7
"""Pixels of the short side of the coarsest level at least, and levels at most."""
TRACE = 0.02
"""What is left of the content's odds at full strength."""
TOLD = 0.02
"""A level reports when so much more of it is done."""


class Analogies(Options):
    """Paint as a pair of pictures shows how (Hertzmann et al. 2001): real strokes."""

    strength: float = Field(0.5, ge=0, le=1, description="0 returns the content, 1 is all texture")
    style_scale: float = Field(
        1.0, ge=0.1, le=10, description="size of strokes: the style's long side over the result's"
    )
    kappa: float = Field(
        5.0, ge=0, le=1000, description="coherence: the larger, the longer the pieces copied whole"
    )
    unfiltered: str | Image | None = Field(
        None, description="the style before it was painted; by default it is made from it"
    )
    smoothing: float = Field(
        0.5, ge=0, le=1, description="how smooth the unfiltered picture is, where it is made"
    )
    features: Literal["luminance", "color", "steerable"] = Field(
        "luminance", description="what is compared; steerable adds the direction of edges"
    )
    channels: Literal["color", "luminance"] = Field(
        "color", description="what is copied; luminance leaves the content its colours"
    )
    transfer: Literal["pixels", "filter"] = Field(
        "pixels", description="copy the style's pixels, or filter the content as it was filtered"
    )
    start: Literal["content", "noise"] = Field(
        "content", description="noise gives the texture of the style alone"
    )
    remap: bool = Field(
        True, description="compare the style in the content's range of luminance", **ADVANCED
    )
    levels: int | None = Field(
        None, ge=1, le=10, description="levels of the pyramid; to size by default", **ADVANCED
    )
    search: Literal["patchmatch", "exact"] = Field(
        "patchmatch", description="exact finds the very nearest, slowly", **ADVANCED
    )

    def cost(self, task: Task) -> Cost:
        """Fitted to the figures of `python -m benchmarks plan`."""
        searched = max(1.0, self.style_scale**2) * len(task.known) * task.pixels
        return Cost(95e6 + 950 * searched, 0.4 + 2.2e-5 * task.pixels)

    def prepare(self, styles: Sequence[Style], *, generator: torch.Generator) -> Stylizer:
        """Find the unfiltered pictures; all are brought to size for each frame.

        Raises:
            OptionError: no style, one without its picture, or several and one unfiltered picture.
            MediaError: the unfiltered picture cannot be read.
        """
        pictures = [style.image.cpu() for style in styles if style.image is not None]
        if not pictures or len(pictures) < len(styles):
            raise OptionError("analogies needs at least one style, and the picture of each")
        if self.unfiltered is not None and len(pictures) > 1:
            raise OptionError(f"unfiltered goes with one style; got {len(pictures)}")
        pairs = [(self._unfiltered(picture), picture) for picture in pictures]
        return _Stylizer(self, pairs, int(torch.randint(2**31, (), generator=generator)))

    def _unfiltered(self, filtered: Image) -> Image:
        given = self.unfiltered
        if given is None:
            return _simplified(filtered, self.smoothing)
        picture = load(given) if isinstance(given, str) else given.cpu()
        return resize(picture, (filtered.shape[2], filtered.shape[3]))


def _simplified(image: Image, smoothing: float) -> Image:
    """The picture without its strokes."""
    radius = max(1, round(max(image.shape[2:]) / 100))
    for _ in range(3):
        image = guided(image, radius=radius, softness=0.2 * smoothing).clamp(0, 1)
    return image


@dataclass(frozen=True)
class _Stylizer:
    options: Analogies
    pairs: Sequence[tuple[Image, Image]]
    seed: int

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        if self.options.strength == 0:
            return frame.content.clone()
        if frame.start is not None:
            raise OptionError("analogies begins at the content or at noise, at no start_picture")
        side = max(COARSEST, round(self.options.style_scale * max(frame.content.shape[2:])))
        a, filtered = (_stacked(images, side) for images in zip(*self.pairs, strict=True))
        analogy = _Analogy(self.options, a, filtered, frame.content.cpu(), seed=self.seed)
        share = 1.0 if self.options.start == "noise" else min(1.0, 2 * self.options.strength)
        out = analogy.solved(report).to(frame.content)
        return confined(torch.lerp(frame.content, out, share), frame)


def _stacked(images: Sequence[Image], long_side: int) -> Image:
    """The pictures with this long side, one below the other."""
    scaled = [resize(each, fit(*each.shape[2:], long_side=long_side)) for each in images]
    width = max(each.shape[3] for each in scaled)
    grown = [F.pad(each, (0, width - each.shape[3], 0, 0), mode="replicate") for each in scaled]
    return torch.cat(grown, 2)


class _Analogy:
    """A, A' and B as pyramids from coarse to fine, and B' as it is found."""

    def __init__(
        self, options: Analogies, a: Image, filtered: Image, b: Image, *, seed: int
    ) -> None:
        self.options, self.seed = options, seed
        short = min(*a.shape[2:], *b.shape[2:])
        count = options.levels or min(MOST, 1 + int(log2(max(1, short / COARSEST))))
        self.pictures = [gaussian_pyramid(each, count)[::-1] for each in (a, filtered, b)]
        self.gain, self.shift = self._remapping(a, b)
        self.a = [self._seen(each, edges=True) for each in map(self._remapped, self.pictures[0])]
        self.filtered = [self._seen(each) for each in map(self._remapped, self.pictures[1])]
        self.b = [self._seen(each, edges=True) for each in self.pictures[2]]
        odds = max((1 - options.strength) / options.strength, TRACE)
        self.weight = 0.0 if options.start == "noise" else odds**0.5

    def _remapping(self, a: Image, b: Image) -> tuple[float, float]:
        """Gain and shift that give A's luminance mean and deviation of B's (section 3.4)."""
        alone = self.options.start == "noise"
        learns = self.options.transfer == "filter" or self.options.features == "color"
        if alone or learns or not self.options.remap:
            return 1.0, 0.0
        own, wanted = luma(a), luma(b)
        # An eight-bit step keeps a plain picture from being blown up.
        gain = float((wanted.std(correction=0) + 1 / 255) / (own.std(correction=0) + 1 / 255))
        return gain, float(wanted.mean() - gain * own.mean())

    def _remapped(self, image: Image) -> Image:
        return self.gain * image + self.shift

    def _seen(self, image: Image, *, edges: bool = False) -> Pixels:
        """What is compared of a picture, (C, h, w)."""
        if self.options.features == "color":
            return image[0].numpy()
        seen = luma(image)
        if edges and self.options.features == "steerable":
            seen = torch.cat([seen, steered(seen)], 1)
        return seen[0].numpy()

    def solved(self, report: Report) -> Image:
        """B'."""
        costs = [level[0].size for level in self.b]
        found: Found | None = None
        for number, cost in enumerate(costs):
            begun, share = sum(costs[:number]) / sum(costs), cost / sum(costs)
            found = self._scanned(number, found, self._teller(report, number, begun, share))
        assert found is not None
        return self._picture(found.source, number=len(costs) - 1)

    def _teller(
        self, report: Report, number: int, begun: float, share: float
    ) -> Callable[[Found, float], None]:
        due = 0.0

        def told(found: Found, done: float) -> None:
            nonlocal due
            if done < due:
                return
            due = min(1.0, done + TOLD)
            height, width = found.source.shape
            shown = lambda: self._picture(found.source, number=number)  # noqa: E731
            part = begun + share * done
            report(Progress("analogies", part, number + 1, (height, width), image=shown))

        return told

    def _scanned(
        self, number: int, coarse: Found | None, told: Callable[[Found, float], None]
    ) -> Found:
        """One level."""
        above_a = above_b = None
        if coarse is not None:
            above_a = self.a[number - 1], self.filtered[number - 1]
            above_b = self.b[number - 1], coarse.picture
        filtered = self.filtered[number]
        ours = self._rows(self.a[number], above_a)
        theirs = self._rows(self.b[number], above_b)
        pixels, base = filtered, None
        if self.options.transfer == "filter":
            linear, base = self._linear(number)
            pixels = filtered - linear
        return scan(
            np.hstack([ours, gathered(filtered, CAUSAL)]),
            theirs,
            pixels,
            guess=self._guess(number, coarse, ours, theirs),
            base=base,
            penalty=1 + self.options.kappa * 0.5 ** (len(self.b) - 1 - number),
            exact=self.options.search == "exact",
            seed=self.seed,
            told=told,
        )

    def _linear(self, number: int) -> tuple[Pixels, Pixels]:
        """What the linear part of the filter makes of A and of B, as they are seen."""
        filtered = torch.from_numpy(self.filtered[number])[None]
        plain, own = (
            torch.from_numpy(each[number][: filtered.shape[1]])[None] for each in (self.a, self.b)
        )
        linear = learnt(plain, filtered)
        return linear(plain)[0].numpy(), linear(own)[0].numpy()

    def _rows(self, plain: Pixels, above: tuple[Pixels, Pixels] | None) -> Rows:
        """What is known of each pixel of A or B before the scan.

        Args:
            plain: A or B.
            above: A and A', or B and B', of the coarser level.
        """
        parts = [self.weight * gathered(plain, FINE)]
        if above is not None:
            coarse = [self.weight * gathered(above[0], COARSE), gathered(above[1], COARSE)]
            index = _above(above[0].shape[2], plain.shape[1:])
            parts += [each[index] for each in coarse]
        return np.hstack(parts)

    def _guess(
        self, number: int, coarse: Found | None, ours: Rows, theirs: Rows
    ) -> Int[np.ndarray, "h w"]:
        """Pixels of A' to begin with: those of the coarser level, bettered by PatchMatch."""
        generator = torch.Generator().manual_seed(self.seed)
        size, own = self.b[number].shape[1:], self.a[number].shape[1:]
        images = [
            torch.from_numpy(rows).view(1, *shape, -1).permute(0, 3, 1, 2)
            for rows, shape in ((theirs, size), (ours, own))
        ]
        start = None if coarse is None else torch.from_numpy(self._finer(number, coarse))
        return patchmatch(*images, patch=1, start=start, generator=generator).index.numpy()

    def _finer(self, number: int, coarse: Found) -> Int[np.ndarray, "h w"]:
        """What was found at the coarser level, in numbers of this one."""
        (rows, columns), size = self.a[number].shape[1:], self.b[number].shape[1:]
        above = self.a[number - 1].shape[2]
        found = coarse.source.ravel()[_above(coarse.source.shape[1], size)].reshape(size)
        y, x = np.arange(size[0])[:, None] % 2, np.arange(size[1]) % 2
        v = np.minimum(2 * (found // above) + y, rows - 1)
        return v * columns + np.minimum(2 * (found % above) + x, columns - 1)

    def _picture(self, source: Int[np.ndarray, "h w"], *, number: int) -> Image:
        """What the matches of a level make of its pictures."""
        a, filtered, b = (pyramid[number] for pyramid in self.pictures)
        index = torch.from_numpy(source)
        taken = filtered.flatten(2)[:, :, index]
        if self.options.transfer == "filter":
            expected = learnt(a, filtered)
            missed = _agreed(filtered - expected(a), index)
            taken = expected(b) + self.gain * missed
        elif self.options.channels == "luminance":
            taken = self._remapped(taken)
        if self.options.channels == "luminance":
            taken = with_luma(b, luma(taken - b))
        return taken.clamp(0, 1)


def _agreed(image: Image, index: Int[Tensor, "h w"]) -> Image:
    """The mean of what a pixel and its neighbours say of it, each from where it was copied.

    The less they agree, the nearer to 0 it is: Wiener's estimate.
    """
    rows, columns = image.shape[2:]
    (height, width), votes = index.shape, []
    y, x = torch.arange(height)[:, None], torch.arange(width)
    for down, right in FINE:
        near = index[(y + down).clamp(0, height - 1), (x + right).clamp(0, width - 1)]
        v = (near // columns - down).clamp(0, rows - 1)
        u = (near % columns - right).clamp(0, columns - 1)
        votes.append(image[:, :, v, u])
    variance, mean = torch.var_mean(torch.cat(votes), 0, correction=0, keepdim=True)
    return mean * mean.square() / (mean.square() + variance).clamp_min(1e-12)


def _above(columns: int, size: tuple[int, ...]) -> Int[np.ndarray, " n"]:
    """For every pixel of a level the number of the one above it, at the coarser level."""
    y, x = (np.arange(side) // 2 for side in size)
    return (y[:, None] * columns + x).ravel()

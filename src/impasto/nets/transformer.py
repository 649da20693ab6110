"""Networks that turn a picture into a painting in one pass, each trained for some styles.

`Paper` is the image transformation network of Johnson, Alahi and Fei-Fei, "Perceptual Losses for
Real-Time Style Transfer and Super-Resolution", ECCV 2016, as most people build it: instance
normalisation, reflected borders, nearest upsampling. `Slim` is ours, for processors: it begins at a
quarter of the size, does most of its work at an eighth, and takes 7 k multiply-adds a pixel where
the paper's takes 146 k.

In both a style is a row of numbers, the gains and shifts of all normalisations (conditional
instance normalisation: Dumoulin, Shlens and Kudlur, "A Learned Representation for Artistic Style",
ICLR 2017). The convolutions are shared by all styles; rows can be mixed, added and kept apart.
"""

from abc import ABC, abstractmethod
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.ops.noise import laid, smoothed

EPSILON = 1e-5
"""Added to variances, as in the networks that others have trained."""
GONE = -3.0
"""Of the picture nothing is kept from a quarter of the way to a style on, unless it learns
otherwise: to lay it over the painting keeps shapes, but no strokes."""
GREY, CONTRAST = 0.5, 4.0
"""What `Slim` takes from a picture and multiplies it with, to have numbers around 0 of size 1."""
SMOOTH = (0.0, 0.0, 2.0, 2.0)
"""Channels of noise that `Slim` is shown, and over how many positions each is smoothed (σ). With
smoother ones every sky had the same cloud."""
PERIOD = 256
"""Positions after which the noise repeats; one is of 4 x 4 pixels."""
_FOLD = (((1, 1, 0), (0, 0, 1)), ((1, 0, 0), (0, 1, 1)))
"""Which of three repeated pixels are one of two: around the last place of one, the first of the
next."""


class Norm(nn.Module):
    """Instance normalisation with gains and shifts out of a style's row.

    Dumoulin et al., equation 5.

    Args:
        channels: of the maps.
        begin: where in the row its gains begin; its shifts follow them.
    """

    def __init__(self, channels: int, *, begin: int) -> None:
        super().__init__()
        self.channels, self.begin, self.end = channels, begin, begin + 2 * channels

    def forward(self, x: Tensor, row: Tensor) -> Tensor:
        """The maps (N, C, h, w), normalised, scaled and shifted by rows (N, R)."""
        own = row[:, self.begin : self.end].to(x.dtype)
        if x.is_cuda or torch.compiler.is_exporting():
            gain, shift = own[..., None, None].split(self.channels, 1)
            return F.instance_norm(x, eps=EPSILON) * gain + shift
        # For one picture batch normalisation is the same, and on a processor far quicker with
        # channels last.
        each = zip(x.split(1), *own.split(self.channels, 1), strict=True)
        found = [F.batch_norm(h, None, None, g, s, True, 0.0, EPSILON) for h, g, s in each]
        return torch.cat(found) if len(found) > 1 else found[0]


class Convolution(nn.Conv2d):
    """A convolution over the mirrored map, so that no border shows."""

    def __init__(
        self, seen: int, given: int, *, side: int = 3, stride: int = 1, bias: bool = True
    ) -> None:
        super().__init__(seen, given, side, stride, bias=bias)
        self.reach = side // 2

    def forward(self, input: Tensor) -> Tensor:
        """The map (N, C', h, w) of (N, C, h, w), without stride."""
        edge = self.reach
        # Reflection needs more than `edge` pixels along a side; where there are fewer, they repeat.
        mode = "reflect" if min(input.shape[2:]) > edge else "replicate"
        return super().forward(F.pad(input, (edge, edge, edge, edge), mode=mode))

    def doubled(self, x: Tensor) -> Tensor:
        """What `forward` gives for the map with every pixel repeated to 2 x 2, for half the work.

        Of 3 x 3 repeated pixels those that are equal share the sum of their weights. That leaves
        2 x 2 weights for each of the four places of a pixel, and the map is never repeated. To
        mirror a repeated map at its border is to repeat the border of the map.

        Args:
            x: (N, C, h, w), for a convolution of 3 x 3.

        Returns:
            (N, C', 2 h, 2 w).
        """
        fold = torch.tensor(_FOLD, dtype=x.dtype, device=x.device)
        weight = torch.einsum("rat,scu,oitu->rsoiac", fold, fold, self.weight).flatten(0, 2)
        # The four sums of weights round differently; see `mean`.
        level = mean(x)
        padded = F.pad(x - level, (1, 1, 1, 1), mode="replicate")
        # A window of 2 x 2 holds the last place of one pixel and the first of the next.
        places = _side_by_side(F.conv2d(padded, weight))[..., 1:-1, 1:-1]
        constant = F.conv2d(level, self.weight.sum((2, 3), keepdim=True), self.bias)
        return (places + constant).contiguous(memory_format=torch.channels_last)


def mean(x: Tensor) -> Tensor:
    """The mean of each channel, (N, C, 1, 1).

    What rounds differently from place to place is done without it: of a flat map a normalisation
    would make a pattern of what was rounded.
    """
    # Five times as quick as over two dimensions with channels last.
    return x.permute(0, 2, 3, 1).flatten(1, 2).mean(1)[..., None, None]


def _side_by_side(x: Tensor) -> Tensor:
    """The four places of a pixel (N, 4 C, h, w) put into a square; (N, C, 2 h, 2 w)."""
    four = x.unflatten(1, (2, 2, -1))
    if torch.compiler.is_exporting():
        return four.permute(0, 3, 4, 1, 5, 2).flatten(4, 5).flatten(2, 3)
    # Channels last, where `pixel_shuffle` takes five times as long.
    return four.permute(0, 4, 1, 5, 2, 3).flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)


class Transformer(nn.Module, ABC):
    """What both networks are: convolutions, each normalised, and rows of styles.

    A row ends with three numbers that are added to what is painted, in R, G and B, and three that
    say how much of the picture takes its place, from 0 to 1. So one row returns the picture.

    Attributes:
        rows: (S, R), a style each.
        multiple: sides of what it takes are multiples of it.
        reach: pixels around a pixel that decide about it, statistics of the picture apart.
    """

    rows: nn.Parameter
    multiple: int
    reach: int

    def __init__(self) -> None:
        super().__init__()
        self.length = 0

    @abstractmethod
    def forward(self, image: Tensor, row: Tensor, at: tuple[int, int] = (0, 0)) -> Tensor:
        """The painted pictures (N, 3, H, W); sRGB, not clamped.

        Args:
            image: (N, 3, H, W), sRGB in [0, 1].
            row: (N, R), of one style each, or a mixture of rows.
            at: where a tile begins in the whole picture, down and across, in multiples of
                `multiple`.
        """

    def half(self) -> "Transformer":
        """This network in bfloat16, in place, but for the rows; pictures stay float32."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.bfloat16()
        return self

    def _step(self, seen: int, given: int, *, side: int = 3, stride: int = 1) -> nn.ModuleList:
        norm = Norm(given, begin=self.length)
        self.length = norm.end
        return nn.ModuleList([Convolution(seen, given, side=side, stride=stride), norm])

    def _block(self, channels: int) -> nn.ModuleList:
        return nn.ModuleList([self._step(channels, channels) for _ in range(2)])

    def _finish(self, styles: int) -> None:
        """Rows that scale by 1 and shift by 0; weights in the layout that is quickest."""
        norms = [m for m in self.modules() if isinstance(m, Norm)]
        row = torch.zeros(self.length + 2 * 3)
        for norm in norms:
            row[norm.begin : norm.begin + norm.channels] = 1
        row[-3:] = GONE
        self.rows = nn.Parameter(row.repeat(styles, 1))
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def returning(self) -> Tensor:
        """The first row, made to return the picture; (R,)."""
        return torch.cat([self.rows[0, :-3], torch.ones_like(self.rows[0, -3:])])

    def _out(self, painted: Tensor, image: Tensor, row: Tensor) -> Tensor:
        """What is painted, and as much of the picture as is kept."""
        added, kept = row[:, -6:, None, None].split(3, 1)
        return torch.lerp(painted.float() + added, image, kept.clamp(0, 1))

    @property
    def _dtype(self) -> torch.dtype:
        return next(m for m in self.modules() if isinstance(m, nn.Conv2d)).weight.dtype


def _stepped(step: nn.Module, x: Tensor, row: Tensor) -> Tensor:
    conv, norm = step.children()
    return norm(conv(x), row)


def _added(block: nn.Module, x: Tensor, row: Tensor) -> Tensor:
    """A residual block with nothing behind the sum."""
    first, second = block.children()
    return x + _stepped(second, F.relu(_stepped(first, x, row)), row)


def _larger(x: Tensor) -> Tensor:
    """A map twice as large; one that is flat stays so to the last bit."""
    level = mean(x)
    return level + F.interpolate(x - level, scale_factor=2.0, mode="bilinear", align_corners=False)


class Slim(Transformer):
    """Our network for processors.

    The picture is folded to a quarter of its size, all its pixels kept as channels. At the end it
    is unfolded by repeating and convolving, which leaves no grid, and the folded picture is shown
    once more at half of the size, so that fine lines stay where they are. Beside the picture it is
    shown noise, always the same: where a sky is flat, strokes need something to begin with, or a
    weave grows there (Ulyanov et al., "Texture Networks", ICML 2016, begin with noise alone).

    Args:
        styles: number of rows.
        widths: channels at a half, a quarter and an eighth of the size.
        blocks: residual blocks at an eighth; there is one more on either side at a quarter.
        noise: channels of noise that are shown, the first of `SMOOTH`.
    """

    multiple, reach = 8, 104
    noise: Tensor

    def __init__(
        self,
        styles: int,
        *,
        widths: tuple[int, int, int] = (16, 24, 64),
        blocks: int = 3,
        noise: int = len(SMOOTH),
    ) -> None:
        super().__init__()
        half, quarter, eighth = widths
        if not 0 <= noise <= len(SMOOTH):
            raise ValueError(f"there are 0 to {len(SMOOTH)} channels of noise; got {noise}")
        known = smoothed(SMOOTH, period=PERIOD)[:noise]
        self.register_buffer("noise", known, persistent=False)
        self.fold = self._step(3 * 16 + noise, quarter)
        self.before = self._block(quarter)
        self.down = self._step(quarter, eighth, stride=2)
        self.blocks = nn.ModuleList([self._block(eighth) for _ in range(blocks)])
        self.up = nn.Conv2d(eighth, quarter, 1)
        self.after = self._block(quarter)
        self.unfold = self._step(quarter, half)
        self.fine = self._step(half + 3 * 4, half)
        self.paint = Convolution(half, 3, bias=False)
        self._finish(styles)
        with torch.no_grad():  # The first pictures are grey rather than glaring.
            self.paint.weight.mul_(0.1)
            self.rows[:, -6:-3] = GREY

    def forward(self, image: Tensor, row: Tensor, at: tuple[int, int] = (0, 0)) -> Tensor:
        """As of every `Transformer`."""
        x = ((image - GREY) * CONTRAST).to(self._dtype)
        h = self._beside_noise(F.pixel_unshuffle(x, 4), at)
        h = F.relu(_stepped(self.fold, h, row), inplace=True)
        h = _added(self.before, h, row)
        deep = F.relu(_stepped(self.down, h, row), inplace=True)
        for block in self.blocks:
            deep = _added(block, deep, row)
        h = _added(self.after, h + _larger(self.up(deep)), row)
        unfold, norm = cast("tuple[Convolution, Norm]", self.unfold.children())
        h = F.relu(norm(unfold.doubled(h), row), inplace=True)
        both = torch.cat([h, F.pixel_unshuffle(x, 2)], 1)
        h = F.relu(_stepped(self.fine, both, row), inplace=True)
        return self._out(self.paint.doubled(h), image, row)

    def _beside_noise(self, x: Tensor, at: tuple[int, int]) -> Tensor:
        """The folded picture (N, 48, h, w) and the noise of its place, as further channels."""
        begin = at[0] // 4, at[1] // 4
        noise = laid(self.noise, at=begin, over=x).to(x.dtype)
        return torch.cat([x, noise.expand(len(x), -1, -1, -1)], 1)


class Paper(Transformer):
    """The network of Johnson et al., in the sizes in which their followers built it.

    Args:
        styles: number of rows; one as in Johnson et al., more as in Dumoulin et al.
    """

    multiple, reach = 4, 64

    def __init__(self, styles: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            [
                self._step(3, 32, side=9),
                self._step(32, 64, stride=2),
                self._step(64, 128, stride=2),
            ]
        )
        self.blocks = nn.ModuleList([self._block(128) for _ in range(5)])
        self.up = nn.ModuleList([self._step(128, 64), self._step(64, 32)])
        self.paint = Convolution(32, 3, side=9, bias=False)
        self._finish(styles)

    def forward(self, image: Tensor, row: Tensor, at: tuple[int, int] = (0, 0)) -> Tensor:
        """As of every `Transformer`; within, values are those of 8 bits."""
        h = (image * 255).to(self._dtype)
        for step in self.down:
            h = F.relu(_stepped(step, h, row), inplace=True)
        for block in self.blocks:
            h = _added(block, h, row)
        for step in self.up:
            h = F.relu(_stepped(step, F.interpolate(h, scale_factor=2.0), row), inplace=True)
        return self._out(self.paint(h) / 255, image, row)

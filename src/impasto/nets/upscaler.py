"""Twice as large, with edges as sharp as before: super-resolution by a small residual network.

Johnson, Alahi and Fei-Fei, ECCV 2016, section 4.3: perceptual losses make sharp what losses of
pixels leave blurred. Ours works at the small size throughout and adds to a bicubic picture what
that lacks (as in Kim, Lee and Lee, "Accurate Image Super-Resolution Using Very Deep Convolutional
Networks", CVPR 2016); the new pixels come from a convolution over the enlarged map, so that no grid
is left. Four times is twice, twice.
"""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.core.errors import WeightsError
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.nets import zoo

FACTORS = (2, 4)
CHANNELS, BLOCKS = 32, 4
RADIUS = 2 + 2 * BLOCKS + 3
"""Pixels of the small picture around a pixel that decide about what becomes of it."""
STRIP, LEAST, PIXELS = 256, 16, 1 << 18
"""Rows of the small picture that are enlarged at a time: so many at most and at least, and no more
than have so many pixels."""

Rows = Callable[[Tensor], None]
"""Takes rows (1, 3, h, W) of a picture, from top to bottom."""


class Upscaler(nn.Module):
    """A network that doubles a picture.

    Args:
        channels: of all maps.
        blocks: residual blocks of two convolutions.
    """

    def __init__(self, *, channels: int = CHANNELS, blocks: int = BLOCKS) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3)
        self.blocks = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(channels, channels, 3) for _ in range(2)) for _ in range(blocks)
        )
        self.last = nn.Conv2d(channels, 3, 3)
        with torch.no_grad():  # At first the picture is bicubic.
            self.last.weight.zero_()
            self.last.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, image: Tensor) -> Tensor:
        """Pictures (N, 3, 2·H, 2·W) from (N, 3, H, W); sRGB in [0, 1], the results not clamped."""
        dtype = self.first.weight.dtype
        h = _over(self.first, (image - 0.5).to(dtype)).relu()
        for block in self.blocks:
            first, second = block.children()
            h = h + _over(second, _over(first, h).relu())
        missing = _over(self.last, F.interpolate(h, scale_factor=2.0))
        size = (2 * image.shape[2], 2 * image.shape[3])
        return F.interpolate(image, size, mode="bicubic", align_corners=False) + missing.float()


def _over(conv: nn.Module, x: Tensor) -> Tensor:
    """A convolution over the mirrored map."""
    return conv(F.pad(x, (1, 1, 1, 1), mode="reflect" if min(x.shape[2:]) > 1 else "replicate"))


def build(state: Mapping[str, Tensor]) -> Upscaler:
    """The network of a state dict, frozen.

    Raises:
        WeightsError: it is of no such network.
    """
    try:
        blocks = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
        with torch.random.fork_rng(devices=()):  # First values are drawn, and of no use.
            network = Upscaler(channels=len(state["first.weight"]), blocks=blocks)
        network.load_state_dict({key: value.float() for key, value in state.items()})
    except (KeyError, RuntimeError) as error:
        sentence = " ".join(str(error).split())[:200]
        raise WeightsError(f"the weights are of no network that enlarges: {sentence}") from error
    return network.eval().requires_grad_(False)


def bundled() -> Upscaler:
    """The network that comes with the package.

    Raises:
        WeightsError: it is missing or damaged.
    """
    zoo.note({"upscaler": zoo.painters()["upscaler"].sha256})
    return _bundled()


@cache
def _bundled() -> Upscaler:
    return build(zoo.load_painter("upscaler")[0])


def load(path: str | Path) -> Upscaler:
    """The network in a file of `impasto train upscaler`.

    Raises:
        WeightsError: the file cannot be read, or holds no such network.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path} does not exist")
    return build(zoo.tensors(path)[0])


@torch.no_grad()
def enlarge(
    image: Image, *, by: int, network: Upscaler | None = None, report: Report = silent
) -> Image:
    """A picture once, twice or four times as large.

    Args:
        image: (1, 3, H, W), sRGB in [0, 1].
        by: one of `FACTORS`, or 1.
        network: what doubles; None is the bundled one.
        report: is told of every strip.

    Returns:
        (1, 3, by·H, by·W) in [0, 1].

    Raises:
        WeightsError: the network cannot be had.
    """
    strips: list[Tensor] = []
    whole = image.shape[2]
    enlarging(strips.append, height=whole, by=by, network=network, report=report)(image)
    return torch.cat(strips, 2)


def enlarging(
    give: Rows, *, height: int, by: int, network: Upscaler | None = None, report: Report = silent
) -> Rows:
    """What takes the rows of a picture from top to bottom, and gives them on enlarged.

    Args:
        give: takes rows (1, 3, h, by·W).
        height: of the picture.
        by: one of `FACTORS`, or 1.
        network: what doubles; None is the bundled one.
        report: is told of every strip.

    Raises:
        WeightsError: the network cannot be had.
    """
    for round_ in range(by.bit_length() - 1, 0, -1):
        give = _Doubling(network or bundled(), give, height << (round_ - 1), report).take
        report = silent  # The last doubling tells how far all is.
    return give


class _Doubling:
    """Takes the rows of a picture, and gives them on twice as large, a strip at a time."""

    def __init__(self, network: Upscaler, give: Rows, height: int, report: Report) -> None:
        self.network, self.give, self.height, self.report = network, give, height, report
        self.top, self.done = 0, 0
        self.kept: Tensor | None = None

    @torch.no_grad()
    def take(self, rows: Tensor) -> None:
        # Whoever gives rows may use their memory again.
        kept = torch.cat([rows] if self.kept is None else [self.kept, rows], 2)
        strip = max(LEAST, min(STRIP, PIXELS // rows.shape[3]))
        while self.done < self.height:
            end = min(self.height, self.done + strip)
            seen = min(self.height, end + RADIUS)
            if self.top + kept.shape[2] < seen:
                break
            made = self.network.to(kept.device)(kept[:, :, : seen - self.top]).clamp(0, 1)
            own = 2 * (self.done - self.top)
            self.give(made[:, :, own : own + 2 * (end - self.done)])
            self.done = end
            size = (2 * self.height, 2 * kept.shape[3])
            self.report(Progress("enlarge", end / self.height, size=size))
            begin = max(0, end - RADIUS)
            kept, self.top = kept[:, :, begin - self.top :], begin
        self.kept = kept

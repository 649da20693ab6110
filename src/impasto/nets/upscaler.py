"""Twice as large, with edges as sharp as before: super-resolution by a small residual network.

Johnson, Alahi and Fei-Fei, ECCV 2016, section 4.3: perceptual losses make sharp what losses of
pixels leave blurred. Ours works at the small size throughout and adds to a bicubic picture what
that lacks (as in Kim, Lee and Lee, "Accurate Image Super-Resolution Using Very Deep Convolutional
Networks", CVPR 2016); the new pixels come from a convolution over the enlarged map, so that no grid
is left. Four times is twice, twice.
"""

from collections.abc import Mapping
from functools import cache

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
STRIP = 256
"""Rows of the small picture that are enlarged at a time."""


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


@cache
def bundled() -> Upscaler:
    """The network that comes with the package.

    Raises:
        WeightsError: it is missing or damaged.
    """
    return build(zoo.load_painter("upscaler")[0])


@torch.no_grad()
def enlarge(image: Image, *, by: int, report: Report = silent) -> Image:
    """A picture twice or four times as large, made strip by strip.

    Args:
        image: (1, 3, H, W), sRGB in [0, 1].
        by: 2 or 4.
        report: is told of every strip.

    Returns:
        (1, 3, by·H, by·W) in [0, 1].

    Raises:
        WeightsError: the network cannot be had.
    """
    network = bundled().to(image.device)
    for round_ in range(by.bit_length() - 1):
        height, width = image.shape[2:]
        strips = []
        for top in range(0, height, STRIP):
            begin, end = max(0, top - RADIUS), min(height, top + STRIP + RADIUS)
            made = network(image[:, :, begin:end]).clamp(0, 1)
            own = 2 * (top - begin)
            strips.append(made[:, :, own : own + 2 * min(STRIP, height - top)])
            done = min(1.0, (top + STRIP) / height)
            report(Progress("enlarge", done, round_ + 1, (2 * height, 2 * width)))
        image = torch.cat(strips, 2)
    return image

"""The first half of a pass: the content's features, and the sums that give their moments."""

from collections.abc import Sequence

import torch
from torch import Tensor

from impasto.core.contract import Box, Frame, Sums
from impasto.core.errors import OptionError
from impasto.core.tensors import Features, Image
from impasto.nets.decoder import roughened
from impasto.nets.vgg import VGG
from impasto.ops.stats import products
from impasto.universal.palette import MULTIPLE, Palette, pooled


class Matching:
    """The first half of a pass: the content's features, and the sums that give their moments.

    Args:
        network: what to look with.
        palette: the styles.
        taps: where statistics are gathered.
        kept: where features are needed as well, to be changed.
        beyond: pixels around a tile that decide about it when features are decoded.
        rough: whether the content is shown to the network with a little noise.

    Attributes:
        margin, glance: pixels of surroundings that decide about a pixel, and about the sums.
        multiple: tiles begin at multiples of it.
    """

    multiple = MULTIPLE

    def __init__(
        self,
        network: VGG,
        palette: Palette,
        *,
        taps: Sequence[str],
        kept: Sequence[str],
        beyond: int,
        rough: bool,
    ) -> None:
        self.network, self.palette, self.taps, self.kept = network, palette, taps, kept
        self.glance = radius(network, taps)
        self.margin = -(-(beyond + self.glance) // MULTIPLE) * MULTIPLE
        self.rough = rough
        self._seen: tuple[Frame, Features] | None = None

    @torch.no_grad()
    def gather(self, frame: Frame, inside: Box) -> Sums:
        """Tap to the sums of `products` of each region, (R, C + 1, C + 1), over one tile.

        Raises:
            OptionError: there is not one region for each style.
        """
        count = len(self.palette.shares)
        if frame.regions and len(frame.regions) != count:
            raise OptionError(
                f"regions must be one for each of the {count} styles; got {len(frame.regions)}"
            )
        self._seen = None  # Before others take memory.
        features = self.network(self._shown(frame), self.taps)
        # A picture that is one tile is changed next, and need not be looked at again.
        self._seen = frame, {tap: features[tap] for tap in self.kept}
        return gathered(features, frame, inside)

    def features(self, frame: Frame) -> Features:
        """The content's features at `kept`."""
        seen, self._seen = self._seen, None
        if seen is not None and seen[0] is frame:
            return seen[1]
        return self.network(self._shown(frame), self.kept)

    def _shown(self, frame: Frame) -> Image:
        if not self.rough:
            return frame.content
        place = frame.place or (0, 0)
        return roughened(frame.content, at=(place[0], place[1]))


def gathered(features: Features, frame: Frame, inside: Box) -> Sums:
    """Tap to the sums of `products` of each region, (R, C + 1, C + 1), over one tile."""
    masks = torch.cat(list(frame.regions)) if frame.regions else None
    sums = {}
    for tap, f in features.items():
        stride = frame.content.shape[2] // f.shape[2]
        weights = pooled(masks, f)
        part = None if weights is None else _cut(weights, inside, stride)
        sums[tap] = products(_cut(f, inside, stride), part)
    return sums


def _cut(values: Tensor, box: Box, stride: int) -> Tensor:
    top, left, height, width = (side // stride for side in box)
    return values[:, :, top : top + height, left : left + width]


def radius(network: VGG, taps: Sequence[str]) -> int:
    """Pixels around the position of a tap, at most, that the network sees there."""
    return sum(2 ** (int(layer[4]) - 1) for layer in network.down_to(taps))


def confined(image: Image, frame: Frame, *, passes: int = 1) -> Image:
    """The picture within the regions of a frame, its content beyond them.

    Args:
        image: in the size of the content.
        frame: what was changed, and where.
        passes: how often this is done. Where a region covers in part, the content is let through so
            much the more each time that after all of them it shows as through one.
    """
    if not frame.regions:
        return image
    cover = torch.cat(list(frame.regions)).sum(0, keepdim=True).clamp(0, 1)
    return torch.lerp(frame.content, image, 1 - (1 - cover) ** (1 / passes))

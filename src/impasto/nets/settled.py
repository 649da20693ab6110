"""A network that paints a picture tile by tile, its normalisations settled once for all tiles.

Instance normalisation needs mean and deviation of the whole picture, in every layer anew. Here they
are taken from windows that lie evenly over the picture, in full size, which go through the network
together; then each normalisation is a gain and a shift, every tile gets the same, and there is no
seam. What is painted differs from the whole by what the windows do not see: a few hundredths.
"""

import copy
from collections.abc import Callable, Sequence
from math import ceil, sqrt
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.core.contract import Box, Frame, Sums
from impasto.core.tensors import Image
from impasto.nets.trained import MARGIN
from impasto.nets.transformer import EPSILON, Norm, Transformer, mean
from impasto.ops.resample import resize

WINDOWS, SIDE = 40, 160
"""Of the picture that are looked at, about so many, and their side in pixels of the network."""
FINEST = 32
"""Parts of a tile in which a scale is expressed."""


class Painting:
    """A pass that paints with a network; see `impasto.core.contract.Pass`.

    Args:
        network: what to paint with; a copy of it is settled.
        size: height and width of the picture.
        rows: whether there are regions to the rows (1, R) that paintings are needed of.
        finish: the frame and its painting in each row to what is seen.
        scale: size of strokes over that which was trained, about.
        half: paint in bfloat16.
    """

    def __init__(
        self,
        network: Transformer,
        size: tuple[int, int],
        *,
        rows: Callable[[bool], Sequence[Tensor]],
        finish: Callable[[Frame, Sequence[Image]], Image],
        scale: float = 1.0,
        half: bool = False,
    ) -> None:
        self.rows, self.finish, self.half = rows, finish, half
        self.network = copy.deepcopy(network)
        # Tiles begin where pixels of both pictures do.
        parts = 1 if scale == 1 else FINEST
        self.small = network.multiple * max(1, round(parts / scale))
        self.multiple = network.multiple * parts
        self.margin = self._up(network.reach)
        self.places = _places(size, self._up(SIDE))

    def _up(self, side: int) -> int:
        """Pixels of the picture for at least so many of the network, in whole multiples."""
        return -(-side // self.small) * self.multiple

    def gather(self, frame: Frame, inside: Box) -> Sums:
        """The windows whose centre lies in the tile, and nothing in place of the others."""
        at = frame.place or Box(0, 0, *frame.content.shape[2:])
        side = self._up(SIDE)
        found = torch.zeros((len(self.places), 3, side, side))
        for number, (top, left) in enumerate(self.places):
            down, across = top - at.top, left - at.left
            middle = down + side // 2 - inside.top, across + side // 2 - inside.left
            if 0 <= middle[0] < inside.height and 0 <= middle[1] < inside.width:
                window = frame.content[0, :, down : down + side, across : across + side]
                found[number] = F.pad(window.cpu()[None], _missing(window, side), mode="replicate")[
                    0
                ]
        return {"windows": found}

    def change(self, sums: Sums) -> Callable[[Frame], Image]:
        """Settle the network by the windows, and paint a tile after the other."""
        windows = sums["windows"].float()
        side = windows.shape[2] // self.multiple * self.small
        windows = torch.cat([resize(each, (side, side)) for each in windows.split(1)])
        settled: list[Tensor] = []

        @torch.inference_mode()
        def changed(frame: Frame) -> Image:
            if not settled:
                settled.extend(self._settled(windows.to(frame.content), bool(frame.regions)))
            return self.finish(frame, [self._painted(frame, row) for row in settled])

        return changed

    def _settled(self, windows: Tensor, regions: bool) -> list[Tensor]:
        found = [settle(self.network, windows, row) for row in self.rows(regions)]
        _replace(self.network, _Affine)
        if self.half:
            self.network.half()
        return found

    def _painted(self, frame: Frame, row: Tensor) -> Image:
        height, width = frame.content.shape[2:]
        place = frame.place or Box(0, 0, height, width)
        top, left, *size = (
            side // self.multiple * self.small for side in (place.top, place.left, height, width)
        )
        shown = resize(frame.content, cast("tuple[int, int]", tuple(size)))
        shown = shown.contiguous(memory_format=torch.channels_last)
        # As if the whole had the margin that `trained.paint` gives it.
        painted = self.network(shown, row, (top + MARGIN, left + MARGIN))
        return resize(painted.clamp(0, 1), (height, width)).contiguous()


@torch.inference_mode()
def settle(network: Transformer, windows: Tensor, row: Tensor) -> Tensor:
    """The row (1, R) with which plain gains and shifts do what normalisations do for the windows.

    Args:
        network: stays as it is.
        windows: (N, 3, h, w), of one picture: all together are normalised.
        row: (1, R).
    """
    noting = copy.deepcopy(network)
    notes: list[_Noting] = _replace(noting, _Noting)
    noting(windows.contiguous(memory_format=torch.channels_last), row.expand(len(windows), -1))
    found = row.clone()
    for note in notes:
        found[:, note.begin : note.end] = note.found
    return found


class _Affine(nn.Module):
    """In place of a normalisation: gains and shifts out of the row, and nothing else."""

    def __init__(self, norm: Norm) -> None:
        super().__init__()
        self.channels, self.begin, self.end = norm.channels, norm.begin, norm.end

    def forward(self, x: Tensor, row: Tensor) -> Tensor:
        """The maps (N, C, h, w), scaled and shifted."""
        own = row[:, self.begin : self.end, None, None].to(x.dtype)
        gain, shift = own.split(self.channels, 1)
        return torch.addcmul(shift, x, gain)


class _Noting(_Affine):
    """A normalisation of all maps together, which notes the gains and shifts that it comes to."""

    found: Tensor

    def forward(self, x: Tensor, row: Tensor) -> Tensor:
        """The maps (N, C, h, w), normalised, scaled and shifted."""
        gain, shift = row[:1, self.begin : self.end, None, None].split(self.channels, 1)
        level = mean(x).mean(0, keepdim=True)
        gain = gain / (mean((x - level).square()).mean(0, keepdim=True) + EPSILON).sqrt()
        shift = shift - level * gain
        self.found = torch.cat([gain, shift], 1).flatten(1)
        return torch.addcmul(shift, x, gain)


def _replace(network: nn.Module, kind: type) -> list:
    """Put these in the place of all normalisations."""
    made = []
    for module in list(network.modules()):
        for name, norm in list(module.named_children()):
            if isinstance(norm, Norm):
                made.append(kind(norm))
                setattr(module, name, made[-1])
    return made


def _places(size: tuple[int, int], side: int) -> list[tuple[int, int]]:
    """Where windows begin: in the middles of about square parts of the picture."""
    part = sqrt(size[0] * size[1] / WINDOWS)
    across = [_evenly(length, max(1, round(length / part)), side) for length in size]
    return [(top, left) for top in across[0] for left in across[1]]


def _evenly(length: int, count: int, side: int) -> list[int]:
    # Where the whole length can be seen it is, if need be by windows that overlap.
    count = min(count, ceil(length / side))
    middles = ((i + 0.5) * length / count for i in range(count))
    return [int(min(max(0, middle - side / 2), max(0, length - side))) for middle in middles]


def _missing(window: Tensor, side: int) -> tuple[int, int, int, int]:
    """How a window of a picture that is smaller is filled up."""
    return 0, side - window.shape[2], 0, side - window.shape[1]

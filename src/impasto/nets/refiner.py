"""A network that looks at what a pass has made and says how to bring it nearer to the style.

After Andrychowicz et al., "Learning to learn by gradient descent by gradient descent", NeurIPS
2016, arXiv 1606.04474, as `nets.optimizer`. Departures:

1. It is asked once or twice, of a picture that is stylized already, and nothing is taken back.
2. Beside the gradient it sees where that comes from: the activations of `petit`, and at each place
   what they have to do with the style that is missed (`impasto.ops.errors`). That is a matter of
   one matrix, so it is folded into the weights that see it.

How it was trained, together with the decoder whose pictures it sees: `impasto.training.refiner`.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.nets import zoo
from impasto.nets.decoder import STATISTICS
from impasto.nets.optimizer import MOVE, Block, Pictures, assembled, gelu, silent, without_grid
from impasto.nets.petit import WIDTHS

CHANNELS = (24, 40, 64)
"""At a half, a quarter and an eighth of the size."""
GRADIENT = 30.0
"""A usual size of the gradient that it is shown."""

Maps = Sequence[Float[Tensor, "N _ _ _"]]
Matrices = Sequence[Float[Tensor, "R _ _"]]


def nothing_to_join(maps: Tensor) -> Tensor:
    """Where every picture has a map of its own."""
    return maps


class Refiner(nn.Module):
    """A picture and what is missed of a style to a move of the picture; at first it does not move.

    Args:
        channels: of its maps at a half, a quarter and an eighth of the size.

    Attributes:
        usual: usual sizes of the activations at `STATISTICS`, then of the errors there.
        margin: pixels around a place that decide about its move, but for less than 1e-6.
    """

    usual: Tensor
    margin = 36

    def __init__(self, channels: tuple[int, int, int] = CHANNELS) -> None:
        super().__init__()
        fine, middle, coarse = channels
        first, second, third, fourth = (WIDTHS[tap.replace("relu", "conv")] for tap in STATISTICS)
        self.coarse_enter = nn.Conv2d(2 * fourth, coarse, 1)
        self.coarse = Block(coarse)
        self.coarse_up = nn.Conv2d(coarse, middle, 1)
        self.middle_enter = nn.Conv2d(2 * third, middle, 1)
        self.middle = nn.Sequential(Block(middle), Block(middle))
        self.middle_up = nn.Conv2d(middle, fine, 1)
        self.fine_enter = nn.Conv2d(2 * second, fine, 1)
        self.finest_enter = nn.Conv2d(2 * first, fine, 2, stride=2)
        self.enter = nn.Conv2d(9, fine, 6, stride=2, padding=2)
        self.fine = Block(fine)
        self.leave = silent(nn.Conv2d(fine, 12, 3, padding=1))
        self.register_buffer("usual", torch.ones(2 * len(STATISTICS)))
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(
        self,
        image: Pictures,
        content: Pictures,
        gradient: Pictures,
        features: Maps,
        errors: Matrices,
        *,
        joined: Callable[[Tensor], Tensor] = nothing_to_join,
    ) -> Pictures:
        """How the picture should move, (N, 3, H, W), float32.

        Args:
            image: (N, 3, H, W), sRGB in [0, 1]; H and W are multiples of 8.
            content: what it was made of.
            gradient: of what is missed of the style, see `impasto.ops.errors.slopes`.
            features: activations of the picture at `STATISTICS`.
            errors: the matrices of what is missed of the style there, see `impasto.ops.errors`: of
                each picture, or of each region of a single one.
            joined: makes one map (1, C, h, w) of those of regions.
        """
        dtype = self.enter.weight.dtype

        def seen(name: str, at: int) -> Tensor:
            f, conv = features[at].to(dtype), self.get_submodule(name)
            return joined(self._entered(cast("nn.Conv2d", conv), f, errors[at], at))

        coarse = gelu(self.coarse(seen("coarse_enter", 3)))
        middle = seen("middle_enter", 2) + _twice(self.coarse_up(coarse))
        middle = gelu(self.middle(middle))
        fine = seen("fine_enter", 1) + _twice(self.middle_up(middle)) + seen("finest_enter", 0)
        # Three colours are quicker side by side as planes.
        image, content, gradient = (x.contiguous() for x in (image, content, gradient))
        shown = (image - 0.5, content - image, gradient / GRADIENT)
        entered = torch.cat([x.to(dtype) for x in shown], 1)
        fine = fine + self.enter(entered.contiguous(memory_format=torch.channels_last))
        out = self.leave(gelu(self.fine(gelu(fine)))).float()
        return MOVE * F.pixel_shuffle(without_grid(out), 2)

    def _entered(self, conv: nn.Conv2d, features: Tensor, errors: Tensor, at: int) -> Tensor:
        """A convolution of f and E f side by side, which is one of f: a map for each E."""
        seen, missed = conv.weight.float().chunk(2, 1)
        usual, far = self.usual[at], self.usual[len(STATISTICS) + at]
        weights = seen / usual + torch.einsum("kchw,rcd->rkdhw", missed, errors / far)
        weights = weights.to(features.dtype)
        maps = [
            F.conv2d(f, weight, conv.bias, conv.stride)
            for f, weight in zip(_all(features.split(1), len(errors)), weights, strict=True)
        ]
        return maps[0] if len(maps) == 1 else torch.cat(maps)

    def half(self) -> "Refiner":
        """This network in bfloat16, in place; the move is float32 still."""
        return self.bfloat16()


def build(state: Mapping[str, Tensor]) -> Refiner:
    """The network of a state dict, frozen.

    Raises:
        WeightsError: it is of no such network.
    """
    return assembled(Refiner, state, ("fine_enter", "middle_enter", "coarse_enter"), "refiner")


@cache
def bundled(device: torch.device, *, half: bool = False) -> Refiner:
    """The network that comes with the package; it is loaded once, for it is asked for every style.

    Args:
        device: where it is to calculate.
        half: in bfloat16.

    Raises:
        WeightsError: it is missing, damaged, or of another `petit`.
    """
    network = build(zoo.load_decoder("refiner")).to(device)
    return network.half() if half else network


def _all(pictures: Sequence[Tensor], count: int) -> Sequence[Tensor]:
    """So many pictures: one is there for all."""
    return [pictures[0]] * count if len(pictures) == 1 else pictures


def _twice(h: Tensor) -> Tensor:
    """Every position twice along both sides."""
    return F.interpolate(h, scale_factor=2.0)

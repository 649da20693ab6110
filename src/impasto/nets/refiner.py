"""A network that looks at what a pass has made and says how to bring it nearer to the style.

After Andrychowicz et al., "Learning to learn by gradient descent by gradient descent", NeurIPS
2016, arXiv 1606.04474, as `nets.optimizer`. Departures:

1. It is asked once or twice, of a picture that is stylized already, and nothing is taken back.
2. Beside the gradient it sees where that comes from: the activations of `petit`, and at each place
   what they have to do with the style that is missed (`impasto.ops.errors`).

How it was trained, together with the decoder whose pictures it sees: `impasto.training.refiner`.
"""

from collections.abc import Mapping, Sequence
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.nets import zoo
from impasto.nets.decoder import STATISTICS
from impasto.nets.optimizer import MOVE, Block, Pictures, assembled, silent, without_grid
from impasto.nets.petit import WIDTHS

CHANNELS = (24, 40, 64)
"""At a half, a quarter and an eighth of the size."""
GRADIENT = 30.0
"""A usual size of the gradient that it is shown."""

Maps = Sequence[Float[Tensor, "N _ _ _"]]


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
        self, image: Pictures, content: Pictures, gradient: Pictures, features: Maps, errors: Maps
    ) -> Pictures:
        """How the picture should move, (N, 3, H, W), float32.

        Args:
            image: (N, 3, H, W), sRGB in [0, 1]; H and W are multiples of 8.
            content: what it was made of.
            gradient: of what is missed of the style, see `impasto.ops.errors.slopes`.
            features: activations of the picture at `STATISTICS`.
            errors: what is missed of the style there, see `impasto.ops.errors.felt`.
        """
        dtype = self.enter.weight.dtype
        usual, count = self.usual.to(dtype), len(STATISTICS)

        def both(at: int) -> Tensor:
            size, far = usual[at], usual[count + at]
            return torch.cat([features[at].to(dtype) / size, errors[at].to(dtype) / far], 1)

        coarse = F.gelu(self.coarse(self.coarse_enter(both(3))))
        middle = F.gelu(self.middle(self.middle_enter(both(2)) + _twice(self.coarse_up(coarse))))
        fine = self.fine_enter(both(1)) + _twice(self.middle_up(middle))
        fine = fine + self.finest_enter(both(0))
        seen = torch.cat([image - 0.5, content - image, gradient / GRADIENT], 1)
        fine = fine + self.enter(seen.to(dtype, memory_format=torch.channels_last))
        out = self.leave(F.gelu(self.fine(F.gelu(fine)))).float()
        return MOVE * F.pixel_shuffle(without_grid(out), 2)

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


def _twice(h: Tensor) -> Tensor:
    """Every position twice along both sides."""
    return F.interpolate(h, scale_factor=2.0)

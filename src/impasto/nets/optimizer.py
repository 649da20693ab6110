"""A network that looks at a picture and the gradient there, and says how the picture should move.

Andrychowicz et al., "Learning to learn by gradient descent by gradient descent", NeurIPS 2016,
arXiv 1606.04474, whose section 3.4 descends Gatys' loss so. Departures:

1. Theirs sees one value at a time; ours is convolutional, at a half, a quarter and an eighth of the
   size, and sees the content as well: it knows what a move does to its neighbours.
2. Theirs has a memory. Ours is told the last move and how the gradient has turned by it, which is
   what a quasi-Newton method learns from.
3. It is asked for the first few moves only, and each is taken back if the loss has grown: see
   `impasto.optimize`. How it was trained: `impasto.training.optimizer`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from math import comb
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.core.errors import WeightsError
from impasto.core.tensors import Image
from impasto.nets import zoo
from impasto.nets.vgg import bfloat16_is_fast

_Any = TypeVar("_Any", bound=nn.Module)
Pictures = Float[Tensor, "N 3 H W"]

CHANNELS = (32, 48, 48)
"""At a half, a quarter and an eighth of the size."""
PARTS = 15
"""Channels that it is shown: five pictures."""
MULTIPLE, WINDOW = 8, 14
GRADIENT, MOVE = 50.0, 0.1
"""Usual sizes: of the gradient of the logarithm of the loss, for all pixels together, and at most
of a move. Inside, all has a size of about 1."""


class Block(nn.Module):
    """A residual block that at first changes nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = silent(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, h: Tensor) -> Tensor:
        """The map, changed a little."""
        return h + self.second(gelu(self.first(h)))


def gelu(h: Tensor) -> Tensor:
    """`F.gelu` of a map whose channels lie together, which is quicker where they come last."""
    return F.gelu(h.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LearnedOptimizer(nn.Module):
    """Five pictures to the move of the first; at first it does not move.

    Args:
        channels: of its maps at a half, a quarter and an eighth of the size.
    """

    def __init__(self, channels: tuple[int, int, int] = CHANNELS) -> None:
        super().__init__()
        half, quarter, eighth = channels
        self.enter = nn.Conv2d(PARTS, half, 6, stride=2, padding=2)
        self.down = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.quarter = nn.Sequential(Block(quarter), Block(quarter))
        self.deeper = nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)
        self.eighth = nn.Sequential(Block(eighth), Block(eighth))
        self.up = nn.Conv2d(eighth, quarter, 1)
        self.joined = Block(quarter)
        self.higher = nn.Conv2d(quarter, half, 1)
        self.last = nn.Conv2d(half, half, 3, padding=1)
        self.leave = silent(nn.Conv2d(half, 12, 3, padding=1))
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(
        self,
        image: Pictures,
        content: Pictures,
        gradient: Pictures,
        moved: Pictures,
        turned: Pictures,
    ) -> Pictures:
        """How the picture should move, (N, 3, H, W), float32.

        Args:
            image: (N, 3, H, W), sRGB in [0, 1].
            content: what it was made of.
            gradient: of the logarithm of the loss at the picture, times the number of its values.
            moved: the last move.
            turned: how the gradient has changed by it.
        """
        height, width = image.shape[2:]
        shown = [
            image - 0.5,
            content - image,
            gradient / GRADIENT,
            moved / MOVE,
            turned / GRADIENT,
        ]
        missing = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        h = F.pad(torch.cat(shown, 1), missing, mode="replicate")
        h = h.to(self.enter.weight.dtype, memory_format=torch.channels_last)
        half = gelu(self.enter(h))
        quarter = self.quarter(gelu(self.down(half)))
        eighth = self.eighth(gelu(self.deeper(quarter)))
        quarter = self.joined(quarter + F.interpolate(self.up(eighth), scale_factor=2.0))
        half = half + F.interpolate(self.higher(quarter), scale_factor=2.0)
        out = self.leave(gelu(self.last(gelu(half)))).float()
        return MOVE * F.pixel_shuffle(without_grid(out), 2)[:, :, :height, :width]


class Leading:
    """Leads one descent: what `impasto.optimize.Lead` is.

    Args:
        network: says how to move.
        content: what the picture is made of, in its size.
    """

    def __init__(self, network: LearnedOptimizer, content: Image) -> None:
        self.network, self.content = network, content
        self.moved = self.gradient = None

    @torch.no_grad()
    def __call__(self, image: Image, gradient: Image, loss: float) -> Image:
        """The move from here; what was learnt by the one before is taken into account."""
        gradient = gradient * (gradient.numel() / loss)
        moved, turned = torch.zeros_like(image), torch.zeros_like(image)
        if self.moved is not None and self.gradient is not None:
            moved, turned = self.moved, gradient - self.gradient
        self.gradient = gradient
        self.moved = self.network(image, self.content, gradient, moved, turned).contiguous()
        return self.moved


def build(state: Mapping[str, Tensor]) -> LearnedOptimizer:
    """The network of a state dict, frozen.

    Raises:
        WeightsError: it is of no such network.
    """
    return assembled(LearnedOptimizer, state, ("enter", "down", "deeper"), "learned optimizer")


def assembled(
    kind: Callable[[tuple[int, int, int]], _Any],
    state: Mapping[str, Tensor],
    names: tuple[str, str, str],
    called: str,
) -> _Any:
    """A network of a kind with the weights of a state dict, frozen.

    Args:
        kind: takes the channels of its maps at a half, a quarter and an eighth of the size.
        state: its weights.
        names: of convolutions that give these channels.
        called: for the sentence.

    Raises:
        WeightsError: the weights are of no such network.
    """
    try:
        half, quarter, eighth = (len(state[f"{name}.weight"]) for name in names)
        with torch.random.fork_rng(devices=()):  # First values are drawn, and of no use.
            network = kind((half, quarter, eighth))
        network.load_state_dict({key: value.float() for key, value in state.items()})
    except (KeyError, RuntimeError) as error:
        sentence = " ".join(str(error).split())[:200]
        raise WeightsError(f"the weights are of no {called}: {sentence}") from error
    return network.eval().requires_grad_(False)


def bundled(device: torch.device, *, precise: bool = False) -> LearnedOptimizer:
    """The network that comes with the package, in the precision that is quick on a device.

    Args:
        device: where it is to calculate.
        precise: in float32 wherever that is.

    Raises:
        WeightsError: it is missing, damaged, or of another `petit`.
    """
    zoo.note({"optimizer": zoo.optimizers()["optimizer"].sha256})
    return _bundled(device, not precise and bfloat16_is_fast(device))


@cache
def _bundled(device: torch.device, half: bool) -> LearnedOptimizer:
    network = build(zoo.load_decoder("optimizer")).to(device)
    return network.bfloat16() if half else network


def without_grid(cells: Float[Tensor, "N D h w"]) -> Float[Tensor, "N D h w"]:
    """Maps without what is the same in every cell of 2 x 2 pixels, round about each.

    Each place of a cell has an output of its own, so a network can give it a brightness of its own
    as well (Odena, Dumoulin and Olah, "Deconvolution and Checkerboard Artifacts", Distill 2016).
    That is found by a binomial window, which sees nothing of what is smooth.

    Args:
        cells: what `pixel_shuffle` is to make a picture of, the four places of a cell for each
            colour, so D = 4 C.
    """
    count, depth, height, width = cells.shape
    windows, place = _windows().to(cells), torch.arange(depth, device=cells.device) % 4
    edge = WINDOW // 4
    own = F.pad(cells, (edge, edge, edge, edge), mode="replicate")
    own = F.conv2d(own, windows[place // 2].view(depth, 1, -1, 1), groups=depth)
    own = F.conv2d(own, windows[place % 2].view(depth, 1, 1, -1), groups=depth)
    own = own.view(count, -1, 4, height, width)
    return cells - (own - own.mean(2, keepdim=True)).view_as(cells)


@cache
def _windows() -> Tensor:
    """How much the first pixels of cells count along a side, and the second: (2, 7)."""
    window = torch.tensor([float(comb(WINDOW - 1, k)) for k in range(WINDOW)])
    return window.view(-1, 2).mT / 2 ** (WINDOW - 2)


def silent(conv: nn.Conv2d) -> nn.Conv2d:
    """The convolution, which gives nothing until it has learnt."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]
    return conv

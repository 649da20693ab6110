"""Convolutions of 3 x 3 with a quarter of the multiplications, for processors.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4.3: a
square of 4 x 4 results is a product of 6 x 6 numbers, seen from a base in which the convolution is
pointwise. What is left of it is a product of matrices for each of the 36 places, and two small ones
that change the base.

Rounding is coarser than in a plain convolution. So each channel's mean is taken off before, and
its share put back behind: of a flat map nothing is left to be rounded.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.nets.transformer import Convolution, mean

LEAST = 64
"""Channels from which on it is quicker: with fewer, changes of the base take what is saved."""
SIDE, SEEN = 4, 6
"""Of a square of results, and of what is seen for it."""
HELD = 1 << 18
"""Numbers of a changed map at a time, so that they stay near the processor."""
_INTO = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_WEIGHTS = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_BACK = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))


class Winograd(nn.Module):
    """What a convolution over the mirrored map does, in float32 and without gradients.

    Args:
        conv: of 3 x 3 and stride 1, in float32.
    """

    def __init__(self, conv: Convolution) -> None:
        super().__init__()
        change = torch.tensor(_WEIGHTS, dtype=torch.float64)
        weight = torch.einsum("ia,jb,ocab->ijco", change, change, conv.weight.double())
        self.register_buffer("weight", weight.flatten(0, 1).float().contiguous())
        self.register_buffer("bias", conv.bias)
        self.register_buffer("total", conv.weight.sum((2, 3)).T.contiguous())
        for name, matrix in (("into", _INTO), ("back", _BACK)):
            one = torch.tensor(matrix, dtype=torch.float64)
            self.register_buffer(name, torch.kron(one, one).float())

    def forward(self, x: Tensor) -> Tensor:
        """The map (N, C', h, w) of (N, C, h, w)."""
        return torch.cat([self._one(part) for part in x.split(1)]) if len(x) > 1 else self._one(x)

    def _one(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        level = mean(x)
        bias = self.get_buffer("bias") + level.flatten() @ self.get_buffer("total")
        mode = "reflect" if min(height, width) > 1 else "replicate"
        padded = F.pad(x - level, (1, 1, 1, 1), mode=mode)
        down, across = (-side % SIDE for side in (height, width))
        seen = F.pad(padded, (0, across, 0, down)).permute(0, 2, 3, 1).contiguous()
        rows, columns = (height + down) // SIDE, (width + across) // SIDE
        out = torch.empty(1, rows * SIDE, columns * SIDE, len(bias), device=x.device)
        step = max(1, HELD // (SEEN**2 * columns * x.shape[1]))
        for top in range(0, rows, step):
            part = seen[:, top * SIDE : (top + step) * SIDE + SEEN - SIDE]
            put = out[:, top * SIDE : (top + step) * SIDE].view(-1, SIDE, columns, SIDE, len(bias))
            torch.add(self._squares(part, columns), bias, out=put)
        return out.permute(0, 3, 1, 2)[:, :, :height, :width]

    def _squares(self, seen: Tensor, columns: int) -> Tensor:
        """Rows of squares without bias, (rows, SIDE, columns, SIDE, C')."""
        _, row, column, _ = seen.stride()
        rows = seen.shape[1] // SIDE
        squares = seen.as_strided(
            (SEEN, SEEN, rows, columns, seen.shape[3]),
            (row, column, SIDE * row, SIDE * column, 1),
        )
        changed = self.get_buffer("into") @ squares.reshape(SEEN**2, -1)
        made = torch.bmm(changed.view(SEEN**2, rows * columns, -1), self.get_buffer("weight"))
        made = self.get_buffer("back") @ made.view(SEEN**2, -1)
        return made.view(SIDE, SIDE, rows, columns, -1).permute(2, 0, 3, 1, 4)


def quicken(network: nn.Module) -> None:
    """Put `Winograd` in the place of all convolutions for which it is quicker."""
    for module in list(network.modules()):
        for name, conv in list(module.named_children()):
            if (
                isinstance(conv, Convolution)
                and conv.kernel_size == (3, 3)
                and conv.stride == (1, 1)
                and min(conv.in_channels, conv.out_channels) >= LEAST
            ):
                setattr(module, name, Winograd(conv))

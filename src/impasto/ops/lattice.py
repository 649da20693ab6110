"""Square blocks in rows and columns that overlap their neighbours and cover a picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Lattice:
    """Blocks of one size that cover a picture, and reach beyond it on the right and below.

    Attributes:
        size: height and width of the picture.
        block: side of a block in pixels.
        overlap: pixels by which neighbours overlap, from 1 to half a block.
    """

    size: tuple[int, int]
    block: int
    overlap: int

    @property
    def step(self) -> int:
        """Pixels from one block to the next."""
        return self.block - self.overlap

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        rows, columns = (max(1, ceil((side - self.overlap) / self.step)) for side in self.size)
        return rows, columns

    def grown(self, picture: Float[Tensor, "C h w"]) -> Float[Tensor, "C H W"]:
        """The picture as far as the blocks reach, its last pixels repeated."""
        bottom, right = (
            count * self.step + self.overlap - side
            for count, side in zip(self.shape, self.size, strict=True)
        )
        return F.pad(picture[None], (0, right, 0, bottom), mode="replicate")[0]

    def waves(self) -> Iterator[tuple[Int[Tensor, " n"], Int[Tensor, " n"]]]:
        """Rows and columns of blocks that can be laid at once, since their neighbours lie already.

        From left to right and from top to bottom, a block leans on those on its left, above it, and
        above on its right. So a whole diagonal can be laid together.
        """
        rows, columns = self.shape
        for wave in range(columns + 2 * (rows - 1)):
            row = torch.arange(max(0, (wave - columns + 2) // 2), min(rows, wave // 2 + 1))
            if len(row):
                yield row, wave - 2 * row

    def leaning(self) -> Float[Tensor, "4 B B"]:
        """1 where a block overlaps a neighbour that lies, for four kinds of blocks.

        The first has no such neighbour, the second one on its left, the third one above, the fourth
        both.
        """
        near = (torch.arange(self.block) < self.overlap).float().expand(self.block, -1)
        return torch.stack([0 * near, near, near.T, torch.maximum(near, near.T)])


def squares(places: Int[Tensor, "n 2"], side: int, *, width: int) -> Int[Tensor, "n B B"]:
    """Which pixels the squares at these places hold: row · width + column."""
    inside = torch.arange(side, device=places.device)
    corner = places[:, 0] * width + places[:, 1]
    return corner[:, None, None] + inside[:, None] * width + inside

"""Cuts through the overlap of two pictures, along which they differ least.

Efros and Freeman, "Image Quilting for Texture Synthesis and Transfer", SIGGRAPH 2001, section 2.1.
Everything works on many blocks at once, since a single one is too little work for a tensor.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

FAR = 1e30
"""More than any error, and finite, so that sums of it can be subtracted."""


def kept(
    error: Float[Tensor, "N B B"],
    overlap: int,
    *,
    left: Bool[Tensor, " N"],
    top: Bool[Tensor, " N"],
) -> Bool[Tensor, "N B B"]:
    """Which pixels of new blocks are kept where they overlap what is there on the left and above.

    Where a block has both neighbours, the cut comes up through the left overlap and leaves through
    the one above; where the two legs meet is part of what is optimised.

    Args:
        error: squared difference of the new block and what is there; used in the overlaps only.
        overlap: columns on the left and rows above, at least 1.
        left: whether there is a neighbour on the left.
        top: whether there is one above.

    Returns:
        True for the new block; the cut itself belongs to it.
    """
    # A missing neighbour is a path along the very border that costs nothing.
    border = error.new_full((overlap,), FAR)
    border[0] = 0
    strips = torch.stack([error[:, :, :overlap], error.mT[:, :, :overlap]])
    strips = torch.where(torch.stack([left, top])[..., None, None], strips, border)
    costs = cumulative(strips.flatten(0, 1)).unflatten(0, strips.shape[:2])
    # Row i and column j where the legs meet, (N, overlap, overlap); its error counts once.
    corner = costs[0, :, :overlap] + costs[1, :, :overlap].mT
    corner -= torch.minimum(strips[0, :, :overlap], strips[1, :, :overlap].mT)
    meeting = corner.flatten(1).argmin(1)
    row, column = meeting // overlap, meeting % overlap
    legs = traced(
        costs.flatten(0, 1), torch.cat([row, column]), torch.cat([column, row])
    ).unflatten(0, strips.shape[:2])
    place = torch.arange(error.shape[1], device=error.device)
    return (place >= legs[0][:, :, None]) & (place[:, None] >= legs[1][:, None, :])


def cumulative(error: Float[Tensor, "N L W"]) -> Float[Tensor, "N L W"]:
    """The least error of a path from each place to the last row, both ends included.

    A path goes from row to row and moves by at most one column: the paper's E, from below.
    """
    rows = [error[:, -1]]
    for row in error[:, :-1].unbind(1)[::-1]:
        around = F.pad(rows[-1], (1, 1), value=FAR)
        rows.append(row + around.unfold(1, 3, 1).amin(2))
    return torch.stack(rows[::-1], 1)


def traced(cost: Float[Tensor, "N L W"], row: Tensor, column: Tensor) -> Tensor:
    """The column of the best path in every row, (N, L), from a place of each strip downwards.

    Rows above the place have its column.

    Args:
        cost: of `cumulative`.
        row: where the paths begin, (N,).
        column: likewise.
    """
    around = F.pad(cost, (1, 1), value=FAR).unfold(2, 3, 1)
    moves = around.argmin(3) - 1
    path = [column]
    for i in range(1, cost.shape[1]):
        onwards = path[-1] + moves[:, i].gather(1, path[-1][:, None])[:, 0]
        path.append(torch.where(i > row, onwards, column))
    return torch.stack(path, 1)

"""Regions of a picture: how they share it, and what a layer of a network sees of them.

A mask is float32 (1, 1, H, W), from 0, nowhere, to 1, fully.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from impasto.core.tensors import Mask

SEEN = 3
"""Positions along a side from which a position gets four fifths of what it knows: measured as the
energy of its gradient, 0.8 at relu2_1 to relu5_1 of `petit` and VGG-19 alike. The whole receptive
field is far wider, but hardly counts at its rim (Luo et al., NeurIPS 2016)."""
PURITY = 4
"""A position that sees a region by half counts a sixteenth."""


def scaled(mask: Mask, size: tuple[int, int]) -> Mask:
    """To (height, width), in [0, 1]."""
    if tuple(mask.shape[2:]) == tuple(size):
        return mask
    out = F.interpolate(mask, size, mode="bilinear", antialias=True, align_corners=False)
    return out.clamp(0, 1)


def cover(regions: Sequence[Mask]) -> Mask | None:
    """Where any region is; None if that is everywhere."""
    if not regions:
        return None
    covered = torch.cat(list(regions)).sum(0, keepdim=True).clamp(0, 1)
    return None if bool((covered == 1).all()) else covered


def shared(regions: Sequence[Mask], weights: Sequence[float]) -> list[Mask]:
    """The regions, sharing by weight where they overlap; their sum is what they cover."""
    weighed = [region * weight for region, weight in zip(regions, weights, strict=True)]
    total = torch.cat(weighed).sum(0, keepdim=True)
    covered = torch.cat(list(regions)).sum(0, keepdim=True).clamp(0, 1)
    return [mask / total.clamp_min(1e-12) * covered for mask in weighed]


def guide(region: Mask, size: tuple[int, int]) -> Mask:
    """How much each position of a layer counts for a region: fully if it sees nothing else.

    After the guidance channels of Gatys et al., "Controlling Perceptual Factors in Neural Style
    Transfer", CVPR 2017, section 4, which keep the positions whose receptive field lies within.
    Here the share that is seen (`SEEN`) decides softly, so that a thin region keeps its best.

    Args:
        region: in the size of the picture that the network saw.
        size: height and width of the layer.
    """
    share = F.adaptive_avg_pool2d(region, size)
    around = F.pad(share, [SEEN // 2] * 4, mode="replicate")
    return F.avg_pool2d(around, SEEN, stride=1) ** PURITY

"""What is missed of a style: which part of each activation makes Gram matrices differ.

‖M (G − G') Mᵀ‖² / ‖M G' Mᵀ‖² is the distance of Gram matrices at a layer (Gatys, Ecker and Bethge,
CVPR 2016, equations 3 to 5, made relative), M the metric of the network. Its gradient at an
activation f of n is 4/n · E f / ‖M G' Mᵀ‖ with E = A (G − G') A / ‖M G' Mᵀ‖ and A = Mᵀ M: one
matrix for the whole picture, whichever tile f lies in.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

FLOOR = 0.005
"""A distance that is small; what is missed is not blown up where it is below."""


class Missed(NamedTuple):
    """What is missed at one layer, of each region or picture.

    Attributes:
        error: E, (R, C, C), symmetric, float32.
        far: the distance, (R,).
        unit: ‖M G' Mᵀ‖, (R,).
    """

    error: Float[Tensor, "R C C"]
    far: Float[Tensor, " R"]
    unit: Float[Tensor, " R"]


def missed(
    own: Float[Tensor, "R C C"], wanted: Float[Tensor, "R C C"], metric: Tensor | None = None
) -> Missed:
    """What is missed of the wanted Gram matrices.

    Args:
        own: G, of what is there.
        wanted: G'.
        metric: M, (K, C); None is the identity.
    """
    square = torch.eye(own.shape[1]).to(own) if metric is None else (metric.mT @ metric).to(own)

    def size(seen: Tensor) -> Tensor:
        """‖M g Mᵀ‖² of A g."""
        return (seen * seen.mT).sum((1, 2)).clamp_min(0)

    unit = size(square @ wanted).sqrt().clamp_min(1e-6)
    difference = square @ (own - wanted)
    error = difference @ square / unit[:, None, None]
    return Missed(error.float(), size(difference) / unit.square(), unit)


def total(known: Sequence[Missed]) -> Float[Tensor, " R"]:
    """The distance S: its mean over layers."""
    return torch.stack([each.far for each in known]).mean(0)


def felt(features: Float[Tensor, "N C h w"], error: Tensor) -> Float[Tensor, "R C h w"]:
    """E f at every position, of the activations' type.

    Args:
        features: of one picture for all regions, or of as many pictures as there are errors.
        error: (R, C, C).
    """
    count, channels, height, width = features.shape
    rows = features.permute(0, 2, 3, 1).reshape(count, height * width, channels)
    # Rounded so, tiles nearly always have the very matrix of the whole.
    out = rows @ error.to(features.dtype)
    return out.view(-1, height, width, channels).permute(0, 3, 1, 2)


def pulling(known: Sequence[Missed], strides: Sequence[int]) -> list[Float[Tensor, "R C C"]]:
    """Of each layer a matrix P, so that P f is the gradient of √distance, for all pixels together.

    The distance S is the mean over layers. Its gradient, times the number of values of the picture
    and over √(S + `FLOOR`), does not depend on the size of the picture, and is small only where
    little is missed. With L layers, and n positions of stride² pixels each, 3 · stride² · n values:

        P = 4/L · 3 · stride² / (‖M G' Mᵀ‖ · √(S + FLOOR)) · E

    Args:
        known: at each layer.
        strides: pixels along a side of a position, of each layer.
    """
    root = (total(known) + FLOOR).sqrt()
    slopes = [
        4 / len(known) * 3 * stride**2 / (each.unit * root)
        for each, stride in zip(known, strides, strict=True)
    ]
    return [
        (slope[:, None, None] * each.error).float()
        for slope, each in zip(slopes, known, strict=True)
    ]

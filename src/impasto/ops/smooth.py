"""Smoothing, everywhere alike or stopping at edges."""

from math import ceil

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from impasto.core.tensors import Image


def blurred(image: Float[Tensor, "N C H W"], *, sigma: float) -> Float[Tensor, "N C H W"]:
    """The picture convolved with a Gaussian of this deviation in pixels, its border repeated."""
    radius = ceil(3 * sigma)
    bell = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2).to(image)
    bell = (bell / bell.sum()).view(1, 1, -1)
    for _ in range(2):
        lines = image.transpose(2, 3).flatten(0, 2)[:, None]
        lines = F.conv1d(F.pad(lines, (radius, radius), mode="replicate"), bell)
        image = lines.view(image.shape[0], image.shape[1], image.shape[3], image.shape[2])
    return image


def guided(image: Image, *, radius: int, softness: float) -> Image:
    """The picture smoothed where it varies little, and left where it varies much.

    He, Sun and Tang, "Guided Image Filtering", PAMI 2013, equations 5, 6 and 8, each channel its
    own guide. Within windows that deviate by much less than `softness` it averages, within those
    that deviate by much more it changes nothing.

    Args:
        image: (1, 3, H, W).
        radius: of the windows in pixels; `2 * radius` around a pixel decide about it.
        softness: a deviation, in the range of the picture; 0 changes nothing.
    """
    mean = _averaged(image, radius)
    variance = (_averaged(image.square(), radius) - mean.square()).clamp_min(0)
    slope = variance / (variance + max(softness, 1e-6) ** 2)
    return _averaged(slope, radius) * image + _averaged((1 - slope) * mean, radius)


def led(
    values: Float[Tensor, "N C H W"],
    guide: Float[Tensor, "N 3 H W"],
    *,
    radius: int,
    softness: float,
) -> Float[Tensor, "N C H W"]:
    """The values as far as they follow the colours of a guide; where that is flat, their mean.

    He, Sun and Tang, "Guided Image Filtering", PAMI 2013, equations 14 to 16: within each window
    the values become a linear function of the guide's colours.

    Args:
        values: of any range.
        guide: colours.
        radius: of the windows in pixels; `2 * radius` around a pixel decide about it.
        softness: a deviation, in the range of the guide; what varies less is flat.
    """
    # Colours around grey, whose squares are small, lose least to rounding.
    guide = guide - 0.5
    both = torch.cat([guide, values], 1)
    products = guide[:, :, None] * both[:, None]
    means, crossed = _averaged(torch.cat([both, products.flatten(1, 2)], 1), radius).split(
        [both.shape[1], 3 * both.shape[1]], 1
    )
    # Within each window, of the guide's channels with all.
    covariances = crossed.unflatten(1, (3, -1)) - means[:, :3, None] * means[:, None]
    own, shared = covariances.movedim((1, 2), (3, 4)).split([3, values.shape[1]], 4)
    flat = max(softness, 1e-6) ** 2 * torch.eye(3).to(own)
    slope = torch.linalg.solve(own + flat, shared).movedim((3, 4), (1, 2))
    rest = means[:, 3:] - _along(slope, means[:, :3])
    slope, rest = _averaged(torch.cat([slope.flatten(1, 2), rest], 1), radius).split(
        [3 * values.shape[1], values.shape[1]], 1
    )
    return _along(slope.unflatten(1, (3, -1)), guide) + rest


def _along(slope: Float[Tensor, "N 3 C H W"], guide: Float[Tensor, "N 3 H W"]) -> Tensor:
    return (slope * guide[:, :, None]).sum(1)


def _averaged(values: Float[Tensor, "N C H W"], radius: int) -> Float[Tensor, "N C H W"]:
    """The mean over the part of each square window that lies within the picture."""
    for axis in (2, 3):
        ones = torch.ones([side if d == axis else 1 for d, side in enumerate(values.shape)])
        values = _summed(values, radius, axis) / _summed(ones.to(values), radius, axis)
    return values


def _summed(values: Tensor, radius: int, axis: int) -> Tensor:
    """The sums over windows along an axis, beyond whose ends all is 0.

    A window is made of sums over 1, 2, 4, … positions, each of two of the last: few for a wide one.
    """
    length, width, at = values.shape[axis], 2 * radius + 1, 1
    part = F.pad(values, (0, 0, radius, radius) if axis == 2 else (radius, radius, 0, 0))
    total = part.narrow(axis, 0, length)
    for size in (2**k for k in range(width.bit_length() - 1)):
        twice = part.shape[axis] - size
        part = part.narrow(axis, 0, twice) + part.narrow(axis, size, twice)
        if width & 2 * size:
            total = total + part.narrow(axis, at, length)
            at += 2 * size
    return total

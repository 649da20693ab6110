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


def _averaged(values: Float[Tensor, "N C H W"], radius: int) -> Float[Tensor, "N C H W"]:
    """The mean over the part of each square window that lies within the picture."""
    for axis in ((1, 0), (0, 1)):
        size = (2 * radius * axis[0] + 1, 2 * radius * axis[1] + 1)
        pad = (radius * axis[0], radius * axis[1])
        values = F.avg_pool2d(values, size, stride=1, padding=pad, count_include_pad=False)
    return values

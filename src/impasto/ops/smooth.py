"""Smoothing that stops at edges."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from impasto.core.tensors import Image


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

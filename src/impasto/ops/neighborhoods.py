"""What surrounds each pixel of a picture, as vectors that can be compared."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Window = Sequence[tuple[int, int]]
"""Offsets, each a row and a column."""

REACH = 2
FINE: Window = [(y, x) for y in range(-2, 3) for x in range(-2, 3)]
COARSE: Window = [(y, x) for y in range(-1, 2) for x in range(-1, 2)]
CAUSAL: Window = [offset for offset in FINE if offset < (0, 0)]
"""The half of `FINE` that comes first from left to right and from top to bottom."""

_BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16


def gaussian_pyramid(
    image: Float[Tensor, "1 C H W"], levels: int
) -> list[Float[Tensor, "1 C _ _"]]:
    """The picture and ever coarser ones: pixel (y, x) of one lies at (2y, 2x) of the one before.

    Burt and Adelson, "The Laplacian Pyramid as a Compact Image Code", 1983, with a = 3/8.
    """
    pyramid = [image]
    for _ in range(levels - 1):
        blurred = _filtered(_filtered(pyramid[-1], _BINOMIAL[:, None]), _BINOMIAL[None])
        pyramid.append(blurred[:, :, ::2, ::2])
    return pyramid


def steered(luma: Float[Tensor, "1 1 H W"]) -> Float[Tensor, "1 4 H W"]:
    """How much a picture changes along four directions, 45° apart.

    Freeman and Adelson, "The Design and Use of Steerable Filters", PAMI 1991, section 2: the first
    derivative of a Gaussian, of which two filters give all directions.
    """
    x = torch.arange(-3.0, 4.0)
    bell = torch.exp(-x.square() / 2)
    bell, slope = bell / bell.sum(), x * bell / (x.square() * bell).sum()
    across = _filtered(_filtered(luma, bell[:, None]), slope[None])
    down = _filtered(_filtered(luma, slope[:, None]), bell[None])
    half = 0.5**0.5
    return torch.cat([across, half * (across + down), down, half * (down - across)], 1)


def gathered(image: Float[np.ndarray, "C H W"], window: Window) -> Float[np.ndarray, "N D"]:
    """The pixels in the window around every pixel, weighted; beyond borders the last is repeated.

    The weights are a Gaussian's, and the squares of all entries of a row weigh 1 in sum.

    Returns:
        A row for every pixel, row by row of the picture; in it the window, and at each of its
        places the channels.
    """
    channels, height, width = image.shape
    padded = np.pad(image, ((0, 0), (REACH, REACH), (REACH, REACH)), mode="edge")
    parts = [
        padded[:, REACH + y : REACH + y + height, REACH + x : REACH + x + width] for y, x in window
    ]
    rows = np.concatenate(parts).reshape(len(window) * channels, -1)
    return (rows * weights(window, channels)[:, None]).T


def weights(window: Window, channels: int) -> Float[np.ndarray, " D"]:
    """The roots of the weights of `gathered`."""
    squares = np.array([y * y + x * x for y, x in window], np.float32)
    bell = np.exp(-squares / squares.max())
    return np.repeat(np.sqrt(bell / bell.sum() / channels), channels)


def _filtered(image: Tensor, kernel: Tensor) -> Tensor:
    """Every channel correlated with a kernel of one row or one column."""
    height, width = kernel.shape
    padded = F.pad(image, (width // 2, width // 2, height // 2, height // 2), mode="replicate")
    kernels = kernel.to(image).expand(image.shape[1], 1, -1, -1)
    return F.conv2d(padded, kernels, groups=image.shape[1])

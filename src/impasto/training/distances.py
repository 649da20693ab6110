"""How far pictures are from each other to a network, for each picture of a batch."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.core.tensors import Features
from impasto.features import Network
from impasto.ops.stats import gram

FLAT = 0.1
"""This share of a batch's mean size is added to each size, or flat pictures would dominate."""

FINE, AROUND, SHIFT = 9, 17, 12
"""In pixels: detail that counts as fine, the places in which it is made equally strong, and the
farthest shift at which it is compared."""
FAINT = 1 / 255
"""Detail of this deviation is half made up by noise."""


def seen(network: Network, tap: str, feature: Tensor) -> Tensor:
    """Activations (N, C, h, w) in the network's metric, (N, K, h, w) in float32."""
    metric = network.metric(tap)
    if metric is not None:
        last = feature.permute(0, 2, 3, 1)
        feature = F.linear(last, metric.to(feature.dtype)).permute(0, 3, 1, 2)
    return feature.float()


def grams(network: Network, features: Features, taps: Sequence[str]) -> dict[str, Tensor]:
    """Gram matrices (N, K, K) at some layers, in the network's metric."""
    found = {}
    for tap in taps:
        metric, g = network.metric(tap), gram(features[tap])
        found[tap] = g if metric is None else metric @ g @ metric.mT
    return found


def far(found: Tensor, wanted: Tensor) -> Tensor:
    """Squared distances over the sizes of what is wanted: (N,).

    The size of Gram matrices (N, K, K) is their square, that of activations (N, C, h, w) the square
    of what varies over positions.
    """
    unit = wanted - wanted.mean((2, 3), keepdim=True) if wanted.ndim == 4 else wanted
    size = unit.square().flatten(1).sum(1)
    distance = (found - wanted).square().flatten(1).sum(1)
    return distance / (size + FLAT * size.mean()).clamp_min(1e-12)


def style_far(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Tensor:
    """How far Gram matrices are, a mean over layers: (N,)."""
    return torch.stack([far(found[tap], wanted[tap]) for tap in found]).mean(0)


def rhythm(x: Tensor) -> Tensor:
    """How like itself the finest detail is when it is shifted: (N, 2 · SHIFT + 1, SHIFT + 1).

    The autocorrelation of grey values without what is coarse, made equally strong everywhere, for
    shifts from −SHIFT to SHIFT down and from 0 to SHIFT across. A weave has its peaks there, and
    the strokes of a hand have few. To match it is to match the power spectrum (Liu, Gousseau and
    Xia, "Texture Synthesis Through Convolutional Neural Networks and Spectrum Constraints", ICPR
    2016), here of small places, be they faint or strong.

    Args:
        x: (N, 3, H, W) in [0, 1], of any size.
    """
    grey = x.mean(1, keepdim=True)
    fine = grey - _smoothed(grey, FINE)
    fine = fine / (_smoothed(fine.square(), AROUND) + FAINT**2).sqrt()
    # With as many zeros at the border nothing meets the other side.
    size = [side + SHIFT for side in x.shape[2:]]
    power = torch.fft.rfft2(fine, s=size).abs().square()
    both = torch.fft.irfft2(power, s=size)[:, 0, :, : SHIFT + 1]
    both = torch.cat([both[:, -SHIFT:], both[:, : SHIFT + 1]], 1)
    return both / both[:, SHIFT, None, None, 0].clamp_min(1e-6)


def rhythm_far(found: Tensor, wanted: Tensor) -> Tensor:
    """How far two of `rhythm` are from each other, from 0 to 2: (N,). What is flat has none."""
    size = (found**2 + wanted**2).sum((1, 2))
    return (found - wanted).square().sum((1, 2)) / size.clamp_min(1e-6)


def lattice(x: Tensor, *, period: int) -> Tensor:
    """How much of the finest detail is the same in every cell of a grid: (N,), from 0 to 1.

    A network that makes a picture larger by whole factors can give each place of a cell its own
    brightness (Odena, Dumoulin and Olah, "Deconvolution and Checkerboard Artifacts", Distill 2016).
    It is the energy of the mean cell over that of all, both without what is coarser than a cell.

    Args:
        x: (N, 3, H, W) in [0, 1], of at least two cells a side; its corner is that of a cell.
        period: side of a cell in pixels.
    """
    # A mean over a whole cell is free of the grid wherever it lies.
    coarse = F.avg_pool2d(x, period, 1)
    left = period // 2
    height, width = (side // period * period for side in coarse.shape[2:])
    fine = (x[..., left:, left:][..., :height, :width] - coarse[..., :height, :width]).float()
    cell = fine.unflatten(2, (-1, period)).unflatten(4, (-1, period)).mean((2, 4))
    # A slope leaves the same rest everywhere.
    cell = cell - cell.mean((2, 3), keepdim=True)
    return cell.square().mean((1, 2, 3)) / (fine.square().mean((1, 2, 3)) + FAINT**2)


def _smoothed(x: Tensor, side: int) -> Tensor:
    edge = side // 2
    # Reflection needs more than `edge` pixels along a side; where there are fewer, they repeat.
    mode = "reflect" if min(x.shape[2:]) > edge else "replicate"
    return F.avg_pool2d(F.pad(x, (edge, edge, edge, edge), mode=mode), side, 1)


def psnr(made: Tensor, true: Tensor) -> Tensor:
    """Peak signal over noise of pictures in [0, 1], in dB: (N,)."""
    error = (made.clamp(0, 1) - true).square().flatten(1).mean(1)
    return -10 * error.clamp_min(1e-10).log10()

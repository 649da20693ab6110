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


def psnr(made: Tensor, true: Tensor) -> Tensor:
    """Peak signal over noise of pictures in [0, 1], in dB: (N,)."""
    error = (made.clamp(0, 1) - true).square().flatten(1).mean(1)
    return -10 * error.clamp_min(1e-10).log10()

"""Style as the whole distribution of feature values, along some directions."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.core.tensors import Features, Mask
from impasto.losses.loss import Scalar
from impasto.ops.stats import quantiles, relative

QUANTILES = 512
"""Each is the mean of so small a share of the values, in a picture of 512 px a few hundred."""
MOST = 1 << 16
"""Positions of a layer that are sorted; of more, as many are drawn."""


@dataclass(frozen=True)
class Sliced:
    """The sliced Wasserstein distance: sorted projections on random directions, squared, relative.

    Heitz, Vanhoey, Chambon and Belcour, "A Sliced Wasserstein Loss for Neural Texture Synthesis",
    CVPR 2021, equations 5 and 6. Departures: the directions stay, so that a descent has one aim,
    and are at right angles, as many as channels, so that all variance counts the same; sorted
    values are averaged to quantiles, so that pictures of different sizes compare; of many positions
    `MOST` are drawn.

    Attributes:
        layer: the layer to look at.
        metric: (C, C) matrix M; with it the features are M f.
        seed: of the directions, and of the positions that are drawn.
    """

    blends: ClassVar[bool] = True
    many: ClassVar[bool] = False

    layer: str
    metric: Tensor | None = None
    seed: int = 0

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "C Q"]:
        """The quantiles along each direction."""
        f = features[self.layer]
        channels = f.shape[1] if self.metric is None else self.metric.shape[0]
        directions = _rotation(channels, self.seed).to(f.device)
        if self.metric is not None:
            directions = directions @ self.metric
        return _quantiles(f, guide, directions=directions, seed=self.seed)

    def __call__(
        self, features: Features, target: Float[Tensor, "C Q"], guide: Mask | None = None
    ) -> Scalar:
        """How far the features are from the target, ≥ 0."""
        return relative(self.measure(features, guide) - target, target)


@dataclass(frozen=True)
class Histogram:
    """The histogram of each channel: the squared way of its values to the style's, relative.

    Risser, Wilmot and Barnes, "Stable and Controllable Neural Texture Synthesis and Style Transfer
    Using Histogram Losses", arXiv 1701.08893, section 4: ‖f − R(f)‖², R the remapping that gives f
    the style's histogram. In one dimension it moves sorted values to sorted values, which is
    computed here by quantiles. The paper adds this to the Gram matrix.

    Attributes:
        layer: the layer to look at.
        metric: (K, C) matrix M; with it the channels are those of M f.
        seed: of the positions that are drawn.
    """

    blends: ClassVar[bool] = True
    many: ClassVar[bool] = False

    layer: str
    metric: Tensor | None = None
    seed: int = 0

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "K Q"]:
        """The quantiles of each channel."""
        return _quantiles(features[self.layer], guide, directions=self.metric, seed=self.seed)

    def __call__(
        self, features: Features, target: Float[Tensor, "K Q"], guide: Mask | None = None
    ) -> Scalar:
        """How far the features are from the target, ≥ 0."""
        return relative(self.measure(features, guide) - target, target)


def _quantiles(
    features: Float[Tensor, "1 C h w"],
    guide: Mask | None,
    *,
    directions: Float[Tensor, "D C"] | None,
    seed: int,
) -> Float[Tensor, "D Q"]:
    flat = features[0].flatten(1)
    weights = None if guide is None else guide.flatten()
    if flat.shape[1] > MOST:
        drawn = _positions(flat.shape[1], seed).to(flat.device)
        flat = flat[:, drawn]
        weights = None if weights is None else weights[drawn]
    rows = flat if directions is None else directions.to(flat.dtype) @ flat
    return quantiles(rows.float(), weights, count=QUANTILES)


@lru_cache(maxsize=8)
def _rotation(channels: int, seed: int) -> Float[Tensor, "C C"]:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn((channels, channels), generator=generator)).Q


@lru_cache(maxsize=8)
def _positions(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(count, generator=generator)[:MOST].sort().values

"""Content: what is where, by the features themselves or by which places are alike."""

from dataclasses import dataclass
from math import ceil
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.core.tensors import Features, Mask
from impasto.losses.loss import Scalar, mapped
from impasto.ops.stats import relative

PLACES = 32
"""Positions along a side that are compared with each other, at most: a thousand in all, as in the
paper."""


@dataclass(frozen=True)
class Content:
    """Content: ‖f − f(content)‖² / ‖f(content) − mean‖² at one layer.

    Gatys, Ecker and Bethge, CVPR 2016, equation 1, made relative to the variance over positions.

    Attributes:
        layer: the layer to look at.
        metric: (K, C) matrix M; with it f becomes M f.
    """

    blends: ClassVar[bool] = True
    many: ClassVar[bool] = False

    layer: str
    metric: Tensor | None = None

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "1 K h w"]:
        """The features of the content, in its own size; all of them, with a guide too."""
        return mapped(features[self.layer], self.metric)

    def __call__(
        self, features: Features, target: Float[Tensor, "1 K h w"], guide: Mask | None = None
    ) -> Scalar:
        """How far the features are from the target, ≥ 0; with a guide as far as they count."""
        share = target.new_ones(()) if guide is None else guide
        varied = target - target.mean((2, 3), keepdim=True)
        # A flat picture has no variance; a hundredth of its energy then serves as the unit.
        unit = varied.square().sum() + 0.01 * target.square().sum()
        far = (self.measure(features) - target).square() * share
        return far.sum() / unit.clamp_min(1e-12)


@dataclass(frozen=True)
class SelfSimilarity:
    """Which places are like which: ‖D(f) − D(content)‖² / ‖U − D(content)‖² at one layer.

    D holds the cosine distances of any two positions, each column brought to a sum of one; U is the
    D of a picture all of whose places are equally unlike. Kolkin, Salavon and Shakhnarovich, "Style
    Transfer by Relaxed Optimal Transport and Self-Similarity", CVPR 2019, equation 10. Departures:
    squares in place of absolute values, which suit L-BFGS, and made relative; positions lie on a
    grid instead of being drawn.

    Attributes:
        layer: the layer to look at.
        metric: (K, C) matrix M; with it f becomes M f.
    """

    blends: ClassVar[bool] = True
    many: ClassVar[bool] = False

    layer: str
    metric: Tensor | None = None

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "P P"]:
        """The distances; all of them, with a guide too."""
        f = _thinned(mapped(features[self.layer], self.metric))[0].flatten(1).mT
        energy = f.square().sum(1, keepdim=True)
        unit = f / (energy + 1e-6 * energy.mean() + 1e-12).sqrt()
        distances = (1 - unit @ unit.mT).clamp_min(0) + 1e-3
        return distances / distances.sum(0)

    def __call__(
        self, features: Features, target: Float[Tensor, "P P"], guide: Mask | None = None
    ) -> Scalar:
        """How far the features are from the target, ≥ 0; with a guide as far as both count."""
        difference = self.measure(features) - target
        if guide is not None:
            share = _thinned(guide).flatten()
            difference = difference * (share[:, None] * share).sqrt()
        alike = 1 / len(target)
        # A flat picture has no structure; a tenth of its distances then serves as the unit.
        return relative(difference, torch.hypot(target - alike, 0.1 * target))


def _thinned(maps: Float[Tensor, "1 C h w"]) -> Float[Tensor, "1 C y x"]:
    step = ceil((maps.shape[2] * maps.shape[3]) ** 0.5 / PLACES)
    return maps[:, :, step // 2 :: step, step // 2 :: step]

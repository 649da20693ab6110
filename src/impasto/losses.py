"""What a picture is asked to be, as numbers to descend.

A loss has two verbs: `measure` takes a target from the features of a picture once; calling the loss
compares features with such a target, often. Targets are plain tensors that add up linearly, so
blending styles is blending targets.

All losses are relative to the size of their target: 0 is reached, 1 is as far as nothing at all.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from impasto.core.tensors import Features, Image
from impasto.ops.stats import gram, relative

Scalar = Float[Tensor, ""]

PIXELS = "pixels"
"""The name of the picture itself among its features."""


@dataclass(frozen=True)
class Gram:
    """Style: ‖G(f) − G(style)‖² / ‖G(style)‖² at one layer, G the mean Gram matrix.

    Gatys, Ecker and Bethge, CVPR 2016, equations 3 to 5, made relative.

    Attributes:
        layer: the layer to look at.
        metric: (C, C) matrix M; with it G becomes M G Mᵀ, the Gram matrix of M f.
    """

    layer: str
    metric: Tensor | None = None

    def measure(self, features: Features) -> Float[Tensor, "C C"]:
        """The Gram matrix of one picture."""
        g = gram(features[self.layer])[0]
        return g if self.metric is None else self.metric @ g @ self.metric.mT

    def __call__(self, features: Features, target: Float[Tensor, "C C"]) -> Scalar:
        """How far the features are from the target, ≥ 0."""
        return relative(self.measure(features) - target, target)


@dataclass(frozen=True)
class Grain:
    """Style below the first layer: the Gram matrix of the differences of neighbouring pixels.

    Colour noise of one pixel is faint to a network and plain to the eye. When this is 0, steps
    down and across in R, G and B have the second moments that they have in the style.
    """

    layer: str = PIXELS

    def measure(self, features: Features) -> Float[Tensor, "6 6"]:
        """The mean outer product of the steps (down, across) at each pixel."""
        image = features[self.layer]
        padded = F.pad(image, (0, 1, 0, 1), mode="replicate")
        down, across = padded[:, :, 1:, :-1] - image, padded[:, :, :-1, 1:] - image
        return gram(torch.cat([down, across], 1))[0]

    def __call__(self, features: Features, target: Float[Tensor, "6 6"]) -> Scalar:
        """How far the features are from the target, ≥ 0."""
        # A flat style has no steps at all; those of two grey levels then serve as the unit.
        floor = torch.full_like(target, (2 / 255) ** 2)
        return relative(self.measure(features) - target, target.abs() + floor)


@dataclass(frozen=True)
class Content:
    """Content: ‖f − f(content)‖² / ‖f(content) − mean‖² at one layer.

    Gatys, Ecker and Bethge, CVPR 2016, equation 1, made relative to the variance over positions.

    Attributes:
        layer: the layer to look at.
        metric: (C, C) matrix M; with it f becomes M f.
    """

    layer: str
    metric: Tensor | None = None

    def measure(self, features: Features) -> Float[Tensor, "1 C h w"]:
        """The features of the content, in its own size."""
        f = features[self.layer]
        if self.metric is not None:
            f = F.linear(f.permute(0, 2, 3, 1), self.metric.to(f.dtype)).permute(0, 3, 1, 2)
        return f.float()

    def __call__(self, features: Features, target: Float[Tensor, "1 C h w"]) -> Scalar:
        """How far the features are from the target, ≥ 0."""
        varied = target - target.mean((2, 3), keepdim=True)
        # A flat picture has no variance; a hundredth of its energy then serves as the unit.
        unit = varied.square().sum() + 0.01 * target.square().sum()
        return (self.measure(features) - target).square().sum() / unit.clamp_min(1e-12)


def total_variation(image: Image) -> Scalar:
    """Mean squared difference of neighbours, down and across.

    Mahendran and Vedaldi, CVPR 2015, equation 3 with β = 2.
    """
    down = (image[:, :, 1:] - image[:, :, :-1]).square().mean() if image.shape[2] > 1 else 0
    across = (image[..., 1:] - image[..., :-1]).square().mean() if image.shape[3] > 1 else 0
    return torch.as_tensor(down + across).to(image)


def outside(image: Float[Tensor, "N 3 H W"]) -> Scalar:
    """Mean squared distance of values to [0, 1]: a soft wall instead of a clip.

    Clipping during a descent breaks what L-BFGS has learnt about curvature and leaves flat patches.
    """
    return (image - image.clamp(0, 1)).square().mean()


class _UnitGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, feature: Tensor, length: float) -> Tensor:
        ctx.length = length
        return feature.view_as(feature)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return ctx.length * gradient / gradient.abs().sum().clamp_min(1e-12), None


def unit_gradient(features: Features, layer: str, *, length: float = 1.0) -> Features:
    """One layer of the features, unchanged, but the gradient that comes back has this L1 norm.

    The old tools' "normalize gradients": a term pulls as its weight says, however far it is.
    """
    return {layer: _UnitGradient.apply(features[layer], length)}

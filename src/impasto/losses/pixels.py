"""Losses of the picture itself, and what a term's gradient weighs."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.core.tensors import Features
from impasto.losses.loss import Scalar


def total_variation(image: Float[Tensor, "N 3 H W"]) -> Scalar:
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

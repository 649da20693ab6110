"""Statistics of feature maps."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


class _Gram(torch.autograd.Function):
    """Written out because autograd multiplies once for each of the two equal factors."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        flat = features.flatten(2)
        if flat.dtype == torch.float16:  # Its squares overflow; bfloat16 reaches as far as float32.
            flat = flat.float()
        ctx.save_for_backward(flat)
        ctx.shape, ctx.dtype = features.shape, features.dtype
        return (flat @ flat.mT).float() / flat.shape[2]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (flat,), (gradient,) = ctx.saved_tensors, gradients
        factor = ((gradient + gradient.mT) / flat.shape[2]).to(flat.dtype)
        # As the product is written, so it lies in memory: in the order of the features.
        plain = flat.is_contiguous()
        product = factor @ flat if plain else (flat.mT @ factor).mT
        return product.unflatten(2, ctx.shape[2:]).to(ctx.dtype)


def gram(features: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C C"]:
    """The Gram matrix over positions, as a mean, so that pictures of any size compare.

    Gatys, Ecker and Bethge, CVPR 2016, equation 3, divided by the number of positions.

    Args:
        features: activations in any precision and memory order.

    Returns:
        Float32.
    """
    return _Gram.apply(features)


def relative(difference: Tensor, reference: Tensor) -> Tensor:
    """‖difference‖² / ‖reference‖² over all entries; a reference of zero counts as a tiny one."""
    return difference.square().sum() / reference.square().sum().clamp_min(1e-12)

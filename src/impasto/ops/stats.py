"""Statistics of feature maps."""

import torch
from jaxtyping import Float
from torch import Tensor


def gram(features: Float[Tensor, "N C h w"]) -> Float[Tensor, "N C C"]:
    """The Gram matrix over positions, as a mean, so that pictures of any size compare.

    Gatys, Ecker and Bethge, CVPR 2016, equation 3, divided by the number of positions.

    Args:
        features: activations of any floating type; the result is float32.
    """
    flat = features.flatten(2)
    if flat.dtype == torch.float16:  # Its squares overflow; bfloat16 reaches as far as float32.
        flat = flat.float()
    return (flat @ flat.mT).float() / flat.shape[2]


def relative(difference: Tensor, reference: Tensor) -> Tensor:
    """‖difference‖² / ‖reference‖² over all entries; a reference of zero counts as a tiny one."""
    return difference.square().sum() / reference.square().sum().clamp_min(1e-12)

"""What is under the transparent parts of a picture, as a method should see it: their surroundings.

The pyramid of Gortler et al., "The Lumigraph" (SIGGRAPH 1996, section 3.3.3): averages of what is
visible are pulled up until no hole is left, and pushed down into the holes.
"""

import torch
from torch.nn import functional as F

from impasto.core.tensors import Image


def filled(image: Image, alpha: torch.Tensor) -> Image:
    """The picture with other colours where it cannot be seen at all; white if that is everywhere.

    Args:
        image: (1, 3, H, W).
        alpha: (1, 1, H, W), 0 is hidden.
    """
    hidden = alpha <= 0
    if not hidden.any():
        return image
    if hidden.all():
        return torch.ones_like(image)
    return torch.where(hidden, _spread(image * alpha, alpha), image)


def _spread(color: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Weighted means where there is weight, those of the next coarser level where there is none."""
    own = color / torch.where(weight > 0, weight, 1)
    if (weight > 0).all():
        return own
    height, width = color.shape[2:]
    half = ((height + 1) // 2, (width + 1) // 2)
    coarse = _spread(F.adaptive_avg_pool2d(color, half), F.adaptive_avg_pool2d(weight, half))
    grown = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    return torch.where(weight > 0, own, grown)

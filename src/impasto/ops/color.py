"""Colours of one picture brought to those of another."""

import torch
from torch import Tensor

from impasto.core.tensors import Image

# One eight-bit step as a variance. Colour directions in which a picture varies less than this hold
# only rounding, and must not be stretched without bound.
_FLOOR = (1 / 255) ** 2


def match_covariance(content: Image, style: Image) -> Image:
    """The content with the mean colour and the colour covariance of the style.

    Of all linear maps that do so this is the one that moves colours least, the Monge-Kantorovich
    map of Pitié and Kokaram, "The linear Monge-Kantorovitch linear colour mapping for
    example-based colour transfer", CVMP 2007.

    Args:
        content: (1, 3, H, W).
        style: (1, 3, H', W').

    Returns:
        (1, 3, H, W), not clamped. A direction in which the content has no colour, as in a grey
        picture, stays without.
    """
    pixels, mean, covariance = _moments(content)
    _, style_mean, style_covariance = _moments(style)
    root, inverse = _power(covariance, 0.5), _power(covariance, -0.5)
    transport = inverse @ _power(root @ style_covariance @ root, 0.5) @ inverse
    return (transport @ (pixels - mean) + style_mean).to(content.dtype).view_as(content)


def _moments(image: Image) -> tuple[Tensor, Tensor, Tensor]:
    """The pixels (1, 3, HW), their mean (1, 3, 1) and floored covariance (1, 3, 3), in float64."""
    pixels = image.double().flatten(2)
    mean = pixels.mean(2, keepdim=True)
    centred = pixels - mean
    covariance = centred @ centred.mT / pixels.shape[2]
    return pixels, mean, covariance + _FLOOR * torch.eye(3).to(covariance)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """A power of a symmetric positive definite matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(_FLOOR**2).pow(exponent).unsqueeze(-2) @ vectors.mT

"""Colours of one picture brought to those of another, and luminance apart from chroma."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from impasto.core.tensors import Image, Mask

LUMA = (0.299, 0.587, 0.114)
"""Y of YIQ. Its chroma, I and Q, depends on nothing but the differences between channels."""
BINS = 4096
"""Steps of brightness that a histogram tells apart."""

# One eight-bit step as a variance. Colour directions in which a picture varies less than this hold
# only rounding, and must not be stretched without bound.
_FLOOR = (1 / 255) ** 2

Root = Literal["transport", "cholesky", "symmetric"]


def match_covariance(content: Image, style: Image, *, root: Root = "transport") -> Image:
    """The content with the mean colour and the colour covariance of the style.

    Of all linear maps A with A Σ Aᵀ = Σ' this takes one of three:

    - transport, which moves colours least: the Monge-Kantorovich map of Pitié and Kokaram, "The
      linear Monge-Kantorovitch linear colour mapping for example-based colour transfer", CVMP 2007;
    - cholesky, A = L' L⁻¹ with Σ = L Lᵀ, and
    - symmetric, A = Σ'^½ Σ^-½, which Hertzmann used for image analogies; both as in Gatys, Bethge,
      Hertzmann and Shechtman, "Preserving Color in Neural Artistic Style Transfer", 2016,
      arXiv 1606.05897, section 3.

    Args:
        content: (1, 3, H, W).
        style: (1, 3, H', W').
        root: which.

    Returns:
        (1, 3, H, W), not clamped. A direction in which the content has no colour, as in a grey
        picture, stays without.
    """
    return mapped(content, *covariance_map(colors(content), colors(style), root=root))


class Colors(NamedTuple):
    """How the colours of a picture lie.

    Attributes:
        mean: (3,), float64.
        covariance: (3, 3), float64, at least the square of an eight-bit step in every direction.
    """

    mean: Float[Tensor, "3"]
    covariance: Float[Tensor, "3 3"]


def colors(image: Image) -> Colors:
    """Mean and covariance of the colours of a picture."""
    pixels = image.flatten(2)[0]
    mean = pixels.mean(1, dtype=torch.float64)
    # Row by row in their own precision, and the rows in float64.
    rows = (image[0] - mean.to(image)[:, None, None]).permute(1, 0, 2)
    covariance = (rows @ rows.mT).sum(0, dtype=torch.float64) / pixels.shape[1]
    values, vectors = torch.linalg.eigh(covariance)
    return Colors(mean, (vectors * values.clamp_min(_FLOOR)) @ vectors.mT)


def covariance_map(
    own: Colors, wanted: Colors, *, root: Root = "transport"
) -> tuple[Float[Tensor, "3 3"], Float[Tensor, "3"]]:
    """The map of `match_covariance`, A and b of A x + b, in float64."""
    matrix = _map(own.covariance, wanted.covariance, root)
    return matrix, wanted.mean - matrix @ own.mean


def mapped(image: Image, matrix: Float[Tensor, "3 3"], offset: Float[Tensor, "3"]) -> Image:
    """A linear map of the colours, A x + b; not clamped."""
    moved = matrix.to(image) @ image.flatten(2) + offset.to(image)[:, None]
    return moved.view_as(image)


def match_histogram(
    content: Float[Tensor, "1 C _ _"], style: Float[Tensor, "1 C _ _"]
) -> Float[Tensor, "1 C _ _"]:
    """The content with the distribution of the style's values, channel by channel.

    Gonzalez and Woods, "Digital Image Processing", section 3.3.2: through the cumulative
    distribution of the one, and back through that of the other. Pixels of one value stay so.

    Args:
        content: (1, C, H, W), in [0, 1].
        style: (1, C, H', W'), in [0, 1].
    """
    channels = [
        _followed(own, like) for own, like in zip(content[0], style[0].to(content), strict=True)
    ]
    return torch.stack(channels)[None]


def luma(image: Float[Tensor, "N 3 H W"]) -> Float[Tensor, "N 1 H W"]:
    """The luminance Y of YIQ, in [0, 1] as the picture; linear in it."""
    weights = torch.tensor(LUMA).to(image).view(1, 3, 1, 1)
    return (image * weights).sum(1, keepdim=True)


def grey(image: Image) -> Image:
    """The luminance in all three channels."""
    return luma(image).expand(1, 3, -1, -1)


def match_luminance(content: Image, style: Image) -> Image:
    """The content in grey, with mean and deviation of the style's luminance; not clamped.

    Gatys et al. 2016, equation 10 (Hertzmann et al., "Image Analogies", 2001, section 3.4).
    """
    own, wanted = luma(content), luma(style)
    before, after = (each.var(correction=0).clamp_min(_FLOOR) for each in (own, wanted))
    ratio = (after / before).sqrt()
    return (ratio * (own - own.mean()) + wanted.mean()).expand(1, 3, -1, -1)


def with_luma(image: Image, change: Mask) -> Image:
    """The picture with its luminance raised by a change, as far as its colours allow.

    All channels of a pixel are raised alike, and no further than the range [0, 1] lets all of them
    go, so I and Q are left exactly as they were.
    """
    low, high = -image.amin(1, keepdim=True), 1 - image.amax(1, keepdim=True)
    return image + change.clamp(low, high)


def _map(own: Tensor, wanted: Tensor, root: Root) -> Tensor:
    """A with A own Aᵀ = wanted, for symmetric positive definite matrices."""
    if root == "cholesky":
        lower = torch.linalg.cholesky(own)
        return torch.linalg.solve_triangular(
            lower, torch.linalg.cholesky(wanted), upper=False, left=False
        )
    if root == "symmetric":
        return _power(wanted, 0.5) @ _power(own, -0.5)
    half, inverse = _power(own, 0.5), _power(own, -0.5)
    return inverse @ _power(half @ wanted @ half, 0.5) @ inverse


def _power(matrix: Tensor, exponent: float) -> Tensor:
    """A power of a symmetric positive definite matrix."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(_FLOOR**2).pow(exponent)) @ vectors.mT


def _followed(own: Float[Tensor, "h w"], like: Float[Tensor, "H W"]) -> Float[Tensor, "h w"]:
    """One channel with the distribution of another's values."""
    share, cumulated = _shares(own), _shares(like).cumsum(0)
    # The rank of a value is that of the middle of its pixels, so that all of them stay one value.
    rank = (share.cumsum(0) - share / 2).clamp_max(cumulated[-1])
    table = torch.searchsorted(cumulated, rank) / (BINS - 1)
    return table.to(own)[_bin(own)]


def _shares(channel: Tensor) -> Tensor:
    """What share of the pixels lies in each bin, in float64."""
    return torch.bincount(_bin(channel).flatten(), minlength=BINS).double() / channel.numel()


def _bin(channel: Tensor) -> Tensor:
    return (channel.clamp(0, 1) * (BINS - 1)).round().long()

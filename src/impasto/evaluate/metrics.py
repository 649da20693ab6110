"""Distances that judge a stylized picture. Pictures are (1, 3, H, W), sRGB in [0, 1].

Style and content distance look through a network, whose features the caller hands in; it must not
be the one that was optimised. Roughness and pyramid distance need none.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from impasto.core.tensors import Image
from impasto.ops.color import match_covariance
from impasto.ops.resample import resize
from impasto.ops.stats import gram, relative

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
CONTENT_LAYER = "relu4_1"

# The gradient energy below which a picture is flat; dividing by less would only measure rounding.
_FLAT = 1e-8
_PATCH = 7
_SIZE = 3 * _PATCH**2
_GRID = 48
_SMALLEST_LEVEL = 16


def style_distance(out: Mapping[str, Tensor], style: Mapping[str, Tensor]) -> float:
    """How far the textures of two pictures are apart: the mean of `style_distances`.

    Returns:
        0 for equal statistics; 1 for a result without any features.
    """
    distances = style_distances(out, style)
    return sum(distances.values()) / len(distances)


def style_distances(out: Mapping[str, Tensor], style: Mapping[str, Tensor]) -> dict[str, float]:
    """‖G(out) − G(style)‖² / ‖G(style)‖² at each of `STYLE_LAYERS`, G the Gram matrix.

    Gatys, Ecker and Bethge, arXiv 1508.06576, equation 4, relative to the style.

    Args:
        out: layer name to features (1, C, H, W) of the result.
        style: the same of the style; heights and widths may differ, since G is a mean.
    """
    found: dict[str, float] = {}
    for layer in STYLE_LAYERS:
        target = gram(style[layer])
        found[layer] = relative(gram(out[layer]) - target, target).item()
    return found


def content_distance(out: Mapping[str, Tensor], content: Mapping[str, Tensor]) -> float:
    """‖F(out) − F(content)‖² / ‖F(content) − mean‖² at `CONTENT_LAYER`.

    The mean is that of each channel over the positions. So 0 is the content itself and 1 a picture
    that knows only the content's average; an unrelated picture lies near 2.

    Args:
        out: layer name to features (1, C, H, W) of the result.
        content: the same of the content, from a picture of the same size.
    """
    target = content[CONTENT_LAYER]
    contrast = target - target.mean((2, 3), keepdim=True)
    return relative((out[CONTENT_LAYER] - target).flatten(2), contrast.flatten(2)).item()


def roughness(out: Image, style: Image) -> float:
    """The gradient energy of the result over that of the style: below 1 too smooth, above noisy."""
    return (_gradient_energy(out) / _gradient_energy(style).clamp_min(_FLAT)).item()


def pyramid_distance(out: Image, style: Image, *, generator: torch.Generator) -> float:
    """The sliced Wasserstein distance between the Laplacian pyramids of two pictures.

    Karras et al., "Progressive Growing of GANs", arXiv 1710.10196, section 5: at each level many
    7×7×3 patches are projected on random directions, the projections sorted and compared. Two
    departures: Karras et al. give each channel of each side its own mean and deviation, which hides
    colour and contrast; here both pictures share one mean colour and one scale per level. And the
    patches of both lie at the same relative places, so that a picture is at 0 from itself.

    Args:
        out: (1, 3, H, W), each side at least 16.
        style: (1, 3, H', W'), each side at least 16.
        generator: draws places and directions; equal generators give equal, symmetric distances.

    Returns:
        The mean over the levels, each in units of the two pictures' common deviation there: 0 for
        the same patches, about 1 for a band that one of them lacks.
    """
    # Both stop at the level where the smaller one does.
    levels = list(zip(_laplacian(out.float()), _laplacian(style.float()), strict=False))
    return sum(_sliced(*pair, generator=generator) for pair in levels) / len(levels)


def color_transfer(content: Image, style: Image) -> Image:
    """The trivial answer to a style: the content in the style's colours, clamped to [0, 1]."""
    return match_covariance(content, style).clamp(0, 1)


def _gradient_energy(image: Image) -> Tensor:
    return image.diff(dim=2).square().mean() + image.diff(dim=3).square().mean()


def _laplacian(image: Image) -> list[Tensor]:
    """What each halving loses, finest first, and last what remains; no side below 16."""
    levels: list[Tensor] = []
    while min(image.shape[2:]) >= 2 * _SMALLEST_LEVEL:
        height, width = image.shape[2:]
        small = resize(image, (height // 2, width // 2))
        levels.append(image - resize(small, (height, width)))
        image = small
    return [*levels, image]


def _sliced(out: Tensor, style: Tensor, *, generator: torch.Generator) -> float:
    """The sliced Wasserstein distance of one level."""
    mean = (out.mean((2, 3), keepdim=True) + style.mean((2, 3), keepdim=True)) / 2
    out, style = out - mean, style - mean
    scale = ((out.square().mean() + style.square().mean()) / 2).sqrt().clamp_min(1 / 255)
    drawn = {"generator": generator, "device": generator.device}
    # One place in each cell of a grid and a whole random basis: with independent places and
    # directions the same work leaves twice the deviation to chance.
    cells = torch.cartesian_prod(*[torch.arange(_GRID, device=generator.device)] * 2)
    places = ((cells + torch.rand(_GRID**2, 2, **drawn)) / _GRID).to(out)
    directions = torch.linalg.qr(torch.randn(_SIZE, _SIZE, **drawn)).Q.to(out)
    a, b = ((directions @ _patches(side, places).mT).sort().values for side in (out, style))
    return ((a - b).abs().mean() / scale).item()


def _patches(level: Tensor, places: Tensor) -> Tensor:
    """The patches (P, 3·7·7) at relative places (P, 2) in [0, 1)."""
    steps = torch.arange(_PATCH, device=level.device)
    free = torch.tensor(level.shape[2:], device=level.device) - _PATCH
    # In single precision a place just below 1 rounds to 1.
    corners = (places * (free + 1)).long().minimum(free)
    rows, columns = corners[:, 0, None] + steps, corners[:, 1, None] + steps
    return level[0][:, rows[:, :, None], columns[:, None, :]].transpose(0, 1).flatten(1)

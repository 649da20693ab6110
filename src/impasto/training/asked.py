"""What is asked of pictures that are stylized, and what is known of them: teaches moves.

See `training.refiner`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from impasto.core.tensors import Features
from impasto.losses.loss import PIXELS
from impasto.losses.statistics import Grain
from impasto.nets.decoder import STATISTICS, roughened
from impasto.nets.vgg import VGG
from impasto.ops.color import match_covariance
from impasto.ops.errors import FLOOR, Missed, felt, missed, pulling, total
from impasto.ops.stats import gram
from impasto.training.adain import SHOUT
from impasto.training.distances import seen
from impasto.training.shelves import DEEP
from impasto.universal.palette import HALF, reduced

USUAL, LEAST = 0.25, 0.06
"""The distance of the style of the better trivial answer: as it usually is, and the least that a
distance is set against."""
GRAIN, OUTSIDE, RETURNED = 0.1, 10.0, 20.0
"""Weights of the pixels' grain, of values beyond black and white, and, where the style is the
content itself, of the squared error of pixels."""


class Asked(NamedTuple):
    """What is asked of a batch of pictures.

    Attributes:
        content, own, style: (N, 3, H, W), what the eyes see of it, roughened, and of the styles.
        alpha, same: the share of the style, and whether that is the content itself.
        wanted, half, grain: Gram matrices (N, C, C) at `STATISTICS`, those at half of the size, and
            those of the pixels.
        easy: the distance of the style of the better trivial answer, (N,): the content, or the
            content in the style's colours.
        deep, unit: activations (N, K, h, w) of the content at `DEEP`, and their size (N,).
    """

    content: Tensor
    own: Features
    style: Features
    alpha: float
    same: bool
    wanted: list[Tensor]
    half: list[Tensor]
    easy: Tensor
    grain: Tensor
    deep: Tensor
    unit: Tensor


class Shown(NamedTuple):
    """What a `nets.refiner.Refiner` is shown of a batch of pictures.

    Attributes:
        gradient: of the distance of the style, a gentle one.
        features, errors: at `STATISTICS`, activations and matrices.
    """

    gradient: Tensor
    features: list[Tensor]
    errors: list[Tensor]


class Known(NamedTuple):
    """What is known of a batch of pictures.

    Attributes:
        shown: to the network.
        slope: the gradient of the loss's root.
        root, style, content: (N,); that root, and the distances, which are relative.
    """

    shown: Shown
    slope: Tensor
    root: Tensor
    style: Tensor
    content: Tensor


@torch.no_grad()
def ask(
    eyes: VGG,
    content: Tensor,
    style: Tensor,
    *,
    alpha: float = 1.0,
    same: bool = False,
    at: tuple[int, int] = (0, 0),
) -> Asked:
    """What is asked of pictures of contents in styles.

    Args:
        eyes: the network that looks.
        content: (N, 3, H, W).
        style: (N, 3, H, W).
        alpha: the share of the style.
        same: whether the styles are the contents.
        at: of the noise that the contents are shown with, see `decoder.roughened`.
    """
    own, other = (eyes(x, STATISTICS) for x in (roughened(content, at=at), style))
    aims = [gram(other[tap]) for tap in STATISTICS]
    halves = [eyes(reduced(x, HALF), STATISTICS) for x in (content, style)]
    wanted, half = (
        [torch.lerp(gram(a[tap]), gram(b[tap]), alpha) for tap in STATISTICS]
        for a, b in ((own, other), halves)
    )
    copied, recolored = (eyes(x, STATISTICS) for x in (content, _recolored(content, style)))
    easy = [
        total(lacking(eyes, [gram(f[tap]) for tap in STATISTICS], aims))
        for f in (copied, recolored)
    ]
    deep = seen(eyes, DEEP, copied[DEEP])
    # What is the same everywhere counts little, but a flat content has a size as well.
    unit = _energy(deep - deep.mean((2, 3), keepdim=True)) + 0.01 * _energy(deep)
    grain = torch.lerp(_grain(content), _grain(style), alpha)
    return Asked(
        content,
        own,
        other,
        alpha,
        same,
        wanted,
        half,
        torch.minimum(*easy),
        grain,
        deep,
        unit.clamp_min(1e-12),
    )


@torch.enable_grad()
def look(eyes: VGG, image: Tensor, asked: Asked, *, content_weight: float) -> Known:
    """What is known of pictures (N, 3, H, W) of which something is asked.

    The loss is the distance of the style, so many times that of the trivial answer, the content's
    with its weight, and little else.
    """
    x = image.detach().contiguous().requires_grad_()
    features = eyes(x, eyes.down_to(STATISTICS))
    content = _energy(seen(eyes, DEEP, features[DEEP]) - asked.deep) / asked.unit
    rest = content_weight * content / (1 + content / 2)
    rest = rest + GRAIN * Grain()({PIXELS: x}, asked.grain).clamp_max(SHOUT)
    rest = rest + OUTSIDE / x[0].numel() * _energy(x - x.clamp(0, 1))
    if asked.same:
        rest = rest + RETURNED / x[0].numel() * _energy(x - asked.content)
    other = torch.autograd.grad(rest.sum(), x, retain_graph=True)[0]
    shown, known, pulls = _shown(eyes, features, asked.wanted, height=x.shape[2])
    exact = torch.autograd.grad([features[tap] for tap in STATISTICS], x, pulls)[0]
    style, weight = total(known), USUAL / asked.easy.clamp_min(LEAST)
    root = (weight * style + rest.detach() + FLOOR).sqrt()
    # So much larger is that gradient than the distance's.
    scale = x[0].numel() / (style + FLOOR).sqrt() / weight
    slope = (exact / each(scale) + other) / each(2 * root)
    return Known(shown, slope, root, style, content.detach())


@torch.no_grad()
def glance(eyes: VGG, image: Tensor, wanted: Sequence[Tensor]) -> Shown:
    """What is shown of pictures (N, 3, H, W) that should have these Gram matrices."""
    features = eyes(image, eyes.down_to(STATISTICS))
    return _shown(eyes, features, wanted, height=image.shape[2])[0]


def _shown(
    eyes: VGG, features: Features, wanted: Sequence[Tensor], *, height: int
) -> tuple[Shown, list[Missed], list[Tensor]]:
    """That, what is missed, and the gradients at `STATISTICS`."""
    here = [features[tap].detach() for tap in STATISTICS]
    known = lacking(eyes, map(gram, here), wanted)
    pulls = [*map(felt, here, pulling(known, [height // f.shape[2] for f in here]))]
    # Shown is a gradient that tiles agree on: see `universal.refining`.
    given = zip(STATISTICS, pulls, strict=True)
    gradient = eyes.back(features, {tap: lambda _, pull=pull: pull for tap, pull in given})
    return Shown(gradient, here, [at.error for at in known]), known, pulls


def lacking(
    eyes: VGG, own: Iterable[Tensor], wanted: Iterable[Tensor], taps: Iterable[str] = STATISTICS
) -> list[Missed]:
    """What is missed at each tap, of Gram matrices that are there and those wanted."""
    return [*map(missed, own, wanted, map(eyes.metric, taps))]


def each(values: Tensor) -> Tensor:
    """(N,) as it meets maps (N, C, H, W)."""
    return values[:, None, None, None]


def _recolored(content: Tensor, style: Tensor) -> Tensor:
    pairs = zip(content.split(1), style.split(1), strict=True)
    return torch.cat([match_covariance(*pair) for pair in pairs]).clamp(0, 1)


def _grain(x: Tensor) -> Tensor:
    return torch.stack([Grain().measure({PIXELS: picture}) for picture in x.split(1)])


def _energy(x: Tensor) -> Tensor:
    return x.square().flatten(1).sum(1)

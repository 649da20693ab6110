"""Descents with the present student: what they pass through, and where they end."""

import torch
from torch import Tensor

from impasto.core.tensors import Image
from impasto.features import STYLE_LAYERS
from impasto.losses.content import Content
from impasto.losses.pixels import outside
from impasto.losses.statistics import Gram
from impasto.nets import petit
from impasto.nets.vgg import VGG
from impasto.ops.resample import resize
from impasto.optimize import Objective, climb
from impasto.training.distances import grams, seen

VISITS = (8, 25, 60)
"""After so many steps of a descent its pictures are shown to the teachers."""
CONTENT_LAYER = "relu4_1"
CONTENT_WEIGHT, OUTSIDE_WEIGHT = 0.05, 10.0
"""Of the samples; the style weighs 1."""


def visit(eyes: VGG, content: Tensor, style: Tensor, *, generator: torch.Generator) -> Tensor:
    """Pictures that descents pass through, each with a content weight and a start by chance.

    Args:
        eyes: the present student with its metrics.
        content: (N, 3, S, S) in [0, 1].
        style: the same shape; the n-th of both make a pair.
        generator: chooses weights, starts and the learning rate.

    Returns:
        (3 · N, 3, S, S) in [0, 1]: after a few, some and many steps of Adam.
    """
    goals = grams(eyes, eyes(style, STYLE_LAYERS), STYLE_LAYERS)
    kept = seen(eyes, CONTENT_LAYER, eyes(content, [CONTENT_LAYER])[CONTENT_LAYER])
    weight = 10 ** (torch.rand(len(content), generator=generator) * 3 - 2.5)
    x = _start(content, style, generator).requires_grad_()
    rate = 0.01 * 6 ** float(torch.rand((), generator=generator))
    adam = torch.optim.Adam([x], lr=rate, betas=(0.9, 0.99))
    visited = []
    for step in range(1, VISITS[-1] + 1):
        features = eyes(x, petit.TAPS)
        far = (seen(eyes, CONTENT_LAYER, features[CONTENT_LAYER]) - kept).square().sum((1, 2, 3))
        loss = weight.to(x.device) * far / kept.square().sum((1, 2, 3)).clamp_min(1e-12)
        for tap, g in grams(eyes, features, STYLE_LAYERS).items():
            far = (g - goals[tap]).square().sum((1, 2))
            loss = loss + far / goals[tap].square().sum((1, 2)).clamp_min(1e-12)
        (x.grad,) = torch.autograd.grad(loss.sum(), x)
        adam.step()
        with torch.no_grad():
            x.clamp_(0, 1)
        if step in VISITS:
            visited.append(x.detach().clone())
    return torch.cat(visited)


def _start(content: Tensor, style: Tensor, generator: torch.Generator) -> Tensor:
    """The content, noise, or the style of another pair."""
    kind = torch.rand((len(content), 1, 1, 1), generator=generator).to(content.device)
    noise = torch.rand(content.shape, generator=generator).to(content.device)
    return torch.where(kind < 0.6, content, torch.where(kind < 0.8, noise, style.roll(1, 0)))


def stylized(eyes: VGG, content: Image, style: Image, *, iterations: int) -> Image:
    """A content in a style of the same size (1, 3, H, W), by a short descent at half and full size.

    It is Gatys' method at its plainest, so that samples of different steps compare.
    """
    height, width = content.shape[2:]

    def objective_at(size: tuple[int, int]) -> Objective:
        keep = Content(CONTENT_LAYER, eyes.metric(CONTENT_LAYER))
        imitate = [Gram(tap, eyes.metric(tap)) for tap in STYLE_LAYERS]
        kept = keep.measure(eyes(resize(content, size), petit.TAPS))
        wanted = eyes(resize(style, size), petit.TAPS)
        goals = [loss.measure(wanted) for loss in imitate]

        def objective(image: Image) -> dict[str, Tensor]:
            features = eyes(image, petit.TAPS)
            pairs = zip(imitate, goals, strict=True)
            far = [loss(features, goal) for loss, goal in pairs]
            return {
                "style": torch.stack(far).mean(),
                "content": CONTENT_WEIGHT * keep(features, kept),
                "outside": OUTSIDE_WEIGHT * outside(image),
            }

        return objective

    sizes = [(height // 2, width // 2), (height, width)]
    return climb(content, objective_at, sizes=sizes, iterations=iterations)

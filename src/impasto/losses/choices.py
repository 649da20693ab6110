"""The losses that can be chosen by name, and what they weigh."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from impasto.losses.content import Content, SelfSimilarity
from impasto.losses.distributions import Histogram, Sliced
from impasto.losses.loss import Loss, square
from impasto.losses.patches import Patches
from impasto.losses.statistics import Covariance, Gram, Moments

StyleLoss = Literal["gram", "moments", "sliced", "covariance", "histogram", "patches"]
ContentLoss = Literal["features", "self-similarity"]


def style_losses(
    name: StyleLoss, layer: str, *, metric: Tensor | None, seed: int, deep: bool
) -> Sequence[tuple[float, Loss]]:
    """The losses of one layer that together are called so, with their weights.

    Patches are looked for in the deeper half of the layers only, as in the paper (relu3_1 and
    relu4_1): they hold strokes there, and pixels elsewhere.

    The weights were found by `python -m benchmarks losses`: with them one strength keeps about as
    much of the content whichever loss is chosen.
    """
    match name:
        case "gram":
            return [(1.0, Gram(layer, metric))]
        case "moments":
            return [(1.0, Moments(layer, metric))]
        case "covariance":
            return [(1.0, Covariance(layer, square(metric)))]
        case "sliced":
            return [(1.0, Sliced(layer, square(metric), seed))]
        case "histogram":
            return [
                (0.5, Gram(layer, metric)),
                (0.5, Histogram(layer, square(metric), seed)),
            ]
        case "patches":
            if not deep:
                return [(1.0, Gram(layer, metric))]
            return [(1.0, Patches(layer, square(metric), seed))]


def content_losses(
    name: ContentLoss, layer: str, *, metric: Tensor | None
) -> Sequence[tuple[float, Loss]]:
    """The losses of one layer that together are called so, with their weights."""
    match name:
        case "features":
            return [(1.0, Content(layer, metric))]
        case "self-similarity":
            return [(1.0, SelfSimilarity(layer, square(metric)))]

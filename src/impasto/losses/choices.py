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
HEAVIER = {"sliced": 1.6, "histogram": 1.6, "patches": 2.0}
"""How many times as much memory as with the others a descent takes with some."""


def style_losses(
    name: StyleLoss, layer: str, *, metric: Tensor | None, seed: int, deep: bool
) -> Sequence[tuple[float, Loss]]:
    """The losses of one layer that together are called so, with their weights.

    Patches are looked for in the deeper half of the layers only, as in the paper (relu3_1 and
    relu4_1): they hold strokes there, and pixels elsewhere.

    With these weights one strength keeps about as much of the content whichever loss is chosen.
    They were set on one portrait: at strength 0.5 the judge's content distance was 0.54 to 0.65 for
    all but "histogram", which was not tried. `python -m benchmarks losses` draws the curves.
    """
    match name:
        case "gram":
            return [(1.0, Gram(layer, metric))]
        case "moments":
            return [(2.5, Moments(layer, metric))]
        case "covariance":
            return [(1.0, Covariance(layer, square(metric)))]
        case "sliced":
            return [(2.5, Sliced(layer, square(metric), seed))]
        case "histogram":
            return [
                (0.5, Gram(layer, metric)),
                (0.5, Histogram(layer, square(metric), seed)),
            ]
        case "patches":
            if not deep:
                return [(1.0, Gram(layer, metric))]
            return [(0.3, Patches(layer, square(metric), seed))]


def content_losses(
    name: ContentLoss, layer: str, *, metric: Tensor | None
) -> Sequence[tuple[float, Loss]]:
    """The losses of one layer that together are called so, with their weights."""
    match name:
        case "features":
            return [(1.0, Content(layer, metric))]
        case "self-similarity":
            return [(4.0, SelfSimilarity(layer, square(metric)))]

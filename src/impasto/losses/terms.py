"""What a descent adds up: losses with their targets and weights, of some styles or regions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from impasto.core.tensors import Features, Mask
from impasto.losses.loss import Guides, Loss, Scalar
from impasto.losses.pixels import unit_gradient
from impasto.ops.stats import places


@dataclass(frozen=True)
class Term:
    """A loss with its target, its weight, and where it counts; or those of many regions at once."""

    name: str
    weight: float | Tensor
    loss: Loss
    target: Tensor
    guide: Guides | None = None

    def __call__(self, features: Features, *, unit: bool = False) -> Scalar:
        """Its share of the objective; with `unit` its gradient is as large as its weight."""
        if unit:
            features = unit_gradient(features, self.loss.layer, length=float(self.weight))
        # Of many regions a term is made only where the loss takes their places.
        guide = cast("Mask | None", self.guide)
        return (self.weight * self.loss(features, self.target, guide)).sum()


def blended(
    name: str, weight: float, loss: Loss, *, shares: Sequence[float], targets: Sequence[Tensor]
) -> Iterator[Term]:
    """One term for all styles, or one for each where targets cannot be added up."""
    total = sum(shares)
    if total and loss.blends:
        parts = [share / total * target for share, target in zip(shares, targets, strict=True)]
        yield Term(name, weight, loss, torch.stack(parts).sum(0))
    if total and not loss.blends:
        for share, target in zip(shares, targets, strict=True):
            yield Term(name, weight * share / total, loss, target)


def apart(
    name: str,
    weights: Sequence[float],
    loss: Loss,
    *,
    targets: Sequence[Tensor],
    guides: Sequence[Mask],
    together: bool,
) -> Iterator[Term]:
    """One term for all regions, where that is asked for and the loss can, or one for each."""
    if together and loss.many:
        weight = torch.tensor(weights).to(guides[0])
        yield Term(name, weight, loss, torch.stack(list(targets)), places(torch.cat(list(guides))))
        return
    for weight, target, guide in zip(weights, targets, guides, strict=True):
        yield Term(name, weight, loss, target, guide)

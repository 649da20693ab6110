"""Style as a set of patches, each to be found in the style as it is."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from impasto.core.tensors import Features, Mask
from impasto.losses.loss import Scalar, mapped
from impasto.ops.patches import nearest, patchmatch

SIDE = 3
"""Positions along a side of a patch, as in the paper."""


@dataclass(frozen=True)
class Patches:
    """Each patch of features is to be its nearest one in the style: Σ‖p − NN(p)‖² / Σ‖NN(p)‖².

    Li and Wand, "Combining Markov Random Fields and Convolutional Neural Networks for Image
    Synthesis", CVPR 2016, equations 2 and 3. Nearest is what has the greatest correlation after the
    mean of each picture is taken away, as in Kolkin et al., "Neural Neighbor Style Transfer", arXiv
    2203.13215, section 3.2. It is looked for by PatchMatch.

    The patches of several styles cannot be added up; their losses are.

    Attributes:
        layer: the layer to look at.
        metric: (C, C) matrix M; with it the features are M f.
        seed: of the search.
        exact: compare all patches instead.
    """

    blends: ClassVar[bool] = False
    many: ClassVar[bool] = False

    layer: str
    metric: Tensor | None = None
    seed: int = 0
    exact: bool = False

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "1 K h w"]:
        """The features of a style and, as one channel more, how much each position counts."""
        f = mapped(features[self.layer], self.metric)
        return torch.cat([f, torch.ones_like(f[:, :1]) if guide is None else guide.to(f)], 1)

    def __call__(
        self, features: Features, target: Float[Tensor, "1 K h w"], guide: Mask | None = None
    ) -> Scalar:
        """How far the patches are from their nearest ones, ≥ 0.

        Of a style those count that lie in its guide by at least half.
        """
        f = mapped(features[self.layer], self.metric)
        known, seen = target[:, :-1], target[:, -1:]
        # A map that is smaller than a patch is one patch.
        side = min(SIDE, *f.shape[2:], *known.shape[2:])
        counted = _averaged(seen, side)
        near = _cut(known, self._nearest(f, known, counted >= 0.5 * counted.max(), seen, side))
        weights = _averaged(torch.ones_like(f[:, :1]) if guide is None else guide, side).flatten()
        far = (F.unfold(f, side)[0].mT - near).square()
        return (weights @ far).sum() / (weights @ near.square()).sum().clamp_min(1e-12)

    @torch.no_grad()
    def _nearest(
        self, f: Tensor, known: Tensor, allowed: Bool[Tensor, "h w"], seen: Tensor, side: int
    ) -> Tensor:
        """The positions, (side², P), of the patch with the greatest correlation for each patch."""
        mean = (seen * known).sum((2, 3), keepdim=True) / seen.sum().clamp_min(1e-12)
        search = nearest
        if not self.exact:
            search = partial(patchmatch, generator=torch.Generator().manual_seed(self.seed))
        found = search(
            f - f.mean((2, 3), keepdim=True),
            known - mean,
            patch=side,
            by="correlation",
            allowed=allowed,
        ).index.flatten()
        numbers = torch.arange(known[0, 0].numel(), device=f.device).view(known.shape[2:])
        return numbers.unfold(0, side, 1).unfold(1, side, 1).flatten(0, 1).flatten(1)[found].mT


def _cut(features: Tensor, places: Int[Tensor, "n P"]) -> Float[Tensor, "P D"]:
    """The patches at these positions, as rows of `F.unfold`."""
    return features[0].flatten(1)[:, places].flatten(0, 1).mT


def _averaged(guide: Mask, side: int) -> Tensor:
    """How much of each patch counts."""
    return F.avg_pool2d(guide, side, stride=1)[0, 0]

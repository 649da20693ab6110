"""Style as a set of patches, each to be found in the style as it is."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from impasto.core.tensors import Features, Mask
from impasto.losses.loss import Scalar, mapped

SIDE = 3
"""Positions along a side of a patch, as in the paper."""
MOST = 2048
"""Patches of a style that are kept; of more, as many are drawn."""
CHUNK = 4096
"""Patches that are compared with those of a style at once."""


@dataclass(frozen=True)
class Patches:
    """Each patch of features is to be its nearest one in the style: Σ‖p − NN(p)‖² / Σ‖NN(p)‖².

    Li and Wand, "Combining Markov Random Fields and Convolutional Neural Networks for Image
    Synthesis", CVPR 2016, equations 2 and 3. Nearest is what has the greatest correlation after the
    mean of each picture is taken away, as in Kolkin et al., "Neural Neighbor Style Transfer", arXiv
    2203.13215, section 3.2. Of many patches of a style `MOST` are drawn.

    The patches of several styles cannot be added up; their losses are.

    Attributes:
        layer: the layer to look at.
        metric: (C, C) matrix M; with it the features are M f.
        seed: of the patches that are drawn.
    """

    blends: ClassVar[bool] = False

    layer: str
    metric: Tensor | None = None
    seed: int = 0

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "P D"]:
        """The patches of a style; with a guide those of which at least half counts."""
        patches = _patches(mapped(features[self.layer], self.metric))
        if guide is not None:
            seen = _seen(guide)
            patches = patches[seen >= 0.5 * seen.max()]
        if len(patches) > MOST:
            generator = torch.Generator().manual_seed(self.seed)
            drawn = torch.randperm(len(patches), generator=generator)[:MOST].sort().values
            patches = patches[drawn.to(patches.device)]
        return patches

    def __call__(
        self, features: Features, target: Float[Tensor, "P D"], guide: Mask | None = None
    ) -> Scalar:
        """How far the patches are from their nearest ones, ≥ 0."""
        f = features[self.layer]
        patches = _patches(mapped(f, self.metric))
        near = target[_nearest(patches.detach(), target, kind=f.dtype)]
        weights = patches.new_ones(len(patches)) if guide is None else _seen(guide)
        far = (weights @ (patches - near).square()).sum()
        return far / (weights @ near.square()).sum().clamp_min(1e-12)


def _patches(features: Float[Tensor, "1 C h w"]) -> Float[Tensor, "P D"]:
    # A map that is smaller than a patch is one patch.
    side = min(SIDE, *features.shape[2:])
    return F.unfold(features, side)[0].mT


def _seen(guide: Mask) -> Float[Tensor, " P"]:
    """How much of each patch counts."""
    return F.avg_pool2d(guide, min(SIDE, *guide.shape[2:]), stride=1).flatten()


def _nearest(
    patches: Float[Tensor, "P D"], target: Float[Tensor, "Q D"], *, kind: torch.dtype
) -> Tensor:
    """The row of the target with the greatest correlation, for each patch."""
    known = F.normalize(target - target.mean(0), dim=1).to(kind)
    wanted = (patches - patches.mean(0)).to(kind)
    return torch.cat([(part @ known.mT).argmax(1) for part in wanted.split(CHUNK)])

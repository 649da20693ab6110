"""Style as a few statistics of feature maps, wherever in the picture they occur.

All take the guides and targets of R regions at once, and give R distances (`many`).
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from impasto.core.tensors import Features, Mask
from impasto.losses.loss import PIXELS, Guides
from impasto.ops.stats import gaussian, gram, relative, root


@dataclass(frozen=True)
class Gram:
    """‖G(f) − G(style)‖² / ‖G(style)‖² at one layer, G the mean Gram matrix.

    Gatys, Ecker and Bethge, CVPR 2016, equations 3 to 5, made relative; with a guide that of Gatys
    et al., "Controlling Perceptual Factors in Neural Style Transfer", CVPR 2017, section 4.

    Attributes:
        layer: the layer to look at.
        metric: (K, C) matrix M; with it G becomes M G Mᵀ, the Gram matrix of M f.
    """

    blends: ClassVar[bool] = True
    many: ClassVar[bool] = True

    layer: str
    metric: Tensor | None = None

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "K K"]:
        """The Gram matrix of one picture."""
        return self._seen(features, guide)[0]

    def __call__(
        self, features: Features, target: Float[Tensor, "*R K K"], guide: Guides | None = None
    ) -> Float[Tensor, "*R"]:
        """How far the features are from the target, ≥ 0."""
        return _relative(self._seen(features, guide), target)

    def _seen(self, features: Features, guide: Guides | None) -> Float[Tensor, "R K K"]:
        g = gram(features[self.layer], guide)
        return g if self.metric is None else self.metric @ g @ self.metric.mT


@dataclass(frozen=True)
class Grain:
    """Style below the first layer: the Gram matrix of the differences of neighbouring pixels.

    Colour noise of one pixel is faint to a network and plain to the eye. When this is 0, steps
    down and across in R, G and B have the second moments that they have in the style.
    """

    blends: ClassVar[bool] = True
    many: ClassVar[bool] = True

    layer: str = PIXELS

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "6 6"]:
        """The mean outer product of the steps (down, across) at each pixel."""
        return self._seen(features, guide)[0]

    def __call__(
        self, features: Features, target: Float[Tensor, "*R 6 6"], guide: Guides | None = None
    ) -> Float[Tensor, "*R"]:
        """How far the features are from the target, ≥ 0."""
        # A flat style has no steps at all; those of two grey levels then serve as the unit.
        floor = torch.full_like(target, (2 / 255) ** 2)
        return _relative(self._seen(features, guide), target, unit=target.abs() + floor)

    def _seen(self, features: Features, guide: Guides | None) -> Float[Tensor, "R 6 6"]:
        image = features[self.layer]
        padded = F.pad(image, (0, 1, 0, 1), mode="replicate")
        down, across = padded[:, :, 1:, :-1] - image, padded[:, :, :-1, 1:] - image
        return gram(torch.cat([down, across], 1), guide)


@dataclass(frozen=True)
class Moments:
    """(‖μ − μ'‖² + ‖σ − σ'‖²) / (‖μ'‖² + ‖σ'‖²): mean and deviation of each channel, and no more.

    Li et al., "Demystifying Neural Style Transfer", IJCAI 2017, section 4.2 (matching batch
    normalisation statistics); Huang and Belongie, ICCV 2017, equation 13. Made relative.

    Attributes:
        layer: the layer to look at.
        metric: (K, C) matrix M; with it the statistics are those of M f.
    """

    blends: ClassVar[bool] = True
    many: ClassVar[bool] = True

    layer: str
    metric: Tensor | None = None

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "2 K"]:
        """Means, and below them deviations."""
        mean, variance = self._seen(features, guide)
        return torch.cat([mean, variance.sqrt()])

    def __call__(
        self, features: Features, target: Float[Tensor, "*R 2 K"], guide: Guides | None = None
    ) -> Float[Tensor, "*R"]:
        """How far the features are from the target, ≥ 0."""
        mean, variance = self._seen(features, guide)
        # A deviation has no gradient at 0; a trace of variance in every channel gives it one.
        trace = 1e-5 * target.square().mean((-2, -1), keepdim=True) + 1e-20
        own, wanted = torch.stack([mean, (variance + trace[..., 0]).sqrt()], 1), target.clone()
        wanted[..., 1:, :] = (wanted[..., 1:, :].square() + trace).sqrt()
        return _relative(own, wanted, unit=target)

    def _seen(self, features: Features, guide: Guides | None) -> tuple[Tensor, Tensor]:
        mean, covariance = _gaussian(features[self.layer], guide, self.metric)
        return mean, covariance.diagonal(dim1=1, dim2=2).clamp_min(0)


@dataclass(frozen=True)
class Covariance:
    """The Wasserstein distance of two Gaussians: how much features must move to get mean and Σ'.

    (‖μ − μ'‖² + tr(Σ + Σ' − 2 (S Σ S)^½)) / (‖μ'‖² + tr Σ'), S the root of Σ': Mroueh, "Wasserstein
    Style Transfer", arXiv 1905.12828, equation 4, made relative.

    Roots S of several styles add up linearly, which where they commute is the barycentre.

    Attributes:
        layer: the layer to look at.
        metric: (K, C) matrix M; with it the statistics are those of M f.
    """

    blends: ClassVar[bool] = True
    many: ClassVar[bool] = True

    layer: str
    metric: Tensor | None = None

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "D K"]:
        """The root of the covariance, and below it the mean."""
        mean, covariance = _gaussian(features[self.layer], guide, self.metric)
        return torch.cat([root(covariance[0]), mean])

    def __call__(
        self, features: Features, target: Float[Tensor, "*R D K"], guide: Guides | None = None
    ) -> Float[Tensor, "*R"]:
        """How far the features are from the target, ≥ 0 but for rounding."""
        mean, covariance = _gaussian(features[self.layer], guide, self.metric)
        wanted, energy = target[..., :-1, :].double(), target.double().square().sum((-2, -1))
        energy = energy.clamp_min(1e-12)
        inner = torch.linalg.eigvalsh(wanted @ covariance.double() @ wanted)
        # A root has no gradient at 0; a trace of variance in every direction gives it one.
        trace = (1e-6 * energy / inner.shape[1]) ** 2
        overlap = (inner.clamp_min(0) + trace[..., None]).sqrt().sum(1)
        both = covariance.diagonal(dim1=1, dim2=2).sum(1) + wanted.square().sum((-2, -1))
        moved = (mean - target[..., -1, :]).square().sum(1)
        return ((moved + both - 2 * overlap) / energy).float().view(target.shape[:-2])


def _relative(
    seen: Float[Tensor, "R J K"], target: Float[Tensor, "*R J K"], *, unit: Tensor | None = None
) -> Float[Tensor, "*R"]:
    far = relative(seen - target, target if unit is None else unit)
    return far.view(target.shape[:-2])


def _gaussian(
    features: Tensor, guide: Guides | None, metric: Tensor | None
) -> tuple[Float[Tensor, "R K"], Float[Tensor, "R K K"]]:
    mean, covariance = gaussian(features, guide)
    if metric is None:
        return mean, covariance
    return mean @ metric.mT, metric @ covariance @ metric.mT

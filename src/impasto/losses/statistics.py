"""Style as a few statistics of feature maps, wherever in the picture they occur."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from impasto.core.tensors import Features, Mask
from impasto.losses.loss import PIXELS, Scalar
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

    layer: str
    metric: Tensor | None = None

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "K K"]:
        """The Gram matrix of one picture."""
        g = gram(features[self.layer], guide)[0]
        return g if self.metric is None else self.metric @ g @ self.metric.mT

    def __call__(
        self, features: Features, target: Float[Tensor, "K K"], guide: Mask | None = None
    ) -> Scalar:
        """How far the features are from the target, ≥ 0."""
        return relative(self.measure(features, guide) - target, target)


@dataclass(frozen=True)
class Grain:
    """Style below the first layer: the Gram matrix of the differences of neighbouring pixels.

    Colour noise of one pixel is faint to a network and plain to the eye. When this is 0, steps
    down and across in R, G and B have the second moments that they have in the style.
    """

    blends: ClassVar[bool] = True

    layer: str = PIXELS

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "6 6"]:
        """The mean outer product of the steps (down, across) at each pixel."""
        image = features[self.layer]
        padded = F.pad(image, (0, 1, 0, 1), mode="replicate")
        down, across = padded[:, :, 1:, :-1] - image, padded[:, :, :-1, 1:] - image
        return gram(torch.cat([down, across], 1), guide)[0]

    def __call__(
        self, features: Features, target: Float[Tensor, "6 6"], guide: Mask | None = None
    ) -> Scalar:
        """How far the features are from the target, ≥ 0."""
        # A flat style has no steps at all; those of two grey levels then serve as the unit.
        floor = torch.full_like(target, (2 / 255) ** 2)
        return relative(self.measure(features, guide) - target, target.abs() + floor)


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

    layer: str
    metric: Tensor | None = None

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "2 K"]:
        """Means, and below them deviations."""
        mean, variance = self._seen(features, guide)
        return torch.stack([mean, variance.sqrt()])

    def __call__(
        self, features: Features, target: Float[Tensor, "2 K"], guide: Mask | None = None
    ) -> Scalar:
        """How far the features are from the target, ≥ 0."""
        mean, variance = self._seen(features, guide)
        # A deviation has no gradient at 0; a trace of variance in every channel gives it one.
        trace = 1e-5 * target.square().mean() + 1e-20
        deviation = (variance + trace).sqrt() - (target[1].square() + trace).sqrt()
        return relative(torch.stack([mean - target[0], deviation]), target)

    def _seen(self, features: Features, guide: Mask | None) -> tuple[Tensor, Tensor]:
        mean, covariance = _gaussian(features[self.layer], guide, self.metric)
        return mean, covariance.diagonal().clamp_min(0)


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

    layer: str
    metric: Tensor | None = None

    def measure(self, features: Features, guide: Mask | None = None) -> Float[Tensor, "D K"]:
        """The root of the covariance, and below it the mean."""
        mean, covariance = _gaussian(features[self.layer], guide, self.metric)
        return torch.cat([root(covariance), mean[None]])

    def __call__(
        self, features: Features, target: Float[Tensor, "D K"], guide: Mask | None = None
    ) -> Scalar:
        """How far the features are from the target, ≥ 0 but for rounding."""
        mean, covariance = _gaussian(features[self.layer], guide, self.metric)
        wanted, energy = target[:-1].double(), target.double().square().sum().clamp_min(1e-12)
        inner = torch.linalg.eigvalsh(wanted @ covariance.double() @ wanted)
        # A root has no gradient at 0; a trace of variance in every direction gives it one.
        trace = (1e-6 * energy / len(inner)) ** 2
        overlap = (inner.clamp_min(0) + trace).sqrt().sum()
        shape = covariance.diagonal().sum() + wanted.square().sum() - 2 * overlap
        return (((mean - target[-1]).square().sum() + shape) / energy).float()


def _gaussian(
    features: Tensor, guide: Mask | None, metric: Tensor | None
) -> tuple[Float[Tensor, " K"], Float[Tensor, "K K"]]:
    mean, covariance = gaussian(features, guide)
    if metric is None:
        return mean, covariance
    return metric @ mean, metric @ covariance @ metric.mT

"""What all losses have in common."""

from typing import ClassVar, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from impasto.core.tensors import Features, Mask
from impasto.ops.stats import Places, root

Scalar = Float[Tensor, ""]
Guides = Float[Tensor, "R 1 _ _"] | Places
"""How much each position of a layer counts for each of R regions."""

PIXELS = "pixels"
"""The name of the picture itself among its features."""


@runtime_checkable
class Loss(Protocol):
    """One wish about one layer.

    Attributes:
        blends: whether the targets of several styles add up linearly.
        many: whether guides and targets of many regions can be given at once, for the distance of
            each; it takes hardly longer than one.
    """

    blends: ClassVar[bool]
    many: ClassVar[bool]

    @property
    def layer(self) -> str:
        """The layer to look at."""
        ...

    def measure(self, features: Features, guide: Mask | None = None) -> Tensor:
        """The target that a picture gives."""
        ...

    def __call__(self, features: Features, target: Tensor, guide: Mask | None = None) -> Scalar:
        """How far the features are from a target, ≥ 0 but for rounding."""
        ...


def mapped(
    features: Float[Tensor, "1 C h w"], metric: Float[Tensor, "K C"] | None
) -> Float[Tensor, "1 K h w"]:
    """The features in the space in which a network measures distances, float32."""
    if metric is not None:
        positions = features.permute(0, 2, 3, 1)
        features = F.linear(positions, metric.to(features.dtype)).permute(0, 3, 1, 2)
    return features.float()


def square(metric: Float[Tensor, "K C"] | None) -> Float[Tensor, "C C"] | None:
    """The symmetric matrix that measures the same distances, and is smaller where K > C."""
    return None if metric is None else root(metric.mT @ metric)

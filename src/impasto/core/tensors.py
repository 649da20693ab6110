"""Shape names that annotations share."""

from jaxtyping import Float
from torch import Tensor

Image = Float[Tensor, "1 3 _ _"]
"""One picture: float32, sRGB in [0, 1]."""

Mask = Float[Tensor, "1 1 _ _"]
"""Where something applies: float32, 0 (nowhere) to 1 (fully)."""

Features = dict[str, Float[Tensor, "_ _ _ _"]]
"""Layer name to activations (N, C, h, w), of any floating type; every layer has its own C, h, w."""

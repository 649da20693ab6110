"""The linear filter that one picture and its filtered version show."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

RADIUS = 6
"""Pixels that a filter sees on each side."""
NOISE = 1 / 12 / 255**2
"""Variance of what eight bits round away: less than that is not worth being learnt."""


@dataclass(frozen=True)
class Linear:
    """A kernel, and the means around which it works.

    Attributes:
        kernel: (1, 1, K, K), the same for all channels.
        before: means of the channels of what goes in, (1, C, 1, 1).
        after: of what comes out.
    """

    kernel: Float[Tensor, "1 1 K K"]
    before: Float[Tensor, "1 C 1 1"]
    after: Float[Tensor, "1 C 1 1"]

    def __call__(self, image: Float[Tensor, "1 C h w"]) -> Float[Tensor, "1 C h w"]:
        """The picture filtered, its border repeated."""
        radius = self.kernel.shape[2] // 2
        return self.after + F.conv2d(_grown(image - self.before, radius), self.kernel).transpose(
            0, 1
        )


def learnt(
    plain: Float[Tensor, "1 C H W"], filtered: Float[Tensor, "1 C H W"], *, radius: int = RADIUS
) -> Linear:
    """The kernel that comes nearest to what was done, by least squares.

    It minimises Σ (filtered − kernel ∗ plain)², plus ‖kernel‖² times the noise of eight bits, which
    decides where the picture shows nothing.
    """
    before, after = (each.mean((2, 3), keepdim=True) for each in (plain, filtered))
    side = 2 * radius + 1
    moments = plain.new_zeros((side**2, side**2), dtype=torch.float64)
    answer = moments.new_zeros(side**2)
    for channel, wanted in zip(_grown(plain - before, radius), filtered[0] - after[0], strict=True):
        seen = F.unfold(channel[None], side)[0]
        moments += seen @ seen.T
        answer += seen @ wanted.flatten()
    moments += NOISE * plain.numel() * torch.eye(side**2)
    kernel = torch.linalg.solve(moments, answer).to(plain).view(1, 1, side, side)
    return Linear(kernel, before, after)


def _grown(image: Tensor, radius: int) -> Float[Tensor, "C 1 _ _"]:
    return F.pad(image, [radius] * 4, mode="replicate").transpose(0, 1)

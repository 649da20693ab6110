"""The linear filter that one picture and its filtered version show."""

from dataclasses import dataclass
from math import isqrt

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

RADIUS = 6
"""Pixels that a filter sees on each side."""
MANY = 1 << 16
"""Pixels of about which a filter is learnt; of more, every so many are taken."""
NOISE = 1 / 12 / 255**2
"""Variance of what eight bits round away: less than that is not worth being learnt."""


@dataclass(frozen=True)
class Linear:
    """A kernel, a mixture of the channels, and the means around which they work.

    Attributes:
        kernel: (1, 1, K, K), the same for all channels.
        mixture: (C, C), what comes out of what the kernel gives.
        before: means of the channels of what goes in, (1, C, 1, 1).
        after: of what comes out.
    """

    kernel: Float[Tensor, "1 1 K K"]
    mixture: Float[Tensor, "C C"]
    before: Float[Tensor, "1 C 1 1"]
    after: Float[Tensor, "1 C 1 1"]

    def __call__(self, image: Float[Tensor, "1 C h w"]) -> Float[Tensor, "1 C h w"]:
        """The picture filtered, its border repeated."""
        seen = _correlated(image - self.before, self.kernel)
        return self.after + torch.einsum("dc,nchw->ndhw", self.mixture, seen)


def learnt(
    plain: Float[Tensor, "1 C H W"], filtered: Float[Tensor, "1 C H W"], *, radius: int = RADIUS
) -> Linear:
    """The kernel that comes nearest to what was done, and then the mixture, by least squares.

    Both minimise a sum of squared errors, and beside it how far they are from 0 and from leaving
    the channels alone, squared, times the noise of eight bits. That decides where the picture shows
    nothing.
    """
    before, after = (each.mean((2, 3), keepdim=True) for each in (plain, filtered))
    side = 2 * radius + 1
    step = max(1, isqrt(plain[0, 0].numel() // MANY))
    wanted = (filtered - after)[0, :, ::step, ::step].flatten(1)
    moments = NOISE * wanted.numel() * torch.eye(side**2, dtype=torch.float64)
    answer = moments.new_zeros(side**2)
    for channel, own in zip(_grown(plain - before, radius), wanted, strict=True):
        seen = F.unfold(channel[None], side, stride=step)[0]
        moments += seen @ seen.T
        answer += seen @ own
    kernel = torch.linalg.solve(moments, answer).to(plain).view(1, 1, side, side)
    seen = _correlated(plain - before, kernel)[0, :, ::step, ::step].flatten(1).double()
    kept = NOISE * wanted.shape[1] * torch.eye(len(seen))
    mixture = torch.linalg.solve(seen @ seen.T + kept, wanted.double() @ seen.T + kept, left=False)
    return Linear(kernel, mixture.to(plain), before, after)


def _correlated(image: Tensor, kernel: Tensor) -> Tensor:
    """Every channel by itself, its border repeated."""
    return F.conv2d(_grown(image, kernel.shape[2] // 2), kernel).transpose(0, 1)


def _grown(image: Tensor, radius: int) -> Float[Tensor, "C 1 _ _"]:
    return F.pad(image, [radius] * 4, mode="replicate").transpose(0, 1)

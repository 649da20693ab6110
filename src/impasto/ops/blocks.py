"""Where in a sample the blocks lie that fit best: template matching by FFT, from coarse to fine."""

from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

MANY = 70_000
"""Places in a sample above which it is searched at half its size first."""
BEST = 16
"""Places that are looked at again at twice the size."""
SMALL = 10
"""Up to this side of a block a plain convolution is quicker than an FFT."""
HELD = 1 << 24
"""Numbers that a search holds at once."""


class Blocks:
    """All blocks of a sample, to be searched.

    The error of a block S for a target T is Σ w (S − T)², summed over pixels and channels.

    Args:
        sample: (C, H, W).
        weights: K kinds of w, none below 0.
        region: where to look, from 0 to 1; a pixel of a block outside it is an error of 1.
        exhaustive: try every place, however many there are.
    """

    def __init__(
        self,
        sample: Float[Tensor, "C H W"],
        weights: Float[Tensor, "K C B B"],
        *,
        region: Float[Tensor, "1 H W"] | None = None,
        exhaustive: bool = False,
    ) -> None:
        # Without the mean there is less to cancel.
        self.mean = sample.mean((1, 2))[:, None, None]
        self.sample, self.weights = sample - self.mean, weights
        side = weights.shape[-1]
        self.size = sample.shape[1] - side + 1, sample.shape[2] - side + 1
        self.energy = self._correlation(weights.double(), self.sample.double() ** 2).float()
        if region is not None:
            self.energy += F.avg_pool2d(1 - region, side, stride=1) * side**2
        self.coarse: Blocks | None = None
        if not exhaustive and min(side, *self.size) >= 4 and self.size[0] * self.size[1] > MANY:
            halves = None if region is None else F.avg_pool2d(region, 2)
            self.coarse = Blocks(F.avg_pool2d(sample, 2), F.avg_pool2d(weights, 2), region=halves)

    def search(
        self,
        targets: Float[Tensor, "N C B B"],
        kinds: Int[Tensor, " N"],
        *,
        tolerance: float,
        chances: Float[Tensor, " N"],
    ) -> Int[Tensor, "N 2"]:
        """The row and column of a block for each target, drawn among those that fit about best.

        Args:
            targets: what the blocks should look like.
            kinds: which weights count for each target.
            tolerance: 0 is the best block, 0.1 one whose error is at most 1.1 times as large.
            chances: in [0, 1), decide which one it is.
        """
        area = self.weights.shape[-1] ** 2 * BEST if self.coarse else self.size[0] * self.size[1]
        together = max(1, HELD // (len(self.sample) * area))
        parts = zip(*(v.split(together) for v in (targets, kinds, chances)), strict=True)
        found = []
        for target, kind, chance in parts:
            places, errors = self._looked_at(target, kind)
            found.append(_at(places, _drawn(errors, tolerance, chance)[:, None])[:, 0])
        return torch.cat(found)

    def errors(self, targets: Tensor, kinds: Tensor) -> Float[Tensor, "N Y X"]:
        """The error of the block at every place: Σ w S² − 2 Σ w S T + Σ w T²."""
        weighted, own = self._weighted(targets, kinds)
        return self.energy[kinds] - 2 * self._correlation(weighted, self.sample) + own

    def errors_near(self, targets: Tensor, kinds: Tensor, places: Tensor) -> Tensor:
        """The errors, (N, M, 3, 3), of the blocks at these places, (N, M, 2), and around them."""
        weighted, own = self._weighted(targets, kinds)
        near = self._at(self.sample, places - 1, self.weights.shape[-1] + 2)
        product = F.conv2d(near.flatten(1, 2), weighted, groups=len(targets)).transpose(0, 1)
        energy = self._at(self.energy, places - 1, 3)
        energy = energy[:, torch.arange(len(kinds)), kinds].transpose(0, 1)
        return energy - 2 * product + own[..., None]

    def at(self, places: Int[Tensor, "N 2"]) -> Float[Tensor, "N C B B"]:
        """The blocks at these places."""
        return self._at(self.sample, places[:, None], self.weights.shape[-1])[0] + self.mean

    @staticmethod
    def _at(image: Tensor, places: Tensor, side: int) -> Tensor:
        """Squares of a picture (C, H, W) at places (N, M, 2), as (M, N, C, side, side)."""
        inside = torch.arange(side, device=places.device)
        index = (places @ places.new_tensor([image.shape[2], 1])).mT[..., None, None]
        index = index + inside[:, None] * image.shape[2] + inside
        return image.flatten(1)[:, index].permute(1, 2, 0, 3, 4)

    def _weighted(self, targets: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Σ w T² and w T."""
        targets = targets - self.mean
        weighted = self.weights[kinds] * targets
        return weighted, (weighted * targets).sum((1, 2, 3))[:, None, None]

    def _looked_at(self, targets: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Places, (N, M, 2) or (1, M, 2) for all, and the errors there, (N, M)."""
        device = targets.device
        if self.coarse is None:
            rows, columns = (torch.arange(side, device=device) for side in self.size)
            return torch.cartesian_prod(rows, columns)[None], self.errors(targets, kinds).flatten(1)
        weights = self.weights[kinds]
        halved = F.avg_pool2d(weights * targets, 2) / F.avg_pool2d(weights, 2).clamp_min(1e-12)
        places, errors = self.coarse._looked_at(halved, kinds)
        best = errors.topk(min(BEST, errors.shape[1]), largest=False).indices
        last = torch.tensor(self.size, device=device) - 2
        places = (2 * _at(places, best)).clamp_min(1).minimum(last)
        near = torch.arange(-1, 2, device=device)
        errors = self.errors_near(targets, kinds, places).flatten(1)
        return (places[:, :, None] + torch.cartesian_prod(near, near)).flatten(1, 2), errors

    def _correlation(self, templates: Tensor, sample: Tensor) -> Tensor:
        """Sums of products of templates, (N, C, B, B), with the blocks at all places, (N, Y, X)."""
        if templates.shape[-1] <= SMALL:
            return F.conv2d(sample[None], templates)[0]
        padded = [_quick(length) for length in sample.shape[1:]]
        spectrum = self._spectrum if sample is self.sample else torch.fft.rfft2(sample, padded)
        products = (torch.fft.rfft2(templates, padded).conj() * spectrum).sum(1)
        # What reaches round the border is cut off.
        return torch.fft.irfft2(products, padded)[:, : self.size[0], : self.size[1]]

    @cached_property
    def _spectrum(self) -> Tensor:
        return torch.fft.rfft2(self.sample, [_quick(length) for length in self.sample.shape[1:]])


def _at(places: Tensor, index: Tensor) -> Tensor:
    """The places (N, M, 2) that an index (N, m) names."""
    return places.expand(len(index), -1, -1).gather(1, index[..., None].expand(-1, -1, 2))


def _drawn(errors: Tensor, tolerance: float, chances: Tensor) -> Tensor:
    """The index of an error in each row, drawn evenly among those within the tolerance."""
    least = errors.amin(1, keepdim=True).clamp_min(0)
    fitting = (errors <= (1 + tolerance) * least).cumsum(1)
    chosen = (chances * fitting[:, -1]).long()
    return (fitting <= chosen[:, None]).sum(1)


def _quick(length: int) -> int:
    """The next length whose FFT is quick: 2, 3 and 5 are its only prime factors."""
    rest = length
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    return length if rest == 1 else _quick(length + 1)

"""Statistics of feature maps."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

RANK = 1e-5
"""Directions with less than this share of the greatest variance are taken to have none."""
CACHED = 2**20
"""Numbers that are worked on at once."""
FLAT = 1e-6
"""So are those with less than this share of the mean square: rounding, in a flat picture."""


class _Gram(torch.autograd.Function):
    """Written out because autograd multiplies once for each of the two equal factors."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        flat = features.flatten(2)
        if flat.dtype == torch.float16:  # Its squares overflow; bfloat16 reaches as far as float32.
            flat = flat.float()
        ctx.save_for_backward(flat)
        ctx.shape, ctx.dtype = features.shape, features.dtype
        return (flat @ flat.mT).float() / flat.shape[2]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (flat,), (gradient,) = ctx.saved_tensors, gradients
        factor = ((gradient + gradient.mT) / flat.shape[2]).to(flat.dtype)
        # As the product is written, so it lies in memory: in the order of the features.
        plain = flat.is_contiguous()
        product = factor @ flat if plain else (flat.mT @ factor).mT
        return product.unflatten(2, ctx.shape[2:]).to(ctx.dtype)


class _Gaussian(torch.autograd.Function):
    """Written out because autograd goes over the features four times where once is enough."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> tuple[Tensor, Tensor]:
        mean = features.mean((2, 3), dtype=torch.float32)
        if features.dtype == torch.float32:
            flat, taken = features.flatten(2), mean
            covariance = flat @ flat.mT / flat.shape[2] - mean[:, :, None] * mean[:, None, :]
        else:
            # In half precision little would be left of a small covariance beside a large mean. That
            # is taken from whole rows, which is quicker than from a few channels at a time.
            rows = features.permute(0, 2, 3, 1).flatten(2)
            rows = rows - mean.to(rows.dtype).repeat(1, features.shape[3])[:, None]
            if rows.dtype == torch.float16:  # Squares overflow.
                rows = rows.float()
            flat = rows.unflatten(2, (-1, features.shape[1])).flatten(1, 2).mT
            taken = torch.zeros_like(mean)
            covariance = (flat @ flat.mT).float() / flat.shape[2]
        ctx.save_for_backward(flat, taken)
        ctx.shape, ctx.dtype = features.shape, features.dtype
        return mean, covariance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (flat, taken), (of_mean, of_covariance) = ctx.saved_tensors, gradients
        factor = (of_covariance + of_covariance.mT) / flat.shape[2]
        rest = of_mean[:, None] / flat.shape[2] - taken[:, None] @ factor
        g = torch.baddbmm(rest.to(flat.dtype), flat.mT, factor.to(flat.dtype))
        return g.unflatten(1, ctx.shape[2:]).permute(0, 3, 1, 2).to(ctx.dtype)


class Places(NamedTuple):
    """The positions of a layer that count for each of R regions, one region after the other.

    Attributes:
        kept: which they are, (n,).
        share: how much each counts, from 0 to 1, (n,).
        sizes: how many a region has.
        totals: the sum of the shares of each region, (R,).
    """

    kept: Tensor
    share: Tensor
    sizes: list[int]
    totals: Tensor


def places(weights: Float[Tensor, "R 1 h w"]) -> Places:
    """What is the same however often the same regions are looked at."""
    tiny = torch.finfo(torch.float32).tiny
    flat = weights.flatten(1) / weights.amax((1, 2, 3)).clamp_min(tiny)[:, None]
    region, kept = flat.nonzero(as_tuple=True)
    sizes = region.bincount(minlength=len(flat)).tolist()
    return Places(kept, flat[region, kept], sizes, flat.sum(1).clamp_min(tiny))


class _Weighted(torch.autograd.Function):
    """Mean and covariance of some regions: of positions that count, each so much.

    Only those are touched, all regions give one gradient, and what is multiplied is centred, so
    that half precision does too.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, weights: Places) -> tuple[Tensor, Tensor]:
        rows, (kept, share, sizes, totals) = features[0].permute(1, 2, 0).flatten(0, 1), weights
        if rows.dtype == torch.float16:  # As in _Gram.
            rows = rows.float()
        centred, means = rows.index_select(0, kept), []
        covariances = rows.new_empty((len(sizes), rows.shape[1], rows.shape[1]))
        # Multiplied in full, since to stretch numbers of half precision on the way is far slower.
        weighted = share.to(rows.dtype)[:, None].expand_as(centred).contiguous()
        parts = zip(centred.split(sizes), weighted.split(sizes), share.split(sizes), strict=True)
        for i, (own, by, each) in enumerate(parts):
            means.append(own.mT.float() @ each / totals[i])
            by.mul_(own.sub_(means[i].to(own.dtype)))
            torch.mm(by.mT, own, out=covariances[i])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(weighted, kept, share, totals)
        ctx.shape, ctx.dtype, ctx.sizes = features.shape, features.dtype, sizes
        return torch.stack(means), covariances.float() / totals[:, None, None]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor, None]:
        (weighted, kept, share, totals), (shift, gradient) = ctx.saved_tensors, gradients
        _, channels, height, width = ctx.shape
        found = torch.zeros_like(weighted)
        parts = zip(*(each.split(ctx.sizes) for each in (found, weighted, share)), strict=True)
        for i, (own, by, each) in enumerate(parts):
            if gradient is not None:
                # Centred, the mean's own share of it is nothing.
                factor = (gradient[i] + gradient[i].mT) / totals[i]
                torch.mm(by, factor.to(own.dtype), out=own)
            if shift is not None:
                own.addr_(each.to(own.dtype), (shift[i] / totals[i]).to(own.dtype))
        rows = found.new_zeros((height * width, channels)).index_add_(0, kept, found)
        back = rows.view(1, height, width, channels).permute(0, 3, 1, 2)
        return back.to(ctx.dtype), None


def gram(
    features: Float[Tensor, "N C h w"], weights: Float[Tensor, "R 1 h w"] | Places | None = None
) -> Float[Tensor, "M C C"]:
    """The Gram matrix over positions, as a mean, so that pictures of any size compare.

    Gatys, Ecker and Bethge, CVPR 2016, equation 3, divided by the number of positions; with weights
    Gatys et al., CVPR 2017, equation 5.

    Args:
        features: activations in any precision and memory order.
        weights: how much each position of one picture counts, for each of R regions; None is all
            alike.

    Returns:
        Float32, of each picture, or of each region.
    """
    if weights is None:
        return _Gram.apply(features)
    mean, covariance = gaussian(features, weights)
    return covariance + mean[:, :, None] * mean[:, None, :]


def gaussian(
    features: Float[Tensor, "1 C h w"], weights: Float[Tensor, "R 1 h w"] | Places | None = None
) -> tuple[Float[Tensor, "R C"], Float[Tensor, "R C C"]]:
    """Mean and covariance over positions, so that they can be descended.

    Args:
        features: activations in any precision and memory order.
        weights: how much each position counts, for each of R regions; None is one, all alike.

    Returns:
        Float32.
    """
    if weights is not None:
        known = weights if isinstance(weights, Places) else places(weights)
        return _Weighted.apply(features, known)
    return _Gaussian.apply(features)


def root(matrix: Float[Tensor, "C C"]) -> Float[Tensor, "C C"]:
    """The symmetric root of a matrix without negative eigenvalues (rounding aside)."""
    values, vectors = torch.linalg.eigh(matrix.double())
    return ((vectors * values.clamp_min(0).sqrt()) @ vectors.mT).to(matrix.dtype)


def quantiles(
    values: Float[Tensor, "D N"], weights: Float[Tensor, " N"] | None = None, *, count: int
) -> Float[Tensor, "D count"]:
    """The means of equal shares of sorted values: rows of any length become comparable.

    Two rows of as many quantiles are as far apart as the 1-D Wasserstein distance between them.

    Args:
        values: rows to sort, each by itself.
        weights: how much each column counts; None is all alike.
        count: of quantiles.

    Returns:
        From the least to the greatest; their mean is that of the row.
    """
    ordered, order = values.sort(1)
    steps = torch.linspace(0, 1, count + 1, dtype=torch.float64).to(values.device)
    if weights is None:
        # Without weights the places to read at are known, which saves most of the time.
        if values.shape[1] % count == 0:
            return ordered.unflatten(1, (count, -1)).mean(2)
        integral = F.pad(ordered.cumsum(1, dtype=torch.float64), (1, 0)) / values.shape[1]
        at = steps * values.shape[1]
        left = at.long().clamp_max(values.shape[1] - 1)
        read = torch.lerp(integral[:, left], integral[:, left + 1], at - left)
        return (count * read.diff(dim=1)).to(values.dtype)
    # The integral of the quantile function, read at equal steps: shares may split a value.
    mass = weights[order].double()
    mass = mass / mass.sum(1, keepdim=True).clamp_min(1e-30)
    below = F.pad(mass.cumsum(1), (1, 0))
    integral = F.pad((mass * ordered).cumsum(1), (1, 0))
    at = steps.expand(len(values), -1).contiguous()
    right = torch.searchsorted(below, at).clamp(1, ordered.shape[1])
    low, high = below.gather(1, right - 1), below.gather(1, right)
    share = ((at - low) / (high - low).clamp_min(1e-30)).clamp(0, 1)
    read = torch.lerp(integral.gather(1, right - 1), integral.gather(1, right), share)
    return (count * read.diff(dim=1)).to(values.dtype)


def relative(
    difference: Float[Tensor, "... J K"], reference: Float[Tensor, "... J K"]
) -> Float[Tensor, "..."]:
    """‖difference‖² / ‖reference‖² of each matrix; a reference of zero counts as a tiny one."""
    energy = reference.square().sum((-2, -1)).clamp_min(1e-12)
    return difference.square().sum((-2, -1)) / energy


class Moments(NamedTuple):
    """What is known of features of which only how they vary is known, wherever they lie.

    Attributes:
        mean: (R, C), float64.
        covariance: (R, C, C), float64.
    """

    mean: Float[Tensor, "R C"]
    covariance: Float[Tensor, "R C C"]


def products(
    features: Float[Tensor, "1 C h w"], weights: Float[Tensor, "R 1 h w"] | None = None
) -> Float[Tensor, "R D D"]:
    """The sums over positions of the products of any two channels; `moments` reads them.

    A channel of ones is put behind the others, so D = C + 1, and the last row holds the sums of all
    channels and the count of positions. The sums of two parts of a picture are those of both.

    Args:
        features: activations in any precision and memory order.
        weights: how much each position counts, several times over; None is 1, once.

    Returns:
        Float64, so that pictures of any size can be added up.
    """
    # Row by row in float32, where few numbers are added, and the rows in float64.
    rows = features[0].permute(1, 2, 0)
    if weights is None:
        # So many rows at once that their float32 stays in the processor's cache.
        few = max(1, CACHED // rows[0].numel())
        return torch.stack([_all_products(part.float()) for part in rows.split(few)]).sum(0)[None]
    flat = rows.float().flatten(0, 1)
    return torch.stack([_weighted(flat, weight.flatten(), rows.shape[1]) for weight in weights])


def _all_products(rows: Tensor) -> Tensor:
    return _products(rows, rows, torch.tensor([rows.shape[0] * rows.shape[1]]))


def _weighted(flat: Tensor, weight: Tensor, width: int) -> Tensor:
    """Only positions that count are touched, so that many regions take no longer than one."""
    kept = weight.nonzero()[:, 0]
    weight, rows = weight[kept], flat.index_select(0, kept)
    spare = -len(kept) % width
    rows, weighted = (
        F.pad(each, (0, 0, 0, spare)).unflatten(0, (-1, width))
        for each in (rows, rows * weight[:, None])
    )
    return _products(rows, weighted, weight.sum(dtype=torch.float64)[None])


def _products(rows: Tensor, weighted: Tensor, count: Tensor) -> Tensor:
    # The ones are put in here and not into the features: products of odd widths are slow.
    square = (weighted.mT @ rows).sum(0, dtype=torch.float64)
    total = weighted.sum(1).sum(0, dtype=torch.float64)
    last = torch.cat([total, count.to(total)])
    return torch.cat([torch.cat([square, total[:, None]], 1), last[None]])


def moments(sums: Float[Tensor, "R D D"]) -> Moments:
    """Mean and covariance from the sums that `products` gives; zeros where nothing was counted."""
    count = sums[:, -1:, -1].clamp_min(torch.finfo(torch.float64).tiny)
    mean = sums[:, -1, :-1] / count
    square = sums[:, :-1, :-1] / count[..., None]
    return Moments(mean, square - mean[:, :, None] * mean[:, None, :])


def second(known: Moments) -> Float[Tensor, "R C C"]:
    """The Gram matrices, mean outer products of activations: Σ + μ μᵀ."""
    return known.covariance + known.mean[:, :, None] * known.mean[:, None, :]


def whitening(known: Moments) -> Float[Tensor, "R C C"]:
    """The symmetric matrix W that makes features uncorrelated with variance 1: W Σ Wᵀ = I.

    Li et al., "Universal Style Transfer via Feature Transforms", NeurIPS 2017, equation 2.

    Directions in which the features hardly vary (`RANK`, `FLAT`) become 0, so flat pictures are
    harmless.
    """
    values, vectors = torch.linalg.eigh(known.covariance.double())
    square = known.mean.double().square().sum(1) + values.clamp_min(0).sum(1)
    least = torch.maximum(RANK * values[:, -1], FLAT * square).clamp_min(1e-30)[:, None]
    inverse = torch.where(values > least, values.clamp_min(least).rsqrt(), 0.0)
    return (vectors * inverse[:, None]) @ vectors.mT


def transport(own: Moments, wanted: Moments) -> Float[Tensor, "R C C"]:
    """The symmetric matrix T that gives features another covariance with the least change.

    T = W (S Σ' S)^½ W with W = `whitening` and S = `colouring` of what is, Σ' what is wanted: the
    map of optimal transport between two Gaussians (Knott and Smith 1984; for styles Mroueh,
    "Wasserstein Style Transfer", arXiv 1905.12828). T Σ Tᵀ = Σ' as for whitening and colouring.

    Args:
        own: moments of R kinds of features.
        wanted: of as many, or of one for all.
    """
    white, root = whitening(own), colouring(own)
    middle = Moments(wanted.mean, root @ wanted.covariance.double() @ root)
    return white @ colouring(middle) @ white


def partway(
    own: Moments,
    matrix: Float[Tensor, "R C C"],
    mean: Float[Tensor, "R C"],
    share: Float[Tensor, " R"],
) -> tuple[Float[Tensor, "R C C"], Float[Tensor, "R C"]]:
    """The affine map A f + b that carries features a share of the way to another mean by a matrix.

    Li et al., NeurIPS 2017, equation 4: what it gives lies so far between f and all the way.

    Args:
        own: moments of R kinds of features.
        matrix: what is done to each kind, its mean apart.
        mean: that it gets.
        share: from 0, the features as they are, to 1.
    """
    share = share.to(matrix)[:, None]
    part = torch.lerp(torch.eye(matrix.shape[1]).to(matrix), matrix, share[..., None])
    return part, torch.lerp(own.mean, mean, share) - (part @ own.mean[..., None])[..., 0]


def colouring(known: Moments) -> Float[Tensor, "R C C"]:
    """The symmetric root S of the covariance, which gives it to white features: S Sᵀ = Σ.

    Li et al., NeurIPS 2017, equation 3.
    """
    values, vectors = torch.linalg.eigh(known.covariance.double())
    return (vectors * values.clamp_min(0).sqrt()[:, None]) @ vectors.mT

"""Pairs of regions: a kind of place in a content, and where a style has the same kind.

Both come from painted maps, or from what `petit` sees.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional as F

from impasto.core.contract import Style
from impasto.core.errors import OptionError
from impasto.core.tensors import Image, Mask
from impasto.nets import zoo
from impasto.ops.resample import fit, resize
from impasto.ops.segment import kinds

APART = 0.25
"""Distance between two colours of a map, at least, in RGB from 0 to 1."""
STEPS, ENOUGH = 32, 256
"""Of each channel, for counting colours, and pixels along a side that are enough for it."""
FLAT = 0.1
"""Where neighbours in a map differ by more there is an edge, which has no colour of its own."""
SHARE = 0.003
"""The smallest region of a map that counts, of all its pixels."""
MOST = 16
"""Colours of a map."""
LOOK, TAPS = 256, ("relu3_1", "relu4_1")
"""Long side at which kinds of places are looked for, and where."""
LEAST = 0.03
"""The smallest share of a picture that is a kind of place."""

Pairs = tuple[list[Style], list[Mask]]
"""Styles with their regions, and for each where it goes in the content, in any size."""


def by_maps(styles: Sequence[Style], *, content_map: Image, style_maps: Sequence[Image]) -> Pairs:
    """Every style goes where the content's map has the colours of its own map.

    Args:
        styles: what to imitate.
        content_map: flat colours, as many as there are regions; noise of JPEG does no harm.
        style_maps: one a style.

    Raises:
        OptionError: a map has too many colours, or a colour of the content is in no style.
    """
    known = palette([content_map, *style_maps])
    if len(known) > MOST:
        raise OptionError(
            f"content_map and style_map must have {MOST} flat colours at most; these have more"
        )
    wanted, *offered = (_labels(each, known) for each in (content_map, *style_maps))
    pairs: Pairs = ([], [])
    for color in (i for i in range(len(known)) if _covers(wanted, i)):
        having = [
            (s, where) for s, where in zip(styles, offered, strict=True) if _covers(where, color)
        ]
        if not having:
            seen = content_map[0][:, wanted == color].median(1).values
            code = "".join(f"{round(255 * value):02x}" for value in seen.tolist())
            raise OptionError(
                f"style_map must have every colour of content_map; there is no #{code}"
            )
        for style, where in having:
            pairs[0].append(replace(style, region=_mask(where, color)))
            pairs[1].append(_mask(wanted, color))
    return pairs


def by_kinds(styles: Sequence[Style], content: Image, *, count: int, seed: int) -> Pairs:
    """Every style goes from its kinds of places to the same kinds in the content.

    The kinds are found by k-means over features of all pictures, each picture's brought to mean 0
    and deviation 1, because a painted sky is to a painting what a sky is to a photograph.

    Args:
        styles: with their pictures.
        content: of any size.
        count: kinds, at most; one that a picture hardly has is none.
        seed: of the beginning of k-means.
    """
    pictures = [content, *(style.image for style in styles if style.image is not None)]
    seen = [_features(picture) for picture in pictures]
    sizes = [f.shape[2] * f.shape[3] for f in seen]
    rows = torch.cat([f.flatten(2)[0].T for f in seen])
    labels = _common(rows, kinds(rows, count, seed=seed), sizes)
    maps = [part.view(f.shape[2:]) for part, f in zip(labels.split(sizes), seen, strict=True)]
    pairs: Pairs = ([], [])
    for kind in labels.unique().tolist():
        for style, where in zip(styles, maps[1:], strict=True):
            pairs[0].append(replace(style, region=_mask(where, kind)))
            pairs[1].append(_mask(maps[0], kind))
    return pairs


def palette(maps: Sequence[Image]) -> Float[Tensor, "K 3"]:
    """The colours of some maps, the most frequent first; no more than one above `MOST`."""
    flat = [_flat(each) for each in maps]
    steps = (torch.cat(flat) * (STEPS - 1)).round().long()
    code = (steps * torch.tensor([STEPS**2, STEPS, 1])).sum(1)
    counts = torch.bincount(code, minlength=STEPS**3).double()
    lines = torch.arange(STEPS).double() / (STEPS - 1)
    colors = torch.cartesian_prod(lines, lines, lines)
    least = SHARE * min(map(len, flat))
    kept: list[Tensor] = []
    while len(kept) <= MOST:
        near = (colors - colors[counts.argmax()]).norm(dim=1) < APART
        if counts[near].sum() < least:
            break
        kept.append((colors[near] * counts[near, None]).sum(0) / counts[near].sum())
        counts[near] = 0
    return torch.stack(kept).float()


def _flat(picture: Image) -> Float[Tensor, "N 3"]:
    """The pixels that are like their surroundings."""
    step = max(1, max(picture.shape[2:]) // ENOUGH)
    picture = picture[:, :, ::step, ::step]
    extent = F.max_pool2d(picture, 3, 1, 1) + F.max_pool2d(-picture, 3, 1, 1)
    return picture[0][:, (extent.amax(1) < FLAT)[0]].T


def _labels(picture: Image, known: Float[Tensor, "K 3"]) -> Int64[Tensor, "h w"]:
    """Which of the known colours is nearest."""
    return torch.cdist(picture[0].permute(1, 2, 0), known.to(picture)).argmin(2)


def _covers(labels: Int64[Tensor, "h w"], label: int) -> bool:
    return (labels == label).float().mean().item() >= SHARE


def _mask(labels: Int64[Tensor, "h w"], label: int) -> Mask:
    return (labels == label).float()[None, None]


@torch.no_grad()
def _features(picture: Image) -> Float[Tensor, "1 C h w"]:
    """What the network sees, every channel with mean 0 and deviation 1."""
    network = zoo.load("petit")
    network.to(picture.device)
    size = fit(*picture.shape[2:], long_side=LOOK)
    features = network(resize(picture, (max(16, size[0]), max(16, size[1]))), TAPS)
    deep = features[TAPS[-1]].float()
    shallow = F.adaptive_avg_pool2d(features[TAPS[0]].float(), deep.shape[2:])
    both = torch.cat([shallow, deep], 1)
    both = F.avg_pool2d(both, 3, 1, 1, count_include_pad=False)
    deviation = both.std((2, 3), correction=0, keepdim=True)
    return (both - both.mean((2, 3), keepdim=True)) / deviation.clamp_min(1e-4)


def _common(rows: Tensor, labels: Tensor, sizes: Sequence[int]) -> Tensor:
    """The labels (N,) without those that a picture hardly has: their rows go to the next other."""
    while True:
        known = labels.unique()
        shares = [
            min((part == kind).float().mean().item() for part in labels.split(list(sizes)))
            for kind in known
        ]
        if min(shares) >= LEAST or len(known) == 1:
            return labels
        gone = known[shares.index(min(shares))]
        centres = torch.stack([rows[labels == kind].mean(0) for kind in known])
        away = torch.cdist(rows, centres)
        away[:, known == gone] = torch.inf
        labels = torch.where(labels == gone, known[away.argmin(1)], labels)

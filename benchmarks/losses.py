"""What each loss of Gatys' method gives and costs, and what its regions hold."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import get_args

import torch
from torch import Tensor

from benchmarks.pairs import STYLES, judging_network, pairs, picture
from benchmarks.quality import PICTURES, need_shared, stylized, verdict
from impasto.core.contract import Frame, Style
from impasto.evaluate.metrics import STYLE_LAYERS, style_distance
from impasto.losses.choices import ContentLoss, StyleLoss
from impasto.losses.distributions import Sliced
from impasto.media.image import read, write
from impasto.methods.gatys import Gatys
from impasto.ops.resample import fit, resize

STRENGTHS = (0.25, 0.5, 0.75)
CHOICES = {name: {"style_loss": name} for name in get_args(StyleLoss)} | {
    name: {"content_loss": name} for name in get_args(ContentLoss)[1:]
}
FINALISTS = ("gram", "covariance")
COLUMNS = ("processor_seconds", "gram", "sliced", "content", "roughness", "pyramid")
HALF = 24
"""Pixels on each side of a border that belong to both regions and are not judged."""


def losses(long_side: int = 192) -> dict[str, object]:
    """Two judges' curves over strength of each loss, two pairs; and a sheet of them to look at.

    Both judges look through the exact VGG-19. One compares Gram matrices, which favours `gram`; the
    other compares whole distributions, by sorted projections, which favours `sliced`.
    """
    chosen = list(pairs(long_side=long_side))[:7:6]
    found = {name: _curve(name, chosen) for name in CHOICES}
    drawn = [torch.cat([_kept(name, pair) for pair, *_ in chosen], 3) for name in CHOICES]
    write(torch.cat(drawn, 2), PICTURES / "losses.png")
    return {"summary": found, "pairs": [pair for pair, *_ in chosen]}


def losses_final(long_side: int = 192) -> dict[str, object]:
    """The same of those that might be the default, all 25 pairs."""
    chosen = list(pairs(long_side=long_side))
    return {"summary": {name: _curve(name, chosen) for name in FINALISTS}, "pairs": len(chosen)}


def _curve(name: str, chosen: Sequence[tuple[str, Tensor, Tensor]]) -> dict[str, object]:
    """Strength to the medians over some pairs; the pictures are kept."""
    need_shared()
    PICTURES.mkdir(parents=True, exist_ok=True)
    network, found = judging_network(), {}
    for strength in STRENGTHS:
        rows = []
        for pair, content, style in chosen:
            begin = time.process_time()
            out = stylized(Gatys(strength=strength, **CHOICES[name]), content, style)
            seconds = time.process_time() - begin
            judged = verdict(out, content, style, network)
            row = judged.result
            sliced = _sliced(network, out, style) / _sliced(network, content, style)
            pyramid = row.pyramid / judged.copied.pyramid
            rows.append([seconds, row.ratio, sliced, row.content, row.roughness, pyramid])
            write(out, _place(name, strength, pair))
        medians = map(median, zip(*rows, strict=True))
        found[f"{strength:g}"] = dict(zip(COLUMNS, medians, strict=True))
    return found


def _place(name: str, strength: float, pair: str) -> Path:
    return PICTURES / f"loss-{name}-{strength:g}-{pair}.png"


def _kept(name: str, pair: str) -> Tensor:
    return resize(read(_place(name, 0.5, pair)), (192, 256))


def _sliced(network, one: Tensor, other: Tensor) -> float:
    """The sliced Wasserstein distance, squared, relative to `other`, mean over the layers."""
    seen = [network(image, STYLE_LAYERS) for image in (one, other)]
    found = []
    for layer in STYLE_LAYERS:
        loss = Sliced(layer, seed=1)
        found.append(loss(seen[0], loss.measure(seen[1])).item())
    return sum(found) / len(found)


def regions(long_side: int = 384) -> dict[str, object]:
    """Whether each half of a picture is nearer to its own style than to that of the other half."""
    need_shared()
    PICTURES.mkdir(parents=True, exist_ok=True)
    network, rows = judging_network(), {}
    paintings = [picture(painting, long_side=long_side) for painting in STYLES.values()]
    for i, (pair, content, one) in enumerate(list(pairs(long_side=long_side))[::6]):
        other = paintings[(i + 1) % len(paintings)]
        left = torch.zeros_like(content[:, :1])
        left[..., : left.shape[3] // 2] = 1
        stylizer = Gatys().prepare(
            [Style(one), Style(other)], generator=torch.Generator().manual_seed(0)
        )
        out = stylizer(Frame(content, regions=[left, 1 - left]))
        write(out, PICTURES / f"regions-{pair}.png")
        middle = out.shape[3] // 2
        halves = out[..., : middle - HALF], out[..., middle + HALF :]
        styles = [_scaled(each, long_side) for each in (one, other)]
        rows[pair] = [
            _apart(network, half, own) / _apart(network, half, foreign)
            for half, own, foreign in zip(halves, styles, styles[::-1], strict=True)
        ]
    ratios = [ratio for row in rows.values() for ratio in row]
    return {
        "summary": {
            "own_over_other_median": median(ratios),
            "own_over_other_worst": max(ratios),
        },
        "pairs": rows,
    }


def _scaled(image: Tensor, long_side: int) -> Tensor:
    return resize(image, fit(*image.shape[2:], long_side=long_side))


def _apart(network, one: Tensor, other: Tensor) -> float:
    with torch.inference_mode():
        return style_distance(
            *(network(image.contiguous(), STYLE_LAYERS) for image in (one, other))
        )

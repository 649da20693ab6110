"""A result beside the trivial answers to the same task, seen by a judge that nobody optimised.

A number says little alone: copying the content has no content distance, a piece of the style has
almost no style distance, and moving colours already earns a part of the style. So each verdict
holds these rows too.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from statistics import median
from typing import Any

import torch

from impasto.core.errors import MediaError, WeightsError
from impasto.core.tensors import Features, Image
from impasto.evaluate.metrics import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    color_transfer,
    content_distance,
    pyramid_distance,
    roughness,
    style_distance,
)
from impasto.nets.vgg import VGG
from impasto.ops.resample import fit, resize

_SMALLEST = 16
_TINY = 1e-12


@dataclass(frozen=True)
class Row:
    """One answer to the task; the numbers are those of `impasto.evaluate.metrics`.

    Attributes:
        answer: what is judged.
        style: style distance.
        ratio: style distance over that of the content copied.
        content: content distance.
        roughness: gradient energy over the style's.
        pyramid: pyramid distance to the style.
    """

    answer: str
    style: float
    ratio: float
    content: float
    roughness: float
    pyramid: float


@dataclass(frozen=True)
class Verdict:
    """A result beside its trivial answers.

    Attributes:
        result: the picture that is judged.
        copied: the content as it is.
        transferred: the content in the colours of the style.
        cropped: a piece of the style as large as the content.
        size: height and width at which all were judged.
        padding: how the judging network was padded; VGG is exact with "zeros".
    """

    result: Row
    copied: Row
    transferred: Row
    cropped: Row
    size: tuple[int, int]
    padding: str

    @property
    def rows(self) -> tuple[Row, ...]:
        """The result and then its trivial answers."""
        return self.result, self.copied, self.transferred, self.cropped

    @property
    def against_trivial(self) -> float:
        """The style distance over that of the better of content copied and colours transferred."""
        return self.result.style / max(min(self.copied.style, self.transferred.style), _TINY)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"against_trivial": self.against_trivial}

    def table(self) -> list[tuple[str, ...]]:
        """The rows as words, after a row of headings."""
        headings = tuple(field.name for field in fields(Row))
        cells = [tuple(asdict(row).values()) for row in self.rows]
        return [headings, *((answer, *(f"{n:.3f}" for n in numbers)) for answer, *numbers in cells)]


@dataclass(frozen=True)
class Summary:
    """Many verdicts in a line; medians over the pairs, and the worst pair.

    Attributes:
        pairs: how many.
        ratio: median style distance over that of the content copied.
        content: median content distance.
        roughness: median gradient energy over the style's.
        pyramid: median pyramid distance over that of the content copied.
        worst: the largest `Verdict.against_trivial`.
        worst_pair: the index of that verdict.
    """

    pairs: int
    ratio: float
    content: float
    roughness: float
    pyramid: float
    worst: float
    worst_pair: int

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


@torch.inference_mode()
def judge(
    out: Image,
    content: Image,
    *,
    style: Image,
    network: VGG,
    style_scale: float = 1.0,
    generator: torch.Generator,
) -> Verdict:
    """The distances of a result and of the trivial answers, all at the size of the result.

    Args:
        out: the result.
        content: the photograph; brought to the size of the result.
        style: the painting; brought to `style_scale` times the long side of the result.
        network: the judge. It must not be the network that was optimised, and is best padded with
            zeros, see `VGG`.
        style_scale: the scale at which the result was asked to imitate the style.
        generator: draws once; all rows see the same patches.

    Raises:
        MediaError: a side has fewer than 16 pixels at the scale of the judge.
        WeightsError: the network lacks a layer that the judge needs.
    """
    size = (out.shape[2], out.shape[3])
    _check_layers(network)
    content = resize(content, size)
    long_side = round(style_scale * max(size))
    style = resize(style, fit(style.shape[2], style.shape[3], long_side=long_side))
    _check_size("result", out)
    _check_size("style", style)
    original, target = _see(network, content), _see(network, style)
    copied = max(style_distance(original, target), _TINY)
    seed = int(torch.randint(2**31, (), generator=generator, device=generator.device))

    def row(answer: str, picture: Image) -> Row:
        seen = original if picture is content else _see(network, picture)
        distance = style_distance(seen, target)
        draws = torch.Generator().manual_seed(seed)
        return Row(
            answer=answer,
            style=distance,
            ratio=distance / copied,
            content=content_distance(seen, original),
            roughness=roughness(picture, style),
            pyramid=pyramid_distance(picture, style, generator=draws),
        )

    return Verdict(
        result=row("result", out),
        copied=row("content copied", content),
        transferred=row("colours transferred", color_transfer(content, style)),
        cropped=row("style cropped", _crop(style, size=size)),
        size=size,
        padding=network.padding,
    )


def summarise(verdicts: Sequence[Verdict]) -> Summary:
    """The medians over at least one verdict, and the pair that came out worst."""
    worst = max(range(len(verdicts)), key=lambda index: verdicts[index].against_trivial)
    return Summary(
        pairs=len(verdicts),
        ratio=median(v.result.ratio for v in verdicts),
        content=median(v.result.content for v in verdicts),
        roughness=median(v.result.roughness for v in verdicts),
        pyramid=median(v.result.pyramid / max(v.copied.pyramid, _TINY) for v in verdicts),
        worst=verdicts[worst].against_trivial,
        worst_pair=worst,
    )


def _see(network: VGG, image: Image) -> Features:
    return network(image, {*STYLE_LAYERS, CONTENT_LAYER})


def _crop(style: Image, *, size: tuple[int, int]) -> Image:
    """The middle of the style at this size, enlarged only if it does not fill it."""
    factor = max(1.0, size[0] / style.shape[2], size[1] / style.shape[3])
    covering = (round(style.shape[2] * factor), round(style.shape[3] * factor))
    top, left = ((covering[axis] - size[axis]) // 2 for axis in (0, 1))
    return resize(style, covering)[:, :, top : top + size[0], left : left + size[1]]


def _check_layers(network: VGG) -> None:
    missing = {*STYLE_LAYERS, CONTENT_LAYER}.difference(network.layers)
    if missing:
        raise WeightsError(
            f"the judging network must have {', '.join(STYLE_LAYERS)}; "
            f"it lacks {', '.join(sorted(missing))}"
        )


def _check_size(name: str, image: Image) -> None:
    if min(image.shape[2:]) < _SMALLEST:
        height, width = image.shape[2:]
        raise MediaError(
            f"the {name} is judged at {width} by {height} pixels; "
            f"each side must have at least {_SMALLEST}"
        )

"""Gatys' method: change a picture until a network sees the content of one and the style of another.

Gatys, Ecker and Bethge, "A Neural Algorithm of Artistic Style", arXiv 1508.06576, and "Image Style
Transfer Using Convolutional Neural Networks", CVPR 2016. Departures:

1. The descent climbs from a coarse picture to the full one (as in Gatys et al., "Controlling
   Perceptual Factors in Neural Style Transfer", CVPR 2017): most of it happens where it is cheap.
2. It starts at the content instead of noise.
3. The network is our small `petit`; VGG-19 is an option. Where a network carries a metric,
   distances are measured in it.
4. Every term is relative to its target, so one `strength` means the same for every picture.
5. Below the first layer, the steps from pixel to pixel are matched too (`losses.Grain`): networks
   hardly see the colour noise that a descent leaves behind.
6. The network sees every picture in its mirrored surroundings, so that no border runs wild.
7. Values outside [0, 1] are pulled back by a soft wall instead of being clipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from impasto.core.contract import Frame, Style, Stylizer
from impasto.core.errors import OptionError
from impasto.core.options import Options
from impasto.core.progress import Report, silent
from impasto.core.tensors import Features, Image
from impasto.features import Network, choose
from impasto.losses import PIXELS, Content, Grain, Gram, outside, total_variation, unit_gradient
from impasto.nets import zoo
from impasto.nets.vgg import bfloat16_is_fast
from impasto.ops.resample import fit, mirror, pyramid, resize
from impasto.optimize import Objective, Optimizer, climb

CONTENT_WEIGHT, CONTENT_TRACE = 0.06, 0.02
"""Below this trace a picture comes no closer to the style; it only loses its way."""
LEAST_STRENGTH = 0.01
"""Below it nothing would be seen to change, and the weights would grow without bound."""
OUTSIDE_WEIGHT = 10.0
MARGIN = 8
"""Pixels of mirrored surroundings; the deepest pooling leaves over up to fifteen."""

ADVANCED: dict[str, Any] = {"json_schema_extra": {"advanced": True}}


class Gatys(Options):
    """Optimise the picture itself (Gatys et al. 2016): slower than others, and most faithful."""

    strength: float = Field(0.5, ge=0, le=1, description="0 returns the content, 1 is all texture")
    style_scale: float = Field(
        1.0, ge=0.1, le=10, description="size of strokes: the style's long side over the result's"
    )
    network: str | Network = Field("petit", description="petit, vgg19, vgg16 or a weights file")
    iterations: int = Field(90, ge=1, le=100_000, description="descent steps, all sizes together")
    start: Literal["content", "style", "noise"] = Field(
        "content", description="where the descent begins"
    )
    optimizer: Optimizer = Field("lbfgs", description="L-BFGS, or Adam, which needs less memory")
    rate: float = Field(0.03, gt=0, le=10, description="Adam's step size", **ADVANCED)
    tolerance: float = Field(
        0.0, ge=0, lt=1, description="end a size when ten steps gain a smaller share", **ADVANCED
    )
    coarsest: int = Field(
        128, ge=16, description="long side at which the climb starts, in pixels", **ADVANCED
    )
    style_layers: tuple[str, ...] | None = Field(
        None, description="layers whose Gram matrices are matched", **ADVANCED
    )
    style_weights: tuple[float, ...] | None = Field(
        None, description="their weights, one each; all equal by default", **ADVANCED
    )
    content_layers: tuple[str, ...] | None = Field(
        None, description="layers that hold the content", **ADVANCED
    )
    content_weights: tuple[float, ...] | None = Field(
        None, description="their weights, one each; all equal by default", **ADVANCED
    )
    grain_weight: float = Field(
        0.1, ge=0, description="weight of the style's grain, pixel by pixel", **ADVANCED
    )
    tv_weight: float = Field(
        0.0, ge=0, description="weight of total variation: smooths", **ADVANCED
    )
    pooling: Literal["max", "average"] | None = Field(
        None, description="pooling of VGG-16 or VGG-19; their own by default", **ADVANCED
    )
    normalize_gradients: bool = Field(
        False, description="give the gradient of every term the same size", **ADVANCED
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto is bfloat16 for petit where the processor has it", **ADVANCED
    )

    def prepare(self, styles: Sequence[Style], *, generator: torch.Generator) -> Stylizer:
        """Load the network and check the layers; the styles are measured at each frame's sizes.

        Raises:
            OptionError: no style or one without its picture, or layers and weights that do not fit
                the network.
            WeightsError: the network's weights cannot be had.
        """
        pictures = _pictures(styles)
        network = self._network(pictures[0][0].device)
        style_layers = choose(network, self.style_layers, option="style_layers")
        content_layers = choose(network, self.content_layers, option="content_layers")
        return _Stylizer(
            self,
            network,
            pictures,
            int(torch.randint(2**31, (), generator=generator)),
            [
                *_weighted(Gram, network, style_layers, self.style_weights),
                *([_Term(self.grain_weight, Grain())] if self.grain_weight else []),
            ],
            _weighted(Content, network, content_layers, self.content_weights),
        )

    def _network(self, device: torch.device) -> Network:
        if not isinstance(self.network, str):
            if self.pooling:
                raise OptionError("pooling can be chosen for a network by name or file only")
            return self.network
        network = zoo.load(self.network, pooling=self.pooling).to(device)
        auto = bool(network.metrics) and bfloat16_is_fast(device)
        if self.precision == "bfloat16" or (self.precision == "auto" and auto):
            network.half()
        return network


@dataclass(frozen=True)
class _Term:
    weight: float
    loss: Gram | Grain | Content


@dataclass(frozen=True)
class _Stylizer:
    options: Gatys
    network: Network
    styles: list[tuple[Image, float]]
    seed: int
    style_losses: list[_Term]
    content_losses: list[_Term]
    measured: dict[int, list[Tensor]] = field(default_factory=dict)

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        if frame.regions:
            raise OptionError("gatys blends its styles everywhere; adain and wct take regions")
        if self.options.strength == 0:
            return frame.content.clone()
        height, width = frame.content.shape[2:]
        sizes = pyramid(height, width, coarsest=self.options.coarsest)
        return climb(
            self._start(frame, sizes[0]),
            lambda size: self._objective(frame.content, size),
            sizes=sizes,
            iterations=self.options.iterations,
            optimizer=self.options.optimizer,
            rate=self.options.rate,
            tolerance=self.options.tolerance,
            report=report,
        )

    def _start(self, frame: Frame, size: tuple[int, int]) -> Image:
        if frame.start is not None:
            return resize(frame.start, size)
        if self.options.start == "noise":
            noise = torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(self.seed))
            return noise.to(frame.content)
        picture = frame.content if self.options.start == "content" else self.styles[0][0]
        return resize(picture, size)

    def _objective(self, content: Image, size: tuple[int, int]) -> Objective:
        """What is asked of a picture of this size; all targets are measured here, once."""
        content_targets = _measure(self.network, resize(content, size), self.content_losses)
        style_targets = self._style_targets(max(size))
        terms = [
            (f"{kind} {term.loss.layer}", weight * term.weight, term.loss, target)
            for kind, weight, losses, targets in (
                ("style", 1.0, self.style_losses, style_targets),
                (
                    "content",
                    content_weight(self.options.strength),
                    self.content_losses,
                    content_targets,
                ),
            )
            for term, target in zip(losses, targets, strict=True)
        ]
        taps = list(dict.fromkeys(loss.layer for _, _, loss, _ in terms))

        def objective(image: Image) -> dict[str, Tensor]:
            features = _look(self.network, image, taps)
            losses = {}
            for name, weight, loss, target in terms:
                seen = features
                if self.options.normalize_gradients:
                    seen = unit_gradient(features, loss.layer, length=weight)
                losses[name] = weight * loss(seen, target)
            if self.options.tv_weight:
                losses["total variation"] = self.options.tv_weight * total_variation(image)
            losses["outside"] = OUTSIDE_WEIGHT * outside(image)
            return losses

        return objective

    def _style_targets(self, long_side: int) -> list[Tensor]:
        """The blended Gram matrix of every style layer, the styles at the scale of this result."""
        if long_side not in self.measured:
            side = max(16, round(long_side * self.options.style_scale))
            total = sum(weight for _, weight in self.styles)
            blended = [torch.zeros(()) for _ in self.style_losses]
            for picture, weight in self.styles:
                image = resize(picture, fit(*picture.shape[2:], long_side=side))
                for i, target in enumerate(_measure(self.network, image, self.style_losses)):
                    blended[i] = blended[i] + weight / total * target
            self.measured[long_side] = blended
        return self.measured[long_side]


def _pictures(styles: Sequence[Style]) -> list[tuple[Image, float]]:
    """The pictures of the styles and their weights."""
    if not styles:
        raise OptionError("at least one style is needed")
    pictures = [(style.image, style.weight) for style in styles if style.image is not None]
    if len(pictures) < len(styles):
        raise OptionError("gatys needs the picture of a style; a .style file does not hold it")
    return pictures


def content_weight(strength: float) -> float:
    """The weight of all content terms for a strength in (0, 1]; all style terms weigh 1.

    Towards 0 the content wins; at 1 a trace of it is left, so that flat regions know their place.
    """
    odds = (1 - strength) / max(strength, LEAST_STRENGTH)
    return CONTENT_WEIGHT * odds + CONTENT_TRACE


def _look(network: Network, image: Image, layers: Sequence[str]) -> Features:
    """The features of a picture in its mirrored surroundings, and the picture itself.

    Without them pixels at the border are seen by fewer positions than others, and those that a
    pooling leaves over by none, so that they run wild.
    """
    canvas = mirror(image, margin=MARGIN, multiple=16)
    return network(canvas, [layer for layer in layers if layer != PIXELS]) | {PIXELS: image}


@torch.no_grad()
def _measure(network: Network, image: Image, terms: Sequence[_Term]) -> list[Tensor]:
    features = _look(network, image, [term.loss.layer for term in terms])
    return [term.loss.measure(features) for term in terms]


def _weighted(
    kind: type[Gram] | type[Content],
    network: Network,
    layers: Sequence[str],
    weights: Sequence[float] | None,
) -> list[_Term]:
    """One loss a layer, their weights brought to a sum of one."""
    weights = weights or (1.0,) * len(layers)
    if len(weights) != len(layers) or min(weights) < 0 or sum(weights) <= 0:
        option = "style_weights" if kind is Gram else "content_weights"
        raise OptionError(
            f"{option} must be one for each of the layers {', '.join(layers)}, none below 0, "
            f"not all 0; got {', '.join(f'{w:g}' for w in weights)}"
        )
    return [
        _Term(weight / sum(weights), kind(layer, network.metric(layer)))
        for layer, weight in zip(layers, weights, strict=True)
    ]

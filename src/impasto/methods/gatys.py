"""Gatys' method: change a picture until a network sees the content of one and the style of another.

Gatys, Ecker and Bethge, "A Neural Algorithm of Artistic Style", arXiv 1508.06576, and "Image Style
Transfer Using Convolutional Neural Networks", CVPR 2016. Departures:

1. The descent climbs from a coarse picture to the full one (as in Gatys et al., "Controlling
   Perceptual Factors in Neural Style Transfer", CVPR 2017): most of it happens where it is cheap.
2. It starts at the content instead of noise, and each size adds the content's detail to the result
   of the one before, and goes on with what L-BFGS has learnt there: see `optimize.climb`.
3. The network is our small `petit`; VGG-19 is an option. Where a network carries a metric,
   distances are measured in it.
4. Every term is relative to its target, so one `strength` means the same for every picture.
5. Below the first layer, the steps from pixel to pixel are matched too (`losses.Grain`): networks
   hardly see the colour noise that a descent leaves behind.
6. The network sees every picture in its mirrored surroundings, so that no border runs wild.
7. Values outside [0, 1] are pulled back by a soft wall instead of being clipped.
8. Mean and covariance are matched by their Wasserstein distance; Gram matrices are an option.
9. A network can make the first steps at each size (Andrychowicz et al., "Learning to learn by
   gradient descent by gradient descent", NeurIPS 2016): see `nets.optimizer`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from impasto.core.contract import Cost, Frame, Style, Stylizer, Task, together
from impasto.core.errors import OptionError
from impasto.core.options import ADVANCED, Options
from impasto.core.progress import Report, silent
from impasto.core.tensors import Features, Image, Mask
from impasto.features import CODE, Eyes, Network, choose, coded, descending, weighted
from impasto.losses import choices
from impasto.losses.loss import PIXELS, Loss
from impasto.losses.mixing import Mix, mixes, scales
from impasto.losses.pixels import outside, total_variation
from impasto.losses.statistics import Grain
from impasto.losses.terms import Term, apart, blended
from impasto.nets import zoo
from impasto.nets.optimizer import Leading, bundled
from impasto.nets.vgg import VGG, bfloat16_is_fast
from impasto.ops import masks
from impasto.ops.resample import fit, mirror, pyramid, resize
from impasto.optimize import Lead, Objective, Optimizer, climb, looked

CONTENT_WEIGHT, CONTENT_TRACE = 0.055, 0.0275
"""Below this trace a picture comes no closer to the style; it only loses its way."""
LEAST_STRENGTH = 0.01
"""Below it nothing would be seen to change, and the weights would grow without bound."""
LED_SLOWER = 1.5
"""How much longer a led step takes, with its share of what is measured before at each size."""
OUTSIDE_WEIGHT = 10.0
MARGIN = 8
"""Pixels of mirrored surroundings; the deepest pooling leaves over up to fifteen."""


class Gatys(Options):
    """Optimise the picture itself (Gatys et al. 2016): slower than others, and most faithful."""

    regional: ClassVar[bool] = True

    strength: float = Field(0.5, ge=0, le=1, description="0 returns the content, 1 is all texture")
    style_scale: float = Field(
        1.0, ge=0.1, le=10, description="size of strokes: the style's long side over the result's"
    )
    network: Eyes = Field(
        "petit",
        description="petit, vgg19, vgg16, a file of weights, or one of Python that makes a network",
    )
    iterations: int = Field(90, ge=1, le=100_000, description="descent steps, all sizes together")
    style_loss: choices.StyleLoss = Field("covariance", description="what of the style is matched")
    content_loss: choices.ContentLoss = Field(
        "features", description="what of the content is kept: what is seen, or what is like what"
    )
    start: Literal["content", "style", "noise"] = Field(
        "content", description="where the descent begins"
    )
    optimizer: Optimizer = Field(
        "lbfgs",
        description="L-BFGS; learned, whose first steps a network makes; Adam needs less memory",
    )
    rate: float = Field(0.03, gt=0, le=10, description="Adam's step size", **ADVANCED)
    tolerance: float = Field(
        0.0, ge=0, lt=1, description="end a size when ten steps gain a smaller share", **ADVANCED
    )
    coarsest: int = Field(
        128, ge=16, description="long side at which the climb starts, in pixels", **ADVANCED
    )
    style_mix: tuple[str, ...] | None = Field(
        None,
        description="what each style gives: all, fine, coarse, or a weight for each of its layers "
        "as 1/1/0.5/0/0",
    )
    style_scales: tuple[float, ...] | None = Field(
        None, description="a factor to style_scale for each style", **ADVANCED
    )
    style_layers: tuple[str, ...] | None = Field(
        None, description="layers at which the style is matched", **ADVANCED
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

    def cost(self, task: Task) -> Cost:
        """Fitted to the figures of `python -m benchmarks plan`."""
        heavier = choices.HEAVIER.get(self.style_loss, 1.0) * max(1.0, self.style_scale**2 / 3)
        seen = looked(pyramid(task.height, task.width, coarsest=self.coarsest), self.iterations)
        seen = round(seen * (LED_SLOWER if self.optimizer == "learned" else 1))
        return descending(self.network, heavier * task.pixels, steps=self.iterations, looked=seen)

    def prepare(self, styles: Sequence[Style], *, generator: torch.Generator) -> Stylizer:
        """Load the network and check the layers; the styles are measured at each frame's sizes.

        Raises:
            OptionError: no style or one without its picture, or layers, weights and words that do
                not fit the network and the styles.
            WeightsError: the network's weights cannot be had.
        """
        pictures = _pictures(styles)
        network = self._network(pictures[0].device)
        layers = choose(network, self.style_layers, option="style_layers")
        content_layers = choose(network, self.content_layers, option="content_layers")
        return _Stylizer(
            self,
            network,
            [
                _Known(picture, style.weight, style.region, mix, scale * style.scale)
                for picture, style, mix, scale in zip(
                    pictures,
                    styles,
                    mixes(self.style_mix, layers, count=len(styles)),
                    scales(self.style_scales, count=len(styles)),
                    strict=True,
                )
            ],
            int(torch.randint(2**31, (), generator=generator)),
            weighted(layers, self.style_weights, option="style_weights"),
            weighted(content_layers, self.content_weights, option="content_weights"),
            # So a print with the strokes of its preview climbs as that did, pixel by pixel.
            max(MARGIN, round(self.coarsest / min(one.scale for one in styles))),
        )

    def _network(self, device: torch.device) -> Network:
        if isinstance(self.network, str) and not self.network.endswith(CODE):
            network = zoo.load(self.network, pooling=self.pooling).to(device)
            auto = bool(network.metrics) and bfloat16_is_fast(device)
            if self.precision == "bfloat16" or (self.precision == "auto" and auto):
                network.half()
            return network
        if self.pooling:
            raise OptionError("pooling can be chosen for a network of weights only")
        return coded(self.network, device) if isinstance(self.network, str) else self.network


@dataclass(frozen=True)
class _Known:
    image: Image
    weight: float
    region: Mask | None
    mix: Mix
    scale: float


@dataclass(frozen=True)
class _Stylizer:
    options: Gatys
    network: Network
    styles: list[_Known]
    seed: int
    style_weights: Mapping[str, float]
    content_weights: Mapping[str, float]
    coarsest: int
    measured: dict[int, list[list[Tensor]]] = field(default_factory=dict)

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        if frame.regions and len(frame.regions) != len(self.styles):
            raise OptionError(
                f"regions must be one for each of the {len(self.styles)} styles; "
                f"got {len(frame.regions)}"
            )
        if self.options.strength == 0:
            return frame.content.clone()
        height, width = frame.content.shape[2:]
        sizes = pyramid(height, width, coarsest=self.coarsest)
        out = climb(
            self._start(frame, sizes[0]),
            lambda size: self.objective(frame, size),
            sizes=sizes,
            iterations=self.options.iterations,
            optimizer=self.options.optimizer,
            rate=self.options.rate,
            tolerance=self.options.tolerance,
            lead_at=lambda size: self._lead(frame, size),
            report=report,
        )
        inside = masks.cover(frame.regions)
        return out if inside is None else torch.lerp(frame.content, out, inside)

    def _start(self, frame: Frame, coarsest: tuple[int, int]) -> Image:
        """Where to begin, with all its detail; noise has none beyond the coarsest size."""
        if frame.start is not None:
            return frame.start
        if self.options.start == "noise":
            generator = torch.Generator().manual_seed(self.seed)
            return torch.rand((1, 3, *coarsest), generator=generator).to(frame.content)
        return frame.content if self.options.start == "content" else self.styles[0].image

    def _lead(self, frame: Frame, size: tuple[int, int]) -> Lead | None:
        """Who makes the first steps at a size."""
        if self.options.optimizer != "learned":
            return None
        precise = self.options.precision == "float32"
        return Leading(bundled(frame.content.device, precise=precise), resize(frame.content, size))

    @torch.no_grad()
    def objective(self, frame: Frame, size: tuple[int, int]) -> Objective:
        """What is asked of a picture of this size; all targets are measured here, once."""
        content = resize(frame.content, size)
        regions = [masks.scaled(region, size) for region in frame.regions]
        inside = masks.cover(regions)
        if inside is None and len(regions) == 1:
            regions = []  # Everywhere is nowhere in particular.
        taps = [*self.style_weights, *self.content_weights]
        features = _look(self.network, content, taps)
        terms = [*self._content_terms(features), *self._style_terms(features, regions)]

        def objective(image: Image) -> dict[str, Tensor]:
            # Beyond all regions the content stays, so that this is what is seen around them.
            image = image if inside is None else torch.lerp(content, image, inside)
            found: dict[str, Tensor] = {}
            # Autograd goes back the way that was come. So a layer is done with before the next.
            for layer, feature in _walk(self.network, image, [term.loss.layer for term in terms]):
                for term in terms:
                    if term.loss.layer == layer:
                        loss = term({layer: feature}, unit=self.options.normalize_gradients)
                        found[term.name] = found.get(term.name, 0) + loss
            losses = {term.name: found[term.name] for term in terms}
            if self.options.tv_weight:
                losses["total variation"] = self.options.tv_weight * total_variation(image)
            losses["outside"] = OUTSIDE_WEIGHT * outside(image)
            return losses

        return objective

    def _content_terms(self, features: Features) -> Iterator[Term]:
        weight = content_weight(self.options.strength)
        chosen = self.options.content_loss
        for layer, share in self.content_weights.items():
            metric = self.network.metric(layer)
            for balance, loss in choices.content_losses(chosen, layer, metric=metric):
                target = loss.measure(features)
                yield Term(f"content {layer}", weight * share * balance, loss, target)

    def _style_terms(self, features: Features, regions: Sequence[Mask]) -> Iterator[Term]:
        """The terms of all layers: of all styles together, or of each in its region."""
        long_side = max(features[PIXELS].shape[2:])
        weighed = self._style_losses(long_side)
        targets = self._style_targets(long_side, [loss for _, loss in weighed])
        shared = masks.shared(regions, [style.weight for style in self.styles]) if regions else []
        for (weight, loss), known in zip(weighed, zip(*targets, strict=True), strict=True):
            name = f"style {loss.layer}"
            scale = _stride(loss.layer, features) * 512 / long_side
            shares = [style.mix(loss.layer, scale) for style in self.styles]
            if not shared:
                shares = [a * style.weight for a, style in zip(shares, self.styles, strict=True)]
                yield from blended(name, weight, loss, shares=shares, targets=known)
                continue
            yield from apart(
                name,
                # A region weighs as much as it covers, so strength means the same in all.
                [weight * a * float(place.mean()) for a, place in zip(shares, shared, strict=True)],
                loss,
                targets=known,
                guides=[_guide(place, loss.layer, features) for place in shared],
                together=not self.options.normalize_gradients,
            )

    def _style_losses(self, long_side: int) -> list[tuple[float, Loss]]:
        # What is drawn by chance is drawn anew at each size, and stays while it is descended.
        seed, half = self.seed + long_side, (len(self.style_weights) - 1) / 2
        found = [
            (weight * balance, loss)
            for depth, (layer, weight) in enumerate(self.style_weights.items())
            for balance, loss in choices.style_losses(
                self.options.style_loss,
                layer,
                metric=self.network.metric(layer),
                seed=seed,
                deep=depth >= half,
            )
        ]
        grain = self.options.grain_weight
        return [*found, *([(grain, Grain())] if grain else [])]

    def _style_targets(self, long_side: int, losses: Sequence[Loss]) -> list[list[Tensor]]:
        """What each loss measures of each style, at its scale beside this result."""
        if long_side not in self.measured:
            scale = long_side * self.options.style_scale
            sides = [max(16, round(scale * style.scale)) for style in self.styles]
            found: dict[int, list[Tensor]] = {}
            for side, places in together([style.image for style in self.styles], sides):
                found |= zip(places, self._measured(places, side, losses), strict=True)
            self.measured[long_side] = [found[i] for i in range(len(sides))]
        return self.measured[long_side]

    def _measured(
        self, places: Sequence[int], side: int, losses: Sequence[Loss]
    ) -> Iterator[list[Tensor]]:
        """Of styles that are regions of one picture."""
        picture = self.styles[places[0]].image
        image = resize(picture, fit(*picture.shape[2:], long_side=side))
        features = _look(self.network, image, [loss.layer for loss in losses])
        for region in (self.styles[i].region for i in places):
            if region is None:
                yield [loss.measure(features) for loss in losses]
                continue
            region = masks.scaled(region, (image.shape[2], image.shape[3]))
            yield [loss.measure(features, _guide(region, loss.layer, features)) for loss in losses]


def content_weight(strength: float) -> float:
    """The weight of all content terms for a strength in (0, 1]; all style terms weigh 1.

    Towards 0 the content wins; at 1 a trace of it is left, so that flat regions know their place.
    """
    odds = (1 - strength) / max(strength, LEAST_STRENGTH)
    return CONTENT_WEIGHT * odds + CONTENT_TRACE


def _look(network: Network, image: Image, layers: Sequence[str]) -> Features:
    """The features of a picture in its mirrored surroundings, and the picture itself."""
    return dict(_walk(network, image, layers))


def _walk(
    network: Network, image: Image, layers: Sequence[str]
) -> Iterator[tuple[str, Float[Tensor, "1 C h w"]]]:
    """What `_look` gives, each layer as soon as it is seen where the network can do that.

    Without surroundings pixels at the border are seen by fewer positions than others, and those
    that a pooling leaves over by none, so that they run wild.
    """
    yield PIXELS, image
    canvas = mirror(image, margin=MARGIN, multiple=16)
    taps = [layer for layer in dict.fromkeys(layers) if layer != PIXELS]
    seen = network.walk(canvas, taps) if isinstance(network, VGG) else network(canvas, taps).items()
    yield from seen


def _guide(region: Mask, layer: str, features: Features) -> Mask:
    """How much the positions of a layer count for a region of the picture."""
    if layer != PIXELS:
        region = mirror(region, margin=MARGIN, multiple=16)
    height, width = features[layer].shape[2:]
    return masks.guide(region, (height, width))


def _stride(layer: str, features: Features) -> float:
    """Pixels along a side of a position."""
    if layer == PIXELS:
        return 1.0
    canvas = mirror(features[PIXELS], margin=MARGIN, multiple=16)
    return canvas.shape[2] / features[layer].shape[2]


def _pictures(styles: Sequence[Style]) -> list[Image]:
    if not styles:
        raise OptionError("at least one style is needed")
    pictures = [style.image for style in styles if style.image is not None]
    if len(pictures) < len(styles):
        raise OptionError("gatys needs the picture of a style; a .style file does not hold it")
    for style in styles:
        if style.region is not None and not style.region.any():
            raise OptionError("the region of a style must not be empty")
    return pictures

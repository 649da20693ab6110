"""What is trained for AdaIN: one decoder, on pairs of a content and a style.

After Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance
Normalization", ICCV 2017. Ours: Gram matrices in place of means and deviations, because they are
what judges a style; the grain of the style's pixels; and some pairs of a picture with itself, which
must come back.
"""

import torch
from torch import Tensor

from impasto.core.tensors import Features
from impasto.losses.loss import PIXELS
from impasto.losses.pixels import outside
from impasto.losses.statistics import Grain
from impasto.nets.decoder import (
    STATISTICS,
    StyledDecoder,
    initial_styled_state,
    roughened,
    statistics,
)
from impasto.nets.vgg import VGG
from impasto.training.data import Pairs, anywhere
from impasto.training.distances import far, grams, psnr, seen, style_far
from impasto.training.mirrors import Decode, autocast, widths
from impasto.training.shelves import DEEP, Shelves, Shown

MEASURED = 96
"""Crops on which the usual statistics are measured."""
SHOUT = 10.0
"""Pixels may differ wildly in grain from those of a flat style; one pair counts no more than so."""


class ForAdaIN:
    """One decoder that is told about the style.

    Args:
        options: of the recipe.
        eyes: the encoder, frozen.
        teacher: the network that the losses look with, frozen.
        generator: for the first weights and the choice of pairs.
    """

    def __init__(
        self, options: Decode, *, eyes: VGG, teacher: VGG, generator: torch.Generator
    ) -> None:
        self.options, self.eyes, self.teacher = options, eyes, teacher
        self.generator = generator
        self.shelves = Shelves(teacher, batch=options.batch)
        self.network = StyledDecoder(initial_styled_state(widths(eyes, 4), generator))

    def start(self, pairs: Pairs, *, fresh: bool) -> None:
        """Measure the usual statistics, and show the teacher the first crops."""
        with torch.no_grad():
            usual = statistics(self.eyes(pairs.styles(MEASURED), STATISTICS)).mean(0)
            if fresh:
                # A channel that is nearly always silent must not shout when it speaks.
                self.network.scale.copy_(usual.clamp_min(0.05 * float(usual.mean())))
        self.shelves.fill(pairs)

    def losses(self, step: int, pairs: Pairs) -> dict[str, Tensor]:
        """Style and content seen by the teacher, on pairs of which some are one picture twice."""
        options, network = self.options, self.teacher
        self.shelves.renew(step, pairs)
        content, style, same = self._drawn()
        adapted, modulation = self._told(content.crops, style.crops, at=anywhere(self.generator))
        with autocast(self.eyes):
            made = self.network(adapted, modulation)
        again = network(made, STATISTICS)
        goals: dict[str, Tensor] = dict(zip(STATISTICS, style.grams, strict=True))
        moved = far(seen(network, DEEP, again[DEEP]), seen(network, DEEP, content.deep))
        lost = (made - content.crops).square().mean((1, 2, 3))
        return {
            "style": style_far(grams(network, again, STATISTICS), goals).mean(),
            "content": options.content_weight * moved.mean(),
            "grain": options.grain_weight * _grain(made, style.crops),
            "pixels": options.pixel_weight * (lost * same).mean(),
            "outside": options.outside_weight * outside(made),
        }

    def stylized(self, content: Tensor, style: Tensor) -> Tensor:
        """In one pass."""
        return self.network(*self._told(content, style)).clamp(0, 1)

    def returned(self, content: Tensor) -> dict[str, float]:
        """Of pictures that are their own style."""
        return {DEEP: float(psnr(self.stylized(content, content), content).mean())}

    def state(self) -> dict[str, Tensor]:
        """The crops that the teacher was shown."""
        return self.shelves.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave."""
        self.shelves.restore(state)

    def _drawn(self) -> tuple[Shown, Shown, Tensor]:
        """Contents, styles, and where the style is the content itself."""
        count = self.options.batch
        content, style = self.shelves.draw(count, self.generator)
        same = torch.rand(count, generator=self.generator) < self.options.same_share
        same = same.to(content.crops.device)

        def chosen(own: Tensor, other: Tensor) -> Tensor:
            return torch.where(same.view(-1, *(own.ndim - 1) * (1,)), own, other)

        goals = tuple(map(chosen, content.grams, style.grams))
        return content, Shown(chosen(content.crops, style.crops), style.deep, goals), same

    def _told(
        self, content: Tensor, style: Tensor, *, at: tuple[int, int] = (0, 0)
    ) -> tuple[Features, list[Tensor]]:
        """What the decoder is given: adapted activations, and how the style modulates it."""
        with torch.no_grad():
            features = self.eyes(roughened(content, at=at), STATISTICS)
            wanted = statistics(self.eyes(style, STATISTICS))
            adapted = self.network.adapted(features, statistics(features), wanted)
        return adapted, self.network.modulation(wanted)


def _grain(made: Tensor, style: Tensor) -> Tensor:
    """Mean of `losses.Grain` over a batch."""
    grain = Grain()
    pairs = zip(made.split(1), style.split(1), strict=True)
    each = [grain({PIXELS: x}, grain.measure({PIXELS: y})).clamp_max(SHOUT) for x, y in pairs]
    return torch.stack(each).mean()

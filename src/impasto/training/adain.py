"""What is trained for AdaIN: one decoder, on pairs of a content and a style.

After Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance
Normalization", ICCV 2017. Ours: Gram matrices in place of means and deviations, because they are
what judges a style; the grain of the style's pixels; and some pairs of a picture with itself, which
must come back.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from impasto.core.tensors import Features
from impasto.losses.loss import PIXELS
from impasto.losses.pixels import outside
from impasto.losses.statistics import Grain
from impasto.nets.decoder import STATISTICS, StyledDecoder, initial_styled_state, statistics
from impasto.nets.vgg import VGG
from impasto.training.data import Pairs
from impasto.training.distances import far, grams, psnr, seen, style_far
from impasto.training.mirrors import Decode, autocast, widths

DEEP = STATISTICS[-1]
"""Where AdaIN's loss sees the content."""
SHELF, RENEW = 20, 4
"""Batches of contents and of styles whose targets are kept, and steps after which one is renewed:
the teacher is slow, and any content goes with any style."""
MEASURED = 96
"""Crops on which the usual statistics are measured."""
SHOUT = 10.0
"""Pixels may differ wildly in grain from those of a flat style; one pair counts no more than so."""


class Shown(NamedTuple):
    """Crops (N, 3, H, W), and what the teacher says: deepest activations, and Gram matrices."""

    crops: Tensor
    deep: Tensor
    grams: tuple[Tensor, ...]


class Shelf:
    """Crops with what a network says of them, asked once; the oldest give way.

    Args:
        network: the teacher.
        size: crops that are kept.
    """

    def __init__(self, network: VGG, *, size: int) -> None:
        self.network, self.size = network, size
        self.rows: list[tuple[Tensor, ...]] = []

    @torch.no_grad()
    def add(self, x: Tensor) -> None:
        """Put in crops (N, 3, H, W)."""
        features = self.network(x, STATISTICS)
        said = grams(self.network, features, STATISTICS)
        parts = [x, features[DEEP], *said.values()]
        rows = zip(*(part.split(1) for part in parts), strict=True)
        self.rows = [*self.rows, *rows][-self.size :]

    def draw(self, count: int, generator: torch.Generator) -> Shown:
        """Some of the crops, by chance."""
        at = torch.randint(len(self.rows), (count,), generator=generator).tolist()
        x, deep, *said = (torch.cat(part) for part in zip(*(self.rows[i] for i in at), strict=True))
        return Shown(x, deep, tuple(said))

    def state(self) -> Tensor:
        """The crops, oldest first."""
        return torch.cat([row[0] for row in self.rows])


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
        size = SHELF * options.batch
        self.contents, self.styles = Shelf(teacher, size=size), Shelf(teacher, size=size)
        self.network = StyledDecoder(initial_styled_state(widths(eyes, 4), generator))

    def start(self, pairs: Pairs, *, fresh: bool) -> None:
        """Measure the usual statistics, and show the teacher the first crops."""
        with torch.no_grad():
            usual = statistics(self.eyes(pairs.styles(MEASURED), STATISTICS)).mean(0)
            if fresh:
                # A channel that is nearly always silent must not shout when it speaks.
                self.network.scale.copy_(usual.clamp_min(0.05 * float(usual.mean())))
        for _ in range(SHELF):
            self._renew(pairs)

    def losses(self, step: int, pairs: Pairs) -> dict[str, Tensor]:
        """Style and content seen by the teacher, on pairs of which some are one picture twice."""
        options, network = self.options, self.teacher
        if step % RENEW == 0:
            self._renew(pairs)
        content, style, same = self._drawn()
        adapted, modulation = self._told(content.crops, style.crops)
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
        return {"contents": self.contents.state(), "styles": self.styles.state()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave, asking the teacher anew, as many at a time as before."""
        device = self.eyes.input.weight.device
        for shelf, crops in ((self.contents, state["contents"]), (self.styles, state["styles"])):
            for x in crops.to(device).split(self.options.batch):
                shelf.add(x.contiguous(memory_format=torch.channels_last))

    def _renew(self, pairs: Pairs) -> None:
        self.contents.add(pairs.contents(self.options.batch))
        self.styles.add(pairs.styles(self.options.batch))

    def _drawn(self) -> tuple[Shown, Shown, Tensor]:
        """Contents, styles, and where the style is the content itself."""
        count = self.options.batch
        content = self.contents.draw(count, self.generator)
        style = self.styles.draw(count, self.generator)
        same = torch.rand(count, generator=self.generator) < self.options.same_share
        same = same.to(content.crops.device)

        def chosen(own: Tensor, other: Tensor) -> Tensor:
            return torch.where(same.view(-1, *(own.ndim - 1) * (1,)), own, other)

        goals = tuple(map(chosen, content.grams, style.grams))
        return content, Shown(chosen(content.crops, style.crops), style.deep, goals), same

    def _told(self, content: Tensor, style: Tensor) -> tuple[Features, list[Tensor]]:
        """What the decoder is given: adapted activations, and how the style modulates it."""
        with torch.no_grad():
            features = self.eyes(content, STATISTICS)
            wanted = statistics(self.eyes(style, STATISTICS))
            adapted = self.network.adapted(features, statistics(features), wanted)
        return adapted, self.network.modulation(wanted)


def _grain(made: Tensor, style: Tensor) -> Tensor:
    """Mean of `losses.Grain` over a batch."""
    grain = Grain()
    pairs = zip(made.split(1), style.split(1), strict=True)
    each = [grain({PIXELS: x}, grain.measure({PIXELS: y})).clamp_max(SHOUT) for x, y in pairs]
    return torch.stack(each).mean()

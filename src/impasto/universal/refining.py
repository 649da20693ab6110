"""The pass after the pass: look at what came out, and move it nearer to the style.

The Gram matrices of the whole are gathered first, and with them the gradient of the style's
distance is a matter of each place and its surroundings. So a move is made tile by tile as any other
pass is. Which one, a network says: `impasto.nets.refiner`. How far the style is missed is known
then, so most pictures get one move and hard ones more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from impasto.core.contract import Box, Frame, Sums
from impasto.core.tensors import Features, Image
from impasto.nets.decoder import STATISTICS
from impasto.nets.refiner import Refiner
from impasto.nets.vgg import VGG
from impasto.ops.errors import Missed, felt, missed, pulling, total
from impasto.ops.stats import Moments, moments, second
from impasto.universal.matching import confined, gathered, radius
from impasto.universal.palette import MULTIPLE, Palette

ENOUGH, NEAR, FAR = 0.06, 0.03, 0.5
"""The distance of the style from which one move is enough; where it is not, that from which the
next is the last. Where the content is nearer to the style than `FAR`, less is as far."""


@dataclass
class Noted:
    """What passes over one picture tell those after them.

    Attributes:
        moments: of the content, at `STATISTICS`.
        met: whether the style is met, so that no more moves are needed.
        moves: how many were made.
    """

    moments: Mapping[str, Moments] = field(default_factory=dict)
    met: bool = False
    moves: int = 0

    def begin(self, moments: Mapping[str, Moments]) -> None:
        """With another picture, of which these are the moments."""
        self.moments, self.met, self.moves = moments, False, 0


class Refining:
    """One move of a picture that is stylized already, or none where the style is met.

    Args:
        network: what to look with.
        palette: the styles, at `STATISTICS`.
        refiner: says how to move.
        alpha: the share of the style in what is asked, see `Universal.alpha`.
        noted: what earlier passes say; the first of all has told the content's moments.

    Attributes:
        margin, multiple: as of a `Pass`.
        recalls: the content is asked for.
    """

    multiple = MULTIPLE
    recalls = True

    def __init__(
        self, network: VGG, palette: Palette, *, refiner: Refiner, alpha: float, noted: Noted
    ) -> None:
        self.network, self.palette = network, palette
        self.refiner, self.alpha, self.noted = refiner, alpha, noted
        # There and back again.
        beyond = refiner.margin + 2 * radius(network, STATISTICS)
        self.margin = -(-beyond // MULTIPLE) * MULTIPLE
        self._seen: tuple[Frame, Image, Features] | None = None

    def gather(self, frame: Frame, inside: Box) -> Sums:
        """The sums of the picture's features; nothing where no move is needed."""
        self._seen = None  # Before others take memory.
        if self.noted.met:
            return {}
        image, features = self._look(frame)
        # A picture that is one tile is moved next, and need not be looked at again.
        self._seen = frame, image, features
        with torch.no_grad():
            return gathered(features, frame, inside)

    @torch.no_grad()
    def change(self, sums: Sums) -> Callable[[Frame], Image]:
        """Gram matrices as they are and as they should be, and then the network's move."""
        if not sums:
            return lambda frame: frame.content
        own = {tap: moments(sums[tap]) for tap in STATISTICS}
        wanted = self.palette.wanted(self.noted.moments, STATISTICS, alpha=self.alpha)
        known, begun = (self._missed(each, wanted) for each in (own, self.noted.moments))
        far = total(known) / (total(begun) / FAR).clamp_max(1)
        self.noted.met = bool((far < (NEAR if self.noted.moves else ENOUGH)).all())
        self.noted.moves += 1

        def changed(frame: Frame) -> Image:
            image, features = self._seen_before(frame) or self._look(frame)
            here = [f.detach() for f in features.values()]
            gradient = self._gradient(frame, image, list(features.values()), known)
            features.clear()
            errors = [each.error for each in known]
            with torch.no_grad():
                move = self.refiner(
                    image.detach(),
                    _origin(frame),
                    gradient,
                    here,
                    errors,
                    joined=partial(self._joined, frame=frame),
                )
                # So that little strength changes little.
                return confined((frame.content + self.alpha * move).clamp(0, 1), frame)

        return changed

    def _missed(self, own: Mapping[str, Moments], wanted: Mapping[str, Tensor]) -> list[Missed]:
        return [
            missed(second(own[tap]), wanted[tap], self.network.metric(tap)) for tap in STATISTICS
        ]

    def _gradient(
        self, frame: Frame, image: Image, maps: list[Tensor], known: list[Missed]
    ) -> Image:
        """The gradient of what is missed at all layers."""
        strides = [frame.content.shape[2] // f.shape[2] for f in maps]
        pulls = [
            self._joined(felt(f.detach(), pull), frame)
            for f, pull in zip(maps, pulling(known, strides), strict=True)
        ]
        return torch.autograd.grad(maps, image, pulls)[0]

    def _seen_before(self, frame: Frame) -> tuple[Image, Features] | None:
        seen, self._seen = self._seen, None
        return None if seen is None or seen[0] is not frame else seen[1:]

    @torch.enable_grad()
    def _look(self, frame: Frame) -> tuple[Image, Features]:
        """The picture, and its features, which know the way back.

        A gentle one: what differs by rounding, as tiles do, must not be moved otherwise.
        """
        image = frame.content.detach().requires_grad_()
        return image, self.network(image, STATISTICS, gentle=True)

    def _joined(self, maps: Tensor, frame: Frame) -> Tensor:
        """One map of those of all regions, (R, C, h, w)."""
        if len(maps) == 1:
            return maps
        places = self.palette.places(frame, stride=frame.content.shape[2] // maps.shape[2])
        return (maps * places).sum(0, keepdim=True).to(maps.dtype)


def _origin(frame: Frame) -> Image:
    assert frame.origin is not None  # Whoever runs a pass that recalls gives it.
    return frame.origin

"""The pass after the pass: look at what came out, and move it nearer to the style.

The Gram matrices of the whole are gathered first, and with them the gradient of the style's
distance is a matter of each place and its surroundings. So a move is made tile by tile as any other
pass is. Which one, a network says: `impasto.nets.refiner`. How far the style is missed is known
then, so most pictures get one move and hard ones more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

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

FAR = 0.5
"""A distance of the style that is far. Where the content itself is nearer, less is as far."""


class Asked(NamedTuple):
    """What moves are to bring about.

    Attributes:
        grams: wanted, (R, C, C), tap to those of each region.
        far: what is to be seen as a distance of 1, (R,).
    """

    grams: Mapping[str, Tensor]
    far: Tensor


@dataclass
class Noted:
    """What passes over one picture tell those after them.

    Attributes:
        moments: of the content, at `STATISTICS`.
        met: whether the style is met, so that no more moves are needed.
        moves: how many were made.
        asked: of every move, once the first has found it out.
    """

    moments: Mapping[str, Moments] = field(default_factory=dict)
    met: bool = False
    moves: int = 0
    asked: Asked | None = None

    def begin(self, moments: Mapping[str, Moments]) -> None:
        """With another picture, of which these are the moments."""
        self.moments, self.met, self.moves, self.asked = moments, False, 0, None


class Refining:
    """One move of a picture that is stylized already, or none where the style is met.

    Args:
        network: what to look with.
        palette: the styles, at `STATISTICS`.
        refiner: says how to move.
        alpha: the share of the style in what is asked, see `Universal.alpha`.
        enough: see `Universal.enough`.
        noted: what earlier passes say; the first of all has told the content's moments.

    Attributes:
        margin, multiple: as of a `Pass`.
        recalls: the content is asked for.
    """

    multiple = MULTIPLE
    recalls = True

    def __init__(
        self,
        network: VGG,
        palette: Palette,
        *,
        refiner: Refiner,
        alpha: float,
        enough: tuple[float, float],
        noted: Noted,
    ) -> None:
        self.network, self.palette = network, palette
        self.refiner, self.alpha, self.enough, self.noted = refiner, alpha, enough, noted
        # There and back again.
        beyond = refiner.margin + 2 * radius(network, STATISTICS)
        self.margin = -(-beyond // MULTIPLE) * MULTIPLE
        self._seen: tuple[Frame, Features] | None = None

    @property
    def needed(self) -> bool:
        """Whether the style is not met yet."""
        return not self.noted.met

    def gather(self, frame: Frame, inside: Box) -> Sums:
        """The sums of the picture's features."""
        self._seen = None  # Before others take memory.
        features = self._look(frame)
        # A picture that is one tile is moved next, and need not be looked at again.
        self._seen = frame, features
        return gathered({tap: features[tap] for tap in STATISTICS}, frame, inside)

    @torch.no_grad()
    def change(self, sums: Sums) -> Callable[[Frame], Image]:
        """Gram matrices as they are and as they should be, and then the network's move."""
        enough = self.enough[self.noted.moves > 0]
        asked = self.noted.asked = self.noted.asked or self._asked()
        known = self._missed({tap: moments(sums[tap]) for tap in STATISTICS}, asked.grams)
        self.noted.met = bool((total(known) < enough * asked.far).all())
        self.noted.moves += 1

        @torch.no_grad()
        def changed(frame: Frame) -> Image:
            features = self._seen_before(frame) or self._look(frame)
            move = self.refiner(
                frame.content,
                _origin(frame),
                self._gradient(frame, features, known),
                [features[tap] for tap in STATISTICS],
                [each.error for each in known],
                joined=partial(self._joined, frame=frame),
            )
            # So that little strength changes little.
            return confined((frame.content + self.alpha * move).clamp(0, 1), frame)

        return changed

    def _asked(self) -> Asked:
        grams = self.palette.wanted(self.noted.moments, STATISTICS, alpha=self.alpha)
        begun = total(self._missed(self.noted.moments, grams))
        return Asked(grams, (begun / FAR).clamp_max(1))

    def _missed(self, own: Mapping[str, Moments], wanted: Mapping[str, Tensor]) -> list[Missed]:
        return [
            missed(second(own[tap]), wanted[tap], self.network.metric(tap)) for tap in STATISTICS
        ]

    def _gradient(self, frame: Frame, features: Features, known: list[Missed]) -> Image:
        """The gradient of what is missed at all layers.

        A gentle one: what differs by rounding, as tiles do, must not be moved otherwise.
        """
        strides = [frame.content.shape[2] // features[tap].shape[2] for tap in STATISTICS]
        pulls = {
            tap: self._joined(felt(features[tap], pull), frame)
            for tap, pull in zip(STATISTICS, pulling(known, strides), strict=True)
        }
        return self.network.back(features, pulls)

    def _seen_before(self, frame: Frame) -> Features | None:
        seen, self._seen = self._seen, None
        return None if seen is None or seen[0] is not frame else seen[1]

    @torch.no_grad()
    def _look(self, frame: Frame) -> Features:
        """The features of all layers, which the way back needs."""
        return self.network(frame.content, self.network.down_to(STATISTICS))

    def _joined(self, maps: Tensor, frame: Frame) -> Tensor:
        """One map of those of all regions, (R, C, h, w)."""
        if len(maps) == 1:
            return maps
        places = self.palette.places(frame, stride=frame.content.shape[2] // maps.shape[2])
        return (maps * places).sum(0, keepdim=True).to(maps.dtype)


def _origin(frame: Frame) -> Image:
    assert frame.origin is not None  # Whoever runs a pass that recalls gives it.
    return frame.origin

"""The pass after the pass: look at what came out, and move it nearer to the style.

The Gram matrices of the whole are gathered first, and with them the gradient of the style's
distance is a matter of each place and its surroundings. So a move is made tile by tile as any other
pass is. Which one, a network says: `impasto.nets.refiner`.

As Gatys' method may, it goes from coarse to fine: the picture is moved at half of the size, where
that takes a third of the time and reaches twice as far, and then in full. How far the style is
missed is known each time, and there are as many moves of either kind as that needs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.core.contract import Box, Frame, Sums
from impasto.core.tensors import Features, Image
from impasto.nets.decoder import STATISTICS
from impasto.nets.optimizer import Pictures
from impasto.nets.refiner import Refiner
from impasto.nets.vgg import VGG
from impasto.ops.errors import Missed, felt, missed, pulling, total
from impasto.ops.smooth import led
from impasto.ops.stats import Moments, moments, second
from impasto.universal.matching import confined, gathered, radius
from impasto.universal.palette import HALF, MULTIPLE, Palette, Scale, reduced

COLORS = "colors"
"""The key of the sums that tell how what is broad in a picture follows the content."""
FAR = 0.5
"""A distance of the style that is far. Where the content itself is nearer, less is as far."""
Even = Literal["nothing", "move", "picture"]
CELL, REACH, SOFT = 4, {"nothing": 0, "move": 6, "picture": 12}, 0.01
"""What is broad at half of the size: what varies over cells of so many pixels. Of a move, it
follows the content within windows that reach so many cells around a cell, not far for every move,
or tiles would need wide surroundings. Where the content deviates less than so much, it is flat."""


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
        met: the scales at which no more moves are needed.
        moves: how many were made.
        asked: of moves by their scale, once the first of each has found it out.
    """

    moments: Mapping[str, Moments] = field(default_factory=dict)
    met: set[Scale] = field(default_factory=set[Scale])
    moves: int = 0
    asked: dict[Scale, Asked] = field(default_factory=dict)

    def begin(self, moments: Mapping[str, Moments]) -> None:
        """With another picture, of which these are the moments."""
        self.moments, self.met, self.moves, self.asked = moments, set(), 0, {}


class Refining:
    """One move of a picture that is stylized already; none where one before was enough.

    Args:
        network: what to look with.
        palette: the styles, at `STATISTICS`, as they look at this scale.
        refiner: says how to move.
        scale: pixels along a side that are seen as one.
        alpha: the share of the style in what is asked, see `Universal.alpha`.
        enough: the distance of the style from which this is the last of its scale.
        idle: that from which not even this is made.
        even: what has to follow the content as far as it is broad, at half of the size: the move,
            see `evened`, or the picture that is moved as well, see `following`.
        noted: what earlier passes say; the first of all has told the content's moments.

    Attributes:
        margin, multiple, glance: as of a `Glancing` pass.
        recalls: the content is asked for.
    """

    recalls = True

    def __init__(
        self,
        network: VGG,
        palette: Palette,
        *,
        refiner: Refiner,
        scale: Scale,
        alpha: float,
        enough: float,
        idle: float,
        even: Even,
        noted: Noted,
    ) -> None:
        self.network, self.palette, self.refiner = network, palette, refiner
        self.scale: Scale = scale
        self.alpha, self.enough, self.idle, self.noted = alpha, enough, idle, noted
        self.even: Even = even
        sees = radius(network, STATISTICS)
        self.glance = scale * sees
        # There and back again.
        beyond = refiner.margin + 2 * sees
        # Two windows, and the way between cells.
        beyond += (2 * REACH[even] + 1) * CELL if scale == HALF else 0
        self.multiple = scale * MULTIPLE
        self.margin = -(-scale * beyond // self.multiple) * self.multiple
        self._seen: tuple[Frame, Frame, Features] | None = None

    @property
    def needed(self) -> bool:
        """Whether the style is not met yet."""
        return self.scale not in self.noted.met

    def gather(self, frame: Frame, inside: Box) -> Sums:
        """The sums of the picture's features, and of the content's where they must be known."""
        self._seen = None  # Before others take memory.
        seen = self._reduced(frame)
        features = self._look(seen.content)
        # A picture that is one tile is moved next, and need not be looked at again.
        self._seen = frame, seen, features
        box = Box(*(side // self.scale for side in inside))
        sums = gathered({tap: features[tap] for tap in STATISTICS}, seen, box)
        if self.scale == HALF and self.alpha < 1 and HALF not in self.noted.asked:
            own = gathered(self.network(_origin(seen), STATISTICS), seen, box)
            sums |= {f"content.{tap}": part for tap, part in own.items()}
        if self._follows:
            sums |= gathered({COLORS: colors(_origin(seen), seen.content)}, seen, box)
        return sums

    @torch.no_grad()
    def change(self, sums: Sums) -> Callable[[Frame], Image] | None:
        """Gram matrices as they are and as they should be, and then the network's move."""
        asked = self.noted.asked[self.scale] = self.noted.asked.get(self.scale) or self._asked(sums)
        known = self._missed({tap: moments(sums[tap]) for tap in STATISTICS}, asked.grams)
        far = float((total(known) / asked.far).max())
        if far < self.enough:
            self.noted.met.add(self.scale)
        if far < self.idle:
            self._seen = None  # Before others take memory.
            return None
        self.noted.moves += 1
        led_by = moments(sums[COLORS]) if self._follows else None

        @torch.no_grad()
        def changed(frame: Frame) -> Image:
            seen, features = self._seen_before(frame)
            move = self.refiner(
                seen.content,
                _origin(seen),
                self._gradient(seen, features, known),
                [features[tap] for tap in STATISTICS],
                [each.error for each in known],
                joined=partial(self._joined, frame=seen),
            )
            if self.scale == HALF and self.even != "nothing":
                move = evened(move, _origin(seen), reach=REACH[self.even])
            if led_by:
                broad = self._joined(following(_origin(seen), led_by), seen)
                move = move + spread(broad - cells(seen.content))
            if self.scale == HALF:
                move = enlarged(move)
            # So that little strength changes little.
            return confined((frame.content + self.alpha * move).clamp(0, 1), frame)

        return changed

    @property
    def _follows(self) -> bool:
        return self.scale == HALF and self.even == "picture"

    def _asked(self, sums: Sums) -> Asked:
        # At full strength nothing of the content is in what is asked, and how far it is from there
        # is about the same at any size.
        told = f"content.{STATISTICS[0]}" in sums
        own = {tap: moments(sums[f"content.{tap}"]) for tap in STATISTICS if told}
        own = own or self.noted.moments
        grams = self.palette.wanted(own, STATISTICS, alpha=self.alpha)
        return Asked(grams, (total(self._missed(own, grams)) / FAR).clamp_max(1))

    def _missed(self, own: Mapping[str, Moments], wanted: Mapping[str, Tensor]) -> list[Missed]:
        return [
            missed(second(own[tap]), wanted[tap], self.network.metric(tap)) for tap in STATISTICS
        ]

    def _gradient(self, frame: Frame, features: Features, known: list[Missed]) -> Image:
        """The gradient of what is missed at all layers.

        A gentle one: what differs by rounding, as tiles do, must not be moved otherwise.
        """
        strides = [frame.content.shape[2] // features[tap].shape[2] for tap in STATISTICS]
        pulls = zip(STATISTICS, pulling(known, strides), strict=True)

        def felt_at(pull: Tensor) -> Callable[[Tensor], Tensor]:
            return lambda f: self._joined(felt(f, pull), frame)

        return self.network.back(features, {tap: felt_at(pull) for tap, pull in pulls})

    def _seen_before(self, frame: Frame) -> tuple[Frame, Features]:
        before, self._seen = self._seen, None
        if before is not None and before[0] is frame:
            return before[1:]
        seen = self._reduced(frame)
        return seen, self._look(seen.content)

    def _reduced(self, frame: Frame) -> Frame:
        """As it is seen."""
        if self.scale == 1:
            return frame
        content, origin, *regions = (
            reduced(part, self.scale) for part in (frame.content, _origin(frame), *frame.regions)
        )
        return Frame(content, regions=regions, origin=origin)

    @torch.no_grad()
    def _look(self, image: Image) -> Features:
        """The features of all layers, which the way back needs."""
        return self.network(image, self.network.down_to(STATISTICS))

    def _joined(self, maps: Tensor, frame: Frame) -> Tensor:
        """One map of those of all regions, (R, C, h, w)."""
        if len(maps) == 1:
            return maps
        places = self.palette.places(frame, stride=frame.content.shape[2] // maps.shape[2])
        return (maps * places).sum(0, keepdim=True).to(maps.dtype)


def colors(content: Pictures, picture: Pictures) -> Tensor:
    """What is broad in two pictures (N, 3, H, W), side by side: (N, 6, H / CELL, W / CELL)."""
    return torch.cat([cells(content), cells(picture)], 1)


def following(content: Pictures, known: Moments) -> Tensor:
    """What is broad in a picture, as far as it is a linear function of the content's colours.

    Whatever colour the painting gives to a sky, it so gives to all of it.

    Args:
        content: (N, 3, H, W), sRGB in [0, 1].
        known: of `colors` of the content and the picture, of each of R regions.

    Returns:
        (R, 3, H / CELL, W / CELL); of N pictures each by its own moments where R is N.
    """
    own, shared = known.covariance[:, :3].split(3, 2)
    slope = torch.linalg.solve(own + SOFT**2 * torch.eye(3).to(own), shared).mT
    mean, wanted = known.mean[..., None].split(3, 1)
    offset, broad = wanted - slope @ mean, cells(content)
    found = torch.baddbmm(
        offset.to(broad), slope.to(broad), broad.flatten(2).expand(len(slope), -1, -1)
    )
    return found.unflatten(2, broad.shape[2:])


def evened(move: Pictures, content: Pictures, *, reach: int) -> Pictures:
    """A move of which what is broad varies only where the content does, near by.

    Else a colour that the style asks for gathers where it is found most easily, about edges: as
    haloes, in what is flat in the content.

    Args:
        move: (N, 3, H, W).
        content: (N, 3, H, W), sRGB in [0, 1].
        reach: cells around one within which the content is followed.
    """
    broad = cells(move)
    return move + spread(led(broad, cells(content), radius=reach, softness=SOFT) - broad)


def cells(picture: Pictures) -> Tensor:
    """What is broad in it, means of cells: (N, 3, H / CELL, W / CELL)."""
    return F.avg_pool2d(picture, CELL)


def spread(broad: Tensor) -> Pictures:
    """What is broad, in the size of pictures."""
    return F.interpolate(broad, scale_factor=float(CELL), mode="bilinear")


def enlarged(move: Pictures) -> Tensor:
    """What was found at half of the size, (N, 3, 2 · h, 2 · w)."""
    # Where the three colours lie together that takes three times as long.
    return F.interpolate(move.contiguous(), scale_factor=float(HALF), mode="bilinear")


def _origin(frame: Frame) -> Image:
    assert frame.origin is not None  # Whoever runs a pass that recalls gives it.
    return frame.origin

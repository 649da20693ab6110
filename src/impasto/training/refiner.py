"""Train the decoder of AdaIN and the network that refines its pictures, together.

After Huang and Belongie (ICCV 2017), as `training.adain`, and Andrychowicz et al., "Learning to
learn by gradient descent by gradient descent", NeurIPS 2016. Departures:

1. A move learns from the gradient after it, which the next move needs anyway, and from no later.
   One at half of the size learns from that at full size, where the picture is judged.
2. The decoder learns from the gradients at its own picture and after each move, as if no move
   depended on it: it may leave to the moves what they do better.
3. What is descended is the root of the loss, in which hard pairs count for more than others but not
   for all. The style's distance is set against that of the trivial answers, as where it is judged.
4. In some batches the moves begin at what WCT has painted.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor, nn

from impasto import methods
from impasto.core.contract import Frame, Style
from impasto.core.options import Options
from impasto.core.progress import Report, silent
from impasto.nets import decoder, refiner, zoo
from impasto.nets.decoder import STATISTICS, StyledDecoder, statistics
from impasto.nets.vgg import VGG, bfloat16_is_fast
from impasto.ops.errors import felt
from impasto.ops.stats import Moments, gaussian
from impasto.training.asked import Asked, Known, Shown, ask, each, glance, lacking, look
from impasto.training.data import Pairs, anywhere, listed, pictures, split
from impasto.training.loop import Course, publish, train
from impasto.training.mirrors import autocast
from impasto.universal.palette import HALF, reduced
from impasto.universal.refining import REACH, cells, colors, enlarged, evened, following, spread

DECODER, REFINER = "adain.safetensors", "refiner.safetensors"
EXAM, SHOWN, MEASURED = 16, 4, 6
"""Held-out pairs that are judged, those that are shown, and batches that tell the usual sizes."""
WAYS = "pass", "one move", "three moves"
"""What comes out, where all but the last move are at half of the size."""
HALVES = (2, 1, 2, 0)
"""Moves at half of the size, batch after batch; one at full size follows."""
PASSED, ON_THE_WAY, ENDED = 0.3, 0.2, 1.0
"""How much a gradient counts in teaching the decoder: at its own picture, and after each move."""
WEAKER, WEAKEST = 0.25, 0.2
"""Share of batches that keep a part of the content, and the least share of the style in these."""
WILD, LONGEST = 1.7, 0.07
"""Where a loss grows so many times by one move, there is no second. And a gradient counts no more
than one of this length, or a single pair could undo the rest."""


class Refine(Options):
    """Options of the recipe."""

    steps: int = Field(3000, ge=1, description="training steps in all")
    batch: int = Field(4, ge=1, description="pairs a step")
    size: int = Field(256, ge=32, multiple_of=16, description="side of a crop in pixels")
    rate: float = Field(5e-4, gt=0, description="peak learning rate of AdamW")
    decoder_rate: float = Field(0.4, gt=0, description="share of the rate for the decoder")
    paintings_share: float = Field(0.7, ge=0, le=1, description="share of paintings among styles")
    content_weight: float = Field(0.1, ge=0, description="weight of the content loss")
    same_share: float = Field(0.08, ge=0, le=1, description="share of pictures in their own style")
    wct_share: float = Field(0.12, ge=0, le=1, description="share of batches that begin with WCT")
    averaging: float = Field(0.997, ge=0, lt=1, description="decay of the average over weights")
    save_every: int = Field(500, ge=1, description="steps between two checkpoints with samples")
    seed: int = Field(0, ge=0, description="seed of crops and first weights")


class Refining:
    """The recipe; see `impasto.training.loop.Recipe`.

    Args:
        options: of the recipe.
        eyes: the network that all look with, frozen.
        pairs, held: to learn from, and of pictures that are held out.
        begin: folder of an earlier training to begin with.
        folder, provenance: where results are written, and what is written into them.
    """

    def __init__(
        self,
        options: Refine,
        *,
        eyes: VGG,
        pairs: Pairs,
        held: Pairs,
        begin: Path | None,
        folder: Path,
        provenance: dict[str, Any],
    ) -> None:
        self.options, self.eyes, self.folder, self.provenance = options, eyes, folder, provenance
        self.pairs, self.held, self.generator = pairs, held, pairs.generator
        self.size = (options.size, options.size)
        self.fresh = begin is None
        if begin:
            self.decoder = StyledDecoder(zoo.tensors(begin / DECODER)[0])
            self.refiner = refiner.build(zoo.tensors(begin / REFINER)[0]).requires_grad_(True)
        else:
            self.decoder = decoder.styled().requires_grad_(True)
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(options.seed)
                self.refiner = refiner.Refiner()
        both = nn.ModuleDict({"decoder": self.decoder, "refiner": self.refiner})
        self.network = both.to(pairs.device)

    @torch.no_grad()
    def start(self) -> None:
        """Measure how large what the networks are told usually is."""
        if not self.fresh:
            return
        sizes = list[Tensor]()
        for step in range(MEASURED):
            asked, image = self._begun(step)
            known = self.looked(image, asked)
            maps = (*known.shown.features, *map(felt, *known.shown[1:]))
            sizes.append(torch.stack([f.float().square().mean().sqrt() for f in maps]))
        usual = torch.stack(sizes).median(0).values
        self.refiner.usual.copy_(usual)
        if not self.decoder.get_parameter("told4.weight").any():
            at = [len(STATISTICS) + STATISTICS.index(tap) for tap in self.decoder.taps]
            self.decoder.missed.copy_(usual[at])

    def losses(self, step: int) -> dict[str, Tensor]:
        """The mean root of the loss at the beginning, and what each move adds to it."""
        asked, image = self._begun(step)
        known = self.looked(image, asked)
        begun, pull = known.root.mean(), PASSED * _clipped(known.slope)
        moves, at = {name: torch.zeros_like(begun) for name in ("half", "full")}, image.detach()
        for place, name in enumerate((*["half"] * HALVES[step % len(HALVES)], "full")):
            if name == "half":
                move = self._halfway(at, asked, first=place == 0)
            else:
                move = self._move(at, asked, known)
            at, before = at + move.detach(), known.root
            known = self.looked(at, asked)
            after = _clipped(known.slope)
            moves[name] = moves[name] + _taught(move, after, (known.root - before).mean())
            pull = pull + (ENDED if name == "full" else ON_THE_WAY) * after
            if not bool((known.root < WILD * before).all()):
                break
        return {"begun": _taught(image, pull, begun), **moves}

    def _begun(self, step: int) -> tuple[Asked, Tensor]:
        """What is asked of other pairs, and the pictures to begin at."""
        options = self.options
        content, style = self.pairs.contents(options.batch), self.pairs.styles(options.batch)
        # By the step and not by chance: of several processes all or none teach the decoder.
        if int((step + 1) * options.wct_share) > int(step * options.wct_share):
            return ask(self.eyes, content, style), drafted(content, style)
        twice, weaker, share = torch.rand(3, generator=self.generator).tolist()
        same = twice < options.same_share
        alpha = WEAKEST + (1 - WEAKEST) * share if weaker < WEAKER else 1.0
        at = anywhere(self.generator)
        asked = ask(self.eyes, content, content if same else style, alpha=alpha, same=same, at=at)
        return asked, self._painted(asked)

    def looked(self, image: Tensor, asked: Asked) -> Known:
        """What is known of pictures (N, 3, H, W) of which something is asked."""
        return look(self.eyes, image, asked, content_weight=self.options.content_weight)

    def _painted(self, asked: Asked) -> Tensor:
        """What the decoder makes of it, as `methods.adain` does."""
        painter, alpha = self.decoder, asked.alpha
        with torch.no_grad():
            features = asked.own
            own = statistics(features)
            wanted = torch.lerp(own, statistics(asked.style), alpha)
            adapted = painter.adapted(features, own, wanted)
            covariances = {tap: _covariance(features[tap]) for tap in painter.taps}
            grams = painter.grams(covariances, own, wanted)
            goals = [asked.wanted[STATISTICS.index(tap)] for tap in grams]
            known = lacking(self.eyes, grams.values(), goals, grams)
            errors = {
                tap: felt(adapted[tap], at.error) for tap, at in zip(grams, known, strict=True)
            }
        told = painter.modulation(wanted)
        with autocast(self.eyes):
            made = painter(adapted, told, errors)
        if alpha < 1:
            with torch.no_grad(), autocast(self.eyes):
                kept = painter(painter.adapted(features, own, own), painter.modulation(own))
            made = made + (1 - alpha) * (asked.content - kept)
        return made

    def _move(self, image: Tensor, asked: Asked, known: Known) -> Tensor:
        return asked.alpha * self._found(image, asked.content, known.shown)

    def _halfway(self, image: Tensor, asked: Asked, *, first: bool) -> Tensor:
        """A move at half of the size, in full size; the first sees to what is there as well."""
        small, content = (reduced(x, HALF) for x in (image, asked.content))
        move = self._found(small, content, glance(self.eyes, small, asked.half))
        move = evened(move, content, reach=REACH["picture" if first else "move"])
        if first:
            both = colors(content, small)
            known = Moments(both.mean((2, 3)), _covariance(both))
            move = move + spread(following(content, known) - cells(small))
        return asked.alpha * enlarged(move)

    def _found(self, image: Tensor, content: Tensor, shown: Shown) -> Tensor:
        with autocast(self.eyes):
            return self.refiner(image, content, *shown)

    @torch.no_grad()
    def show(self, step: int) -> None:
        """Write the weights of both, `report.json` and a sheet of samples.

        The report holds medians over held-out pairs: the style's distance over that of the content
        copied, and the content's. A column of the sheet is a content, a style, and what `_refined`
        gives.
        """
        pairs, rows, columns = self.held, list[list[list[float]]](), list[Tensor]()
        pairs.generator.manual_seed(5)
        for _ in range(EXAM):
            content, style = pairs.contents(1), pairs.laid(pairs.paintings.plain(1))
            asked = ask(self.eyes, content, style)
            made = self._refined(asked)
            copied, *judged = (self.looked(image, asked) for image in (content, *made))
            rows.append([[float(k.style / copied.style), float(k.content)] for k in judged])
            columns.append(torch.cat([content, style, *made], 2))
        medians = zip(WAYS, torch.tensor(rows).median(0).values.tolist(), strict=True)
        held = {way: {"style": found[0], "content": found[1]} for way, found in medians}
        said = self.provenance | {"steps": step, "held_out": held}
        networks = {DECODER: self.decoder, REFINER: self.refiner}
        publish(self.folder, networks, said, sheet=torch.cat(columns[:SHOWN], 3))

    def _refined(self, asked: Asked) -> list[Tensor]:
        """What is made in each of `WAYS`."""

        def last(image: Tensor) -> Tensor:
            return (image + self._move(image, asked, self.looked(image, asked))).clamp(0, 1)

        begun = at = self._painted(asked).clamp(0, 1)
        for first in (True, False):
            at = (at + self._halfway(at, asked, first=first)).clamp(0, 1)
        return [begun, last(begun), last(at)]

    def state(self) -> dict[str, Tensor]:
        """Nothing: every step begins with other pairs."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Nothing."""


def drafted(content: Tensor, style: Tensor) -> Tensor:
    """What the two deeper levels of WCT make of pairs (N, 3, H, W)."""
    method = cast("Any", methods.load("wct"))(strength=1.0, levels=(4, 3), refine=0)
    generator = torch.Generator().manual_seed(0)
    pairs = zip(content.split(1), style.split(1), strict=True)
    return torch.cat([method.prepare([Style(y)], generator=generator)(Frame(x)) for x, y in pairs])


def _taught(picture: Tensor, pull: Tensor, value: Tensor) -> Tensor:
    """The value, with a gradient that is known, of each picture; it is a mean over them."""
    along = (pull * picture).sum() / len(picture)
    return along - along.detach() + value


def _clipped(slope: Tensor) -> Tensor:
    """Gradients no longer than `LONGEST`."""
    return slope * each(LONGEST / slope.flatten(1).norm(dim=1).clamp_min(LONGEST))


def _covariance(features: Tensor) -> Tensor:
    return torch.cat([gaussian(f)[1] for f in features.split(1)])


def refine(
    options: Refine,
    *,
    photos: Sequence[Path],
    paintings: Sequence[Path] = (),
    begin: Path | None = None,
    folder: Path,
    device: torch.device,
    report: Report = silent,
) -> Path:
    """Train from the beginning, or from where a run was broken off.

    Args:
        options: of the recipe.
        photos: folders of pictures to take contents from.
        paintings: folders of pictures to take styles from as well; none means the photos.
        begin: folder of an earlier training to begin with; None is the decoder of the package.
        folder: where to write; it is made.
        device: where to compute.
        report: is told of every step.

    Returns:
        The file with the weights of the refiner; beside it are those of the decoder.

    Raises:
        ImpastoError: as `train`, or pictures or weights cannot be had.
    """
    found = pictures(photos)
    styles = pictures(paintings) if paintings else found
    origin: dict[str, Any] = {"eyes": zoo.fingerprint("petit"), "pictures": listed(found + styles)}
    if begin:
        origin["begin"] = {file: zoo.fingerprint(begin / file) for file in (DECODER, REFINER)}
    eyes = zoo.load("petit").to(device)
    cut = partial(Pairs, size=options.size, paintings_share=options.paintings_share, device=device)
    pairs, held = (
        cut(*parts, generator=torch.Generator().manual_seed(options.seed))
        for parts in zip(split(found), split(styles), strict=True)
    )
    recipe = Refining(
        options,
        eyes=eyes.half() if bfloat16_is_fast(device) else eyes,
        pairs=pairs,
        held=held,
        begin=begin,
        folder=folder,
        provenance=origin | {"options": options.model_dump()},
    )
    slower = [f"decoder.{name}" for name, _ in recipe.decoder.named_parameters()]
    course = Course(
        options.steps,
        options.rate,
        averaging=options.averaging,
        save_every=options.save_every,
        factors=dict.fromkeys(slower, options.decoder_rate),
    )
    train(recipe, course, folder=folder, identity=options.model_dump() | origin, report=report)
    return folder / REFINER

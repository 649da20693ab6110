"""Train the network that leads descents.

After Andrychowicz et al., "Learning to learn by gradient descent by gradient descent", NeurIPS
2016. They unroll a descent and learn from the sum of its losses. Ours learns from each move alone:
from the loss after it, whose gradient the next move needs anyway. So a step costs what a step of
the descents costs; several run side by side, each at another place of its way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
from pydantic import Field
from torch import Tensor

from impasto import methods
from impasto.core.contract import Frame, Style
from impasto.core.options import Options
from impasto.core.progress import Report, silent
from impasto.core.tensors import Image
from impasto.nets import optimizer, zoo
from impasto.nets.optimizer import Leading, LearnedOptimizer
from impasto.nets.vgg import bfloat16_is_fast
from impasto.ops.resample import resize
from impasto.optimize import LED, Lead, Objective, descend, detailed
from impasto.training.data import Pairs, listed, pictures, split
from impasto.training.loop import Course, publish, train

FILE = "optimizer.safetensors"
EXAM, SHOWN = 12, 4
"""Held-out pairs whose descents are led, and how many of them are shown."""
WAYS = (3, 5, 8)
"""Moves of a descent before another takes its place."""
STRENGTH, ANY = 0.5, 0.35
"""The usual strength, and the share of descents that have any other."""
FROM_CONTENT, CLIMBED = 0.15, 0.35
"""Shares of descents that begin at the content instead of a draft, and that have climbed there from
a smaller size."""
SMALLER, BEFORE = (0.5, 0.75), (2, 3, 4)
"""What the side of that size is multiplied with, and the moves that were made there."""
WILD = 3.0
"""A descent whose loss grows so many times by one move is left."""
PICTURES = ("content", "style", "image", "moved", "turned")
"""What a descent is taken up again from."""
LONGEST = 0.3
"""A gradient counts no more than one of this length, or a single pair could undo the rest."""


class Learn(Options):
    """Options of the recipe."""

    steps: int = Field(9000, ge=1, description="training steps in all")
    batch: int = Field(4, ge=1, description="descents side by side")
    size: int = Field(192, ge=32, multiple_of=16, description="side of a crop in pixels")
    rate: float = Field(8e-4, gt=0, description="peak learning rate of AdamW")
    paintings_share: float = Field(0.7, ge=0, le=1, description="share of paintings among styles")
    averaging: float = Field(0.998, ge=0, lt=1, description="decay of the average over weights")
    save_every: int = Field(1000, ge=1, description="steps between two checkpoints with samples")
    seed: int = Field(0, ge=0, description="seed of crops and first weights")


@dataclass
class _Way:
    """A descent on its way: what is asked, of which pictures, and where it is.

    Attributes:
        strength: of what is asked.
        done, end: moves that were made, and how many will be.
        loss: at the picture.
        gradient: of its logarithm, times the number of values.
        moved, turned: the last move, and what it has added to the gradient.
    """

    objective: Objective
    strength: float
    end: int
    done: int
    loss: float
    content: Image
    style: Image
    image: Image
    gradient: Image
    moved: Image
    turned: Image


class Learning:
    """The recipe; see `impasto.training.loop.Recipe`.

    Args:
        options: of the recipe.
        photos, paintings: pictures to learn from, and those that are held out.
        begin: weights of an earlier training to begin with.
        device: where to compute.
        folder: where results are written.
        provenance: is written into the results.
    """

    def __init__(
        self,
        options: Learn,
        *,
        photos: tuple[list[Path], list[Path]],
        paintings: tuple[list[Path], list[Path]],
        begin: Path | None,
        device: torch.device,
        folder: Path,
        provenance: dict[str, Any],
    ) -> None:
        self.options, self.device = options, device
        self.folder, self.provenance = folder, provenance
        self.size = (options.size, options.size)
        self.generator = torch.Generator().manual_seed(options.seed)
        self.pairs = self._pairs(photos[0], paintings[0], self.generator)
        self.held = photos[1], paintings[1]
        self.ways: list[_Way] = []
        if begin:
            network = optimizer.build(zoo.tensors(begin)[0]).requires_grad_(True)
        else:
            with torch.random.fork_rng(devices=()):
                torch.manual_seed(options.seed)
                network = LearnedOptimizer()
        self.network = network.to(device)

    def _pairs(
        self, photos: Sequence[Path], paintings: Sequence[Path], generator: torch.Generator
    ) -> Pairs:
        return Pairs(
            photos,
            paintings,
            size=self.options.size,
            paintings_share=self.options.paintings_share,
            generator=generator,
            device=self.device,
        )

    def start(self) -> None:
        """Begin the descents, each to end at another step."""
        for number in range(self.options.batch):
            self.ways.append(self._begun())
            self.ways[-1].end = 1 + number % max(WAYS)

    def losses(self, step: int) -> dict[str, Tensor]:
        """The mean logarithm of what one move leaves of the loss."""
        shown = [
            torch.cat([getattr(way, name) for way in self.ways])
            for name in ("image", "content", "gradient", "moved", "turned")
        ]
        quick = bfloat16_is_fast(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=quick):
            moves = self.network(*shown)
        left = [self._left(i, move) for i, move in enumerate(moves.split(1))]
        return {"left": torch.stack(left).mean()}

    def _left(self, number: int, move: Tensor) -> Tensor:
        """The logarithm of what a move leaves of the loss of a way, which goes on from there."""
        way = self.ways[number]
        image = (way.image + move.detach()).contiguous()
        gradient, loss = slope(way.objective, image)
        fine = isfinite(loss) and bool(gradient.isfinite().all())
        felt = gradient / gradient.numel() if fine else torch.zeros_like(gradient)
        felt = felt * (LONGEST / felt.norm().clamp_min(LONGEST))
        ratio = log(max(loss, 1e-12) / way.loss) if fine else 0.0
        if fine and loss < WILD * way.loss:
            way.moved, way.turned = move.detach().contiguous(), gradient - way.gradient
            way.image, way.gradient, way.loss = image, gradient, loss
            way.done += 1
        else:
            way.done = way.end
        if way.done >= way.end:
            self.ways[number] = self._begun()
        # The gradient is known; what is left to add is the value.
        along = (felt * move).sum()
        return along - along.detach() + ratio

    def _begun(self) -> _Way:
        """A new descent: from the content or a draft, and perhaps from a smaller size."""
        content, style = self.pairs.contents(1), self.pairs.styles(1)
        strength = STRENGTH if self._chance() > ANY else 0.25 + 0.75 * self._chance()
        image = content
        if self._chance() > FROM_CONTENT:
            image = drafted(content, style, (0.4 + 0.6 * self._chance()) * strength)
        if self._chance() < CLIMBED:
            side = int(self.options.size * self._one_of(SMALLER))
            reduced = resize(content, (side, side))
            smaller = descend(
                resize(image, (side, side)),
                asked(content, style, strength, (side, side)),
                iterations=self._one_of(BEFORE),
                lead=self._lead(reduced),
            )
            image = detailed(smaller, image, self.size)
        pictures = {"content": content, "style": style, "image": image}
        pictures |= {name: torch.zeros_like(image) for name in ("moved", "turned")}
        return self._way(pictures, strength=strength, end=self._one_of(WAYS))

    def _way(
        self, pictures: Mapping[str, Image], *, strength: float, end: int, done: int = 0
    ) -> _Way:
        """A descent at a picture, with what it knows of its last move."""
        # Laid as a checkpoint lays them, or sums would be rounded in another order.
        pictures = {name: picture.contiguous() for name, picture in pictures.items()}
        objective = asked(pictures["content"], pictures["style"], strength, self.size)
        gradient, loss = slope(objective, pictures["image"])
        return _Way(objective, strength, end, done, loss=loss, gradient=gradient, **pictures)

    def _lead(self, content: Image) -> Lead:
        quick = bfloat16_is_fast(self.device)
        leading = Leading(self.network, content)

        def lead(image: Image, gradient: Image, loss: float) -> Image:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=quick):
                return leading(image, gradient, loss)

        return lead

    def _chance(self) -> float:
        return float(torch.rand((), generator=self.generator))

    def _one_of(self, values: Sequence[Any]) -> Any:
        return values[int(self._chance() * len(values))]

    def show(self, step: int) -> None:
        """Write the weights, `report.json` and a sheet of samples.

        The report holds the median over held-out pairs of what is left of a draft's loss after
        `LED` moves of the network, and after as many steps of L-BFGS. In a column of the sheet are
        a content, a style, the draft and what the network made of it.
        """
        pairs = self._pairs(*self.held, torch.Generator().manual_seed(5))
        led, alone, columns = list[float](), list[float](), list[Tensor]()
        for _ in range(EXAM):
            content, style = pairs.contents(1), pairs.laid(pairs.paintings.plain(1))
            objective = asked(content, style, STRENGTH, self.size)
            draft = drafted(content, style, STRENGTH)
            ends = [
                descend(draft, objective, iterations=LED + 1, lead=lead)
                for lead in (self._lead(content), None)
            ]
            begun, *left = (slope(objective, image)[1] for image in (draft, *ends))
            led.append(left[0] / begun)
            alone.append(left[1] / begun)
            columns.append(torch.cat([content, style, draft, ends[0].clamp(0, 1)], 2))
        judged = {"left": median(led), "left by L-BFGS": median(alone)}
        said = self.provenance | {"steps": step, "held_out": judged}
        publish(self.folder, {FILE: self.network}, said, sheet=torch.cat(columns[:SHOWN], 3))

    def state(self) -> dict[str, Tensor]:
        """The descents that are on their way."""
        found: dict[str, Tensor] = {}
        for number, way in enumerate(self.ways):
            found |= {f"{number}.{name}": getattr(way, name) for name in PICTURES}
            numbers = [way.strength, way.end, way.done]
            found[f"{number}.numbers"] = torch.tensor(numbers, dtype=torch.float64)
        return found

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave."""
        self.ways = []
        for number in range(self.options.batch):
            pictures = {name: state[f"{number}.{name}"].to(self.device) for name in PICTURES}
            strength, end, done = state[f"{number}.numbers"].tolist()
            way = self._way(pictures, strength=strength, end=int(end), done=int(done))
            self.ways.append(way)


def asked(content: Image, style: Image, strength: float, size: tuple[int, int]) -> Objective:
    """What Gatys' method asks of a picture of a size."""
    method = cast("Any", methods.load("gatys"))(strength=strength)
    generator = torch.Generator().manual_seed(0)
    return method.prepare([Style(style)], generator=generator).objective(Frame(content), size)


def drafted(content: Image, style: Image, strength: float) -> Image:
    """What AdaIN's pass makes of a pair."""
    method = cast("Any", methods.load("adain"))(strength=strength, refine=0)
    generator = torch.Generator().manual_seed(0)
    return method.prepare([Style(style)], generator=generator)(Frame(content)).clone()


def slope(objective: Objective, image: Image) -> tuple[Image, float]:
    """The gradient of the logarithm of the loss, times the number of values, and the loss."""
    x = image.detach().requires_grad_()
    loss = torch.stack(list(objective(x).values())).sum()
    gradient = torch.autograd.grad(loss, x)[0]
    value = float(loss.detach())
    return gradient * (gradient.numel() / value), value


def lead(
    options: Learn,
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
        begin: weights of an earlier training to begin with.
        folder: where to write; it is made.
        device: where to compute.
        report: is told of every step.

    Returns:
        The file with the weights.

    Raises:
        ImpastoError: as `train`, or pictures or weights cannot be had.
    """
    found = pictures(photos)
    styles = pictures(paintings) if paintings else found
    origin = {"eyes": zoo.fingerprint("petit"), "pictures": listed(found + styles)}
    if begin:
        origin["begin"] = zoo.fingerprint(begin)
    recipe = Learning(
        options,
        photos=split(found),
        paintings=split(styles),
        begin=begin,
        device=device,
        folder=folder,
        provenance=origin | {"options": options.model_dump()},
    )
    course = Course(
        options.steps, options.rate, averaging=options.averaging, save_every=options.save_every
    )
    train(recipe, course, folder=folder, identity=options.model_dump() | origin, report=report)
    return folder / FILE

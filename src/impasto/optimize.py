"""Descend: change a picture until what is asked of it holds. Climb: do so from coarse to fine."""

import math
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.ops.resample import resize

Optimizer = Literal["lbfgs", "adam", "learned"]

Objective = Callable[[Image], dict[str, Tensor]]
"""A picture to named scalars; their sum is descended."""
Lead = Callable[[Image, Image, float], Image]
"""A picture, its gradient and the loss there, to how the picture should move."""

HISTORY = 6
"""Steps that L-BFGS remembers, each as two pictures: more help little and cost memory."""
LED = 8
"""Steps of a size that a lead makes at most, before L-BFGS goes on with what they taught."""
LEAST = 1e-10
"""A pair of less curvature is not remembered."""
FARTHEST = 0.25
"""What was learnt at another size is forgotten if it wants values to move farther at once."""

_MARK = "__dynamo_disable"

PATIENCE = 10
"""A descent is flat when so many steps have gained less than the tolerance."""

FINER = 0.65
"""A size gets so many of the steps that the next coarser one gets."""


def descend(
    image: Image,
    objective: Objective,
    *,
    iterations: int,
    optimizer: Optimizer = "lbfgs",
    rate: float = 0.03,
    tolerance: float = 0.0,
    known: "Curvature | None" = None,
    lead: Lead | None = None,
    after: Callable[[int, dict[str, float], Image], None] = lambda *_: None,
) -> Image:
    """Change a picture until the objective is small.

    Args:
        image: where to begin, (1, 3, H, W); it is not changed.
        objective: what to descend; each call is one iteration.
        iterations: evaluations of the objective.
        optimizer: L-BFGS (Liu and Nocedal 1989), led or not, or Adam (Kingma and Ba 2014).
        rate: peak step size of Adam; it decays by a cosine.
        tolerance: share of the loss that ten steps must gain, or the descent ends.
        known: what L-BFGS learnt of this objective at another size; it learns on.
        lead: makes the first moves in its place, until one leads up.
        after: called after each evaluation with its number from 1, the losses and the picture.

    Returns:
        The picture with the smallest sum of losses that was met; finite if the start was.
    """
    x = image.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
    best, least = x.detach().clone(), [math.inf]

    def evaluate() -> tuple[Tensor, float]:
        if _flat(least, tolerance):
            raise _Flat
        losses = objective(x)
        total = torch.stack(list(losses.values())).sum()
        gradient = torch.autograd.grad(total, x)[0].contiguous()
        if float(total.detach()) < least[-1]:
            best.copy_(x.detach())
        least.append(min(least[-1], float(total.detach())))
        after(len(least) - 1, {name: float(loss.detach()) for name, loss in losses.items()}, best)
        return gradient, float(total.detach())

    if optimizer != "adam":
        known = known or Curvature()
        known.adopt(x.detach())
        with suppress(_Flat):
            _lbfgs(x.detach(), evaluate, iterations=iterations, known=known, lead=lead)
        return best
    with _without_compiler():
        adam = torch.optim.Adam([x], lr=rate, betas=(0.9, 0.99))
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(adam, iterations, eta_min=0.1 * rate)
    with suppress(_Flat):
        for _ in range(iterations):
            x.grad = evaluate()[0]
            adam.step()
            decay.step()
    return best


class Curvature:
    """What L-BFGS knows of an objective: how its last moves turned the gradient.

    It lies in one block: so many vectors as large as a picture, kept and dropped one by one, leave
    holes in the heap that are a fourth of the memory of a run.
    """

    def __init__(self) -> None:
        # What a picture moved and how far the gradient turned by it, and one over their product.
        self.pairs: deque[tuple[Tensor, Tensor, Tensor]] = deque()
        self.shape = torch.Size()

    def adopt(self, image: Image) -> None:
        """Go on with a picture like this, of any size: what was known of another is resized."""
        old, before, self.shape = self.pairs, self.shape, image.shape
        self.memory = image.new_empty((HISTORY, 2, image.numel()))
        self.forget()
        for pair in old:
            size = image.shape[2], image.shape[3]
            moved, turned = (resize(each.view(before), size).flatten() for each in pair[:2])
            # Losses are means over positions: of more pixels each has so much less to say.
            self.learn(moved, turned * (before.numel() / image.numel()))

    def forget(self) -> None:
        """Begin anew."""
        self.pairs, self.scale = deque(), self.memory.new_ones(())

    def learn(self, moved: Tensor, turned: Tensor) -> None:
        """Remember a move (N,) and the change of the gradient, if that has grown along the way."""
        curvature = turned.dot(moved)
        if curvature > LEAST:
            self.scale = curvature / turned.dot(turned)
            full = len(self.pairs) == HISTORY
            past, turn = self.pairs.popleft()[:2] if full else self.memory[len(self.pairs)]
            self.pairs.append((past.copy_(moved), turn.copy_(turned), 1 / curvature))

    def newton(self, gradient: Tensor, out: Tensor) -> Tensor:
        """The move to where the gradient would be 0, as far as is known, written into `out`.

        Nocedal and Wright, "Numerical Optimization", 2006, algorithm 7.4.
        """
        direction, shares = torch.neg(gradient, out=out), []
        for past, turn, inverse in reversed(self.pairs):
            shares.append(past.dot(direction) * inverse)
            direction.add_(turn, alpha=-float(shares[-1]))
        direction.mul_(self.scale)
        for (past, turn, inverse), share in zip(self.pairs, reversed(shares), strict=True):
            direction.add_(past, alpha=float(share - turn.dot(direction) * inverse))
        return direction


def _lbfgs(
    image: Image,
    evaluate: Callable[[], tuple[Tensor, float]],
    *,
    iterations: int,
    known: Curvature,
    lead: Lead | None,
) -> None:
    """L-BFGS in place, with steps of length 1.

    Liu and Nocedal, "On the Limited Memory BFGS Method for Large Scale Optimization", Mathematical
    Programming 1989, algorithm 2.1. Where nothing is known yet and nobody leads it goes the way of
    `torch.optim.LBFGS` to the bit.

    Args:
        image: (1, 3, H, W), the picture.
        evaluate: gives the gradient at the picture, which it leaves to us, and the loss.
        iterations: evaluations; fewer if a gradient is 0 or a step would lead up.
        known: what to begin with; it learns.
        lead: makes the first `LED` moves, until one leads up; that one is taken back.
    """
    x, origin, last = image.view(-1), image, math.inf
    direction, before, length = torch.empty_like(x), x, x.new_ones(())
    alone = True  # What comes next is the first step that nobody leads.
    for step in range(iterations):
        slope, loss = evaluate()
        gradient = slope.view(-1)
        if step == iterations - 1 or not gradient.any():
            return
        if step:
            # Who leads may have led astray, so one needs to know the way back.
            turned = torch.sub(gradient, before, out=None if lead else before)
            known.learn(direction.mul_(length), turned)
            if lead and not loss < last:
                x.copy_(origin)
                gradient, lead = before, None
        if lead and step < LED:
            direction.copy_(lead(image, slope, loss).view(-1))
            length, last, before, origin = torch.ones_like(length), loss, gradient, x.clone()
            x.add_(direction)
            continue
        lead = None
        known.newton(gradient, out=direction)
        # Also where it is not finite.
        if alone and not direction.abs().mean() <= FARTHEST:
            known.forget()
            known.newton(gradient, out=direction)
        blind, alone = alone and not known.pairs, False
        length = (1 / gradient.abs().sum()).clamp_max(1) if blind else torch.ones_like(length)
        if gradient.dot(direction) > 0:
            return
        x.add_(direction, alpha=float(length))
        before = gradient


class _Flat(Exception):  # noqa: N818 - not an error: nothing is left to gain
    pass


def _flat(least: Sequence[float], tolerance: float) -> bool:
    """Whether the last steps gained too little; `least` is the smallest loss after each step."""
    if not tolerance or len(least) <= PATIENCE + 1:
        return False
    return least[-1 - PATIENCE] - least[-1] < tolerance * least[-1 - PATIENCE]


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Inside, a new optimizer does not make torch load its compiler, which takes a second.

    Torch does so only to mark one method as not to be compiled; here it finds it marked already.
    """
    method = getattr(torch.optim.Optimizer.add_param_group, "__wrapped__", None)
    marked = "torch._dynamo" in sys.modules or method is None
    if not marked:
        setattr(method, _MARK, method)
    try:
        yield
    finally:
        if not marked:
            delattr(method, _MARK)


def climb(
    start: Image,
    objective_at: Callable[[tuple[int, int]], Objective],
    *,
    sizes: Sequence[tuple[int, int]],
    iterations: int,
    optimizer: Optimizer = "lbfgs",
    rate: float = 0.03,
    tolerance: float = 0.0,
    lead_at: Callable[[tuple[int, int]], Lead | None] = lambda _: None,
    report: Report = silent,
) -> Image:
    """Descend at each size in turn, every size beginning with the result of the one before.

    To that result comes the detail of the start which the size before was too coarse to hold, so
    that a size need not find again what was known. What L-BFGS knows is carried along, too.

    Args:
        start: where to begin, of any size; what has no detail at a size adds none.
        objective_at: gives the objective for pictures of (height, width).
        sizes: from coarse to fine.
        iterations: evaluations in all; a finer size gets fewer of them, but at least one.
        optimizer: as in `descend`.
        rate: as in `descend`.
        tolerance: as in `descend`, at each size.
        lead_at: gives who leads for pictures of (height, width), if anybody does.
        report: is told of every evaluation.

    Returns:
        (1, 3, H, W) of the last size, in [0, 1].
    """
    shares = split(iterations, len(sizes))
    costs = [steps * height * width for steps, (height, width) in zip(shares, sizes, strict=True)]
    image, known = resize(start, sizes[0]), Curvature()
    for level, (size, steps) in enumerate(zip(sizes, shares, strict=True)):

        def after(step: int, losses: dict[str, float], best: Image, level: int = level) -> None:
            done = sum(costs[:level]) + costs[level] * step / shares[level]
            report(
                Progress(
                    stage="optimize",
                    done=done / sum(costs),
                    step=sum(shares[:level]) + step,
                    size=sizes[level],
                    losses=losses | {"total": sum(losses.values())},
                    image=lambda: best.clamp(0, 1),
                )
            )

        if level:
            image = detailed(image, start, size)
        image = descend(
            image,
            objective_at(size),
            iterations=steps,
            optimizer=optimizer,
            rate=rate,
            tolerance=tolerance,
            known=known,
            lead=lead_at(size),
            after=after,
        )
    return image.clamp(0, 1)


def detailed(image: Image, start: Image, size: tuple[int, int]) -> Image:
    """The picture in another size, with the band of the start that lies between the two sizes.

    Burt and Adelson, "The Laplacian Pyramid as a Compact Image Code", 1983.
    """
    coarse = resize(start, (image.shape[2], image.shape[3]))
    return (resize(image, size) + resize(start, size) - resize(coarse, size)).clamp(0, 1)


def split(iterations: int, levels: int) -> list[int]:
    """Iterations for each of some levels, coarse to fine: falling by `FINER`, at least one each."""
    weights = [FINER**level for level in range(levels)]
    spare = max(0, iterations - levels)
    ends = [round(spare * sum(weights[: level + 1]) / sum(weights)) for level in range(levels)]
    return [1 + end - begin for begin, end in pairwise([0, *ends])]


def looked(sizes: Sequence[tuple[int, int]], iterations: int) -> int:
    """How many pixels a climb looks at, all its steps together."""
    shares = split(iterations, len(sizes))
    return sum(n * height * width for n, (height, width) in zip(shares, sizes, strict=True))

"""Auto: a picture at once, and a better one where there is time.

No paper: where a network was trained for the styles, it paints them. Else AdaIN's single pass is
the draft, and what is better comes from Gatys' descent, whose first steps a network makes
(Andrychowicz et al., NeurIPS 2016; see `nets.optimizer`). That begins at the content. L-BFGS alone
comes nearer from the draft (Johnson et al., ECCV 2016, section 4.2, note how close a feed-forward
result lies to what the optimisation finds); the network does as well from the content, and keeps
more of it. What each step gains is measured by `python -m benchmarks auto_gain`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor

from impasto import methods
from impasto.core.contract import Cost, Frame, InPasses, Pass, Style, Stylizer, Task
from impasto.core.options import Options
from impasto.core.progress import Report, silent
from impasto.core.tensors import Image
from impasto.nets.trained import ROW, is_network

Quality = Literal["draft", "normal", "best"]

DESCENTS: Mapping[Quality, Mapping[str, Any]] = {
    "normal": {"optimizer": "learned", "iterations": 8, "coarsest": 512, "tolerance": 0.1},
    "best": {"optimizer": "learned", "iterations": 300, "coarsest": 128, "tolerance": 0.03},
}
"""How Gatys' method descends."""
DRAFT: Mapping[str, Any] = {"refine": 1}
"""How AdaIN makes a draft: whatever the pair, it is there as soon."""
LIGHTER: Mapping[Quality, float] = {"normal": 0.32, "best": 1.0}
"""What the content weighs beside Gatys' method: few steps from the content end nearer to it than
many, so that there is room for more of the style."""
STEPS: Mapping[Quality, float] = {"normal": 1.0, "best": 0.6}
"""The share of its steps that a descent takes until it is flat, about."""


class Auto(Options):
    """Choose for me: one pass of a network, and as much of a descent as the quality asks for."""

    regional: ClassVar[bool] = True

    strength: float = Field(0.5, ge=0, le=1, description="0 returns the content, 1 is all texture")
    style_scale: float = Field(
        1.0, ge=0.1, le=10, description="size of strokes: the style's long side over the result's"
    )
    quality: Quality = Field(
        "normal", description="draft is one pass, normal a few steps, best goes on at every size"
    )

    def cost(self, task: Task) -> Cost:
        """Of the methods that it asks; fitted to the figures of `python -m benchmarks plan`."""
        if learnt := _learnt(task.known):
            return _method(learnt, {}).cost(task)
        draft = _method("adain", {"style_scale": self.style_scale, **DRAFT}).cost(task)
        if self.quality == "draft" or task.tile:
            return draft
        options = {"style_scale": self.style_scale, **DESCENTS[self.quality]}
        finish = _method("gatys", options).cost(task)
        return Cost(finish.memory, STEPS[self.quality] * finish.seconds)

    def prepare(self, styles: Sequence[Style], *, generator: torch.Generator) -> Stylizer:
        """Prepare the methods that the quality asks for; a style without a picture gets a draft.

        Raises:
            OptionError: no style.
            WeightsError: a network's weights cannot be had.
        """
        shared = {"strength": self.strength, "style_scale": self.style_scale}
        if learnt := _learnt([style.measured or {} for style in styles]):
            return _method(learnt, shared).prepare(styles, generator=generator)
        draft = cache(
            lambda: _method("adain", {**shared, **DRAFT}).prepare(styles, generator=generator)
        )
        if self.quality == "draft" or any(style.image is None for style in styles):
            return draft()
        told = {**shared, "strength": bolder(self.strength, LIGHTER[self.quality])}
        finish = _method("gatys", {**told, **DESCENTS[self.quality]})
        return _Finished(draft, finish.prepare(styles, generator=generator))


def _learnt(known: Sequence[Mapping[str, Tensor]]) -> str | None:
    """The method whose networks were trained for all of the styles, by what is known of each."""
    if known and all(ROW in measured for measured in known):
        return "multistyle"
    return "johnson" if any(is_network(measured) for measured in known) else None


def bolder(strength: float, lighter: float) -> float:
    """The strength at which the content weighs `lighter` times as much for `gatys`."""
    return strength / (strength + lighter * (1 - strength))


def _method(name: str, options: Mapping[str, Any]) -> Any:
    return cast("Any", methods.load(name))(**options)


@dataclass(frozen=True)
class _Finished:
    """A descent; tile by tile there is only the draft."""

    draft: Callable[[], InPasses]
    finish: Stylizer

    def passes(self, size: tuple[int, int]) -> Sequence[Pass]:
        """Those of the draft."""
        return self.draft().passes(size)

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        return self.finish(frame, report=report)

"""Auto: a picture at once, and a better one where there is time.

No paper: where a network was trained for the styles, it paints them. Else AdaIN's single pass is
the draft, and Gatys' descent begins at one instead of at the content (Johnson et al., ECCV 2016,
section 4.2, note how close a feed-forward result lies to what the optimisation finds), and a
network makes its first steps (Andrychowicz et al., NeurIPS 2016; see `nets.optimizer`). What each
step gains is measured by `python -m benchmarks auto_gain`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor

from impasto import methods
from impasto.core.contract import Cost, Frame, InPasses, Pass, Style, Stylizer, Task
from impasto.core.options import Options
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.nets.trained import ROW, is_network

Quality = Literal["draft", "normal", "best"]

DESCENTS: Mapping[Quality, Mapping[str, Any]] = {
    "normal": {"optimizer": "learned", "iterations": 12, "coarsest": 512, "tolerance": 0.1},
    "best": {"iterations": 300, "coarsest": 128, "tolerance": 0.03},
}
"""How Gatys' descent goes on from the draft."""
BEGUN = 0.7
"""A descent begins at a draft of this share of the strength: a full one has lost more of the
content than the few steps of a descent bring back."""
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
        "normal", description="draft is one pass, normal refines it, best goes on at every size"
    )

    def cost(self, task: Task) -> Cost:
        """Of the methods that it asks; fitted to the figures of `python -m benchmarks plan`."""
        if learnt := _learnt(task.known):
            return _method(learnt, {}).cost(task)
        draft = _method("adain", {"style_scale": self.style_scale}).cost(task)
        if self.quality == "draft" or task.tile:
            return draft
        options = {"style_scale": self.style_scale, **DESCENTS[self.quality]}
        finish = _method("gatys", options).cost(task)
        seconds = draft.seconds + STEPS[self.quality] * finish.seconds
        return Cost(max(draft.memory, finish.memory), seconds)

    def prepare(self, styles: Sequence[Style], *, generator: torch.Generator) -> Stylizer:
        """Prepare the methods that the quality asks for; a style without a picture gets a draft.

        Raises:
            OptionError: no style.
            WeightsError: a network's weights cannot be had.
        """
        shared = {"strength": self.strength, "style_scale": self.style_scale}
        if learnt := _learnt([style.measured or {} for style in styles]):
            return _method(learnt, shared).prepare(styles, generator=generator)
        draft = _method("adain", shared).prepare(styles, generator=generator)
        if self.quality == "draft" or any(style.image is None for style in styles):
            return draft
        weaker = {**shared, "strength": BEGUN * self.strength}
        begin = _method("adain", weaker).prepare(styles, generator=generator)
        finish = _method("gatys", {**shared, **DESCENTS[self.quality]})
        return _Refined(cast("InPasses", draft), begin, finish.prepare(styles, generator=generator))


def _learnt(known: Sequence[Mapping[str, Tensor]]) -> str | None:
    """The method whose networks were trained for all of the styles, by what is known of each."""
    if known and all(ROW in measured for measured in known):
        return "multistyle"
    return "johnson" if any(is_network(measured) for measured in known) else None


def _method(name: str, options: Mapping[str, Any]) -> Any:
    return cast("Any", methods.load(name))(**options)


@dataclass(frozen=True)
class _Refined:
    """Where to begin and what is made of it; tile by tile there is only the full draft."""

    draft: InPasses
    begin: Stylizer
    finish: Stylizer

    def passes(self, size: tuple[int, int]) -> Sequence[Pass]:
        """Those of the draft."""
        return self.draft.passes(size)

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        if frame.start is None:
            draft = self.begin(frame)
            height, width = draft.shape[2:]
            report(Progress("draft", 0.0, size=(height, width), image=draft.clone))
            frame = replace(frame, start=draft)
        return self.finish(frame, report=report)

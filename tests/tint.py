"""A method that takes no time, for tests of what stands above methods."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import Field

from impasto.core.contract import Frame, Style
from impasto.core.options import Options
from impasto.core.progress import Progress, Report, silent
from impasto.ops.resample import resize

STEPS = 6
SEEN: list[Any] = []
"""What was handed to the method: itself and its styles, then each frame."""


class Tint(Options):
    """Move colours towards the mean colour of the styles."""

    strength: float = Field(0.5, ge=0, le=1, description="how far")
    style_scale: float = Field(1.0, ge=0.1, le=10, description="size of the strokes")
    mode: Literal["plain", "noisy"] = Field("plain", description="with or without noise")
    layers: tuple[str, ...] | None = Field(None, description="layers to look at")
    weights: tuple[float, ...] = Field((1.0, 2.0), description="their weights")
    careful: bool = Field(default=False, json_schema_extra={"advanced": True})
    stop_at: int | None = Field(None, ge=1, description="step at which to be interrupted")

    def prepare(self, styles: Sequence[Style], *, generator: torch.Generator) -> Any:
        SEEN.append((self, list(styles)))
        return Tinted(self, list(styles), generator)


@dataclass
class Tinted:
    options: Tint
    styles: list[Style]
    generator: torch.Generator

    def __call__(self, frame: Frame, *, report: Report = silent) -> torch.Tensor:
        SEEN.append(frame)
        share = sum(style.weight for style in self.styles)
        goal = sum(s.weight / share * s.image.mean((2, 3), keepdim=True) for s in self.styles)
        if self.options.mode == "noisy":
            goal = torch.rand(frame.content.shape, generator=self.generator)
        start = frame.content if frame.start is None else frame.start
        height, width = start.shape[2:]
        for step in range(1, STEPS + 1):
            now = start + self.options.strength * step / STEPS * (goal - start)
            size = (height, width) if step > 2 else (height // 2, width // 2)
            losses = {"style": 1 / step, "total": 1 / step}
            image = resize(now, size)
            report(Progress("tint", step / STEPS, step, size, losses, lambda image=image: image))
            if step == self.options.stop_at:
                raise KeyboardInterrupt
        return now

"""What the methods have in common whose networks paint in one pass: options and the stylizer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field
from torch import Tensor

from impasto.core.contract import Frame, Pass
from impasto.core.options import ADVANCED, Options
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.nets import engines
from impasto.nets.engines import Engine
from impasto.nets.settled import Painting
from impasto.nets.trained import paint
from impasto.nets.transformer import Transformer
from impasto.ops.resample import resize


class FeedForward(Options):
    """The options that all such methods have."""

    learnt: ClassVar[bool] = True

    strength: float = Field(0.5, ge=0, le=1, description="0 returns the content, 1 is all texture")
    style_scale: float = Field(
        1.0, ge=0.25, le=4, description="size of strokes over that which was trained"
    )
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = Field(
        "torch", description="what runs the network; auto is the quickest here", **ADVANCED
    )
    precision: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto", description="auto is bfloat16 where the processor has it", **ADVANCED
    )

    def painter(
        self,
        network: Transformer,
        *,
        rows: Callable[[bool], Sequence[Tensor]],
        finish: Callable[[Frame, Sequence[Image]], Image],
    ) -> "OnePass":
        """The stylizer of a network; its engine is started.

        Args:
            network: what paints.
            rows: whether there are regions to the rows (1, R) that paintings are needed of.
            finish: the frame and its painting in each row to what is seen.
        """
        engine = engines.start(network, kind=self.engine, precision=self.precision)
        return OnePass(self, network, engine, rows, finish)


@dataclass(frozen=True)
class OnePass:
    """A stylizer that paints with a network; see `FeedForward.painter`."""

    options: FeedForward
    network: Transformer
    runner: Engine
    rows: Callable[[bool], Sequence[Tensor]]
    finish: Callable[[Frame, Sequence[Image]], Image]

    @property
    def engine(self) -> str:
        """What runs the network, and in which precision."""
        return f"{self.runner.kind} {self.runner.precision}"

    def passes(self, size: tuple[int, int]) -> Sequence[Pass]:
        """One, with the same normalisations for all tiles; torch runs it."""
        if self.options.strength == 0:
            return []
        return [
            Painting(
                self.network,
                size,
                rows=self.rows,
                finish=self.finish,
                scale=self.options.style_scale,
                half=self.runner.precision == "bfloat16",
            )
        ]

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        """Paint; see `impasto.core.contract.Stylizer`."""
        if self.options.strength == 0:
            return frame.content.clone()
        size = (frame.content.shape[2], frame.content.shape[3])
        picture = frame.content if frame.start is None else resize(frame.start, size)
        paintings = [
            paint(self.runner, picture, row, scale=self.options.style_scale)
            for row in self.rows(bool(frame.regions))
        ]
        out = self.finish(frame, paintings)
        report(Progress("paint", 1.0, 1, size))
        return out

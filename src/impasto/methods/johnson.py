"""One network for one style: paint in one pass.

Johnson, Alahi and Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution",
ECCV 2016, arXiv 1603.08155. The style is a file with the weights of a network: one that was trained
by `impasto train johnson`, or one in the layout that PyTorch's examples made common. Departures:

1. Instance normalisation (Ulyanov, Vedaldi and Lempitsky, arXiv 1607.08022), as everybody does.
2. What we train returns the picture at strength 0 and has learnt all strengths between. The
   networks of others know one strength, which is taken to be 0.5; below it their painting fades
   into the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from impasto.core.contract import Cost, Frame, Pass, Style, Stylizer, Task
from impasto.core.errors import OptionError
from impasto.core.options import Options
from impasto.core.progress import Progress, Report, silent
from impasto.core.tensors import Image
from impasto.nets import engines
from impasto.nets.engines import Engine
from impasto.nets.settled import Painting
from impasto.nets.trained import Trained, build, is_network, paint
from impasto.ops.resample import resize

ADVANCED: dict[str, Any] = {"json_schema_extra": {"advanced": True}}


class Johnson(Options):
    """One pass of a network that was trained for one style (Johnson et al. 2016): at once."""

    learnt: ClassVar[bool] = True
    mixes: ClassVar[bool] = False

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

    def cost(self, task: Task) -> Cost:
        """Fitted to the figures of `python -m benchmarks plan`."""
        slim = any("fold.0.weight" in known for known in task.known)
        memory, seconds = (190, 0.3e-6) if slim else (1450, 3.5e-6)
        return Cost(20e6 + memory * task.pixels, 0.1 + seconds * task.pixels)

    def prepare(self, styles: Sequence[Style], *, generator: torch.Generator) -> Stylizer:
        """Build the network out of the style.

        Raises:
            OptionError: not one style, or one that is no network.
            WeightsError: the weights are of no network that paints.
        """
        if len(styles) != 1:
            raise OptionError(f"johnson takes one style; got {len(styles)}; multistyle mixes")
        measured = styles[0].measured or {}
        if not is_network(measured):
            raise OptionError(
                "johnson takes a style that is a network: a .pth, .pt or .safetensors file; "
                "adain, auto, gatys and wct take any picture"
            )
        trained = build(measured)
        trained.network.to(next(iter(measured.values())).device)
        engine = engines.start(trained.network, kind=self.engine, precision=self.precision)
        return _Stylizer(self, trained, engine)


@dataclass(frozen=True)
class _Stylizer:
    options: Johnson
    trained: Trained
    runner: Engine

    @property
    def engine(self) -> str:
        """What runs the network, and in which precision."""
        return f"{self.runner.kind} {self.runner.precision}"

    def passes(self, size: tuple[int, int]) -> Sequence[Pass]:
        """One, with the same normalisations for all tiles; torch runs it."""
        if self.options.strength == 0:
            return []
        half, scale = self.runner.precision == "bfloat16", self.options.style_scale
        network, row = self.trained.network, self._row()
        return [
            Painting(
                network, size, rows=lambda _: [row], finish=self._faded, scale=scale, half=half
            )
        ]

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        if self.options.strength == 0:
            return frame.content.clone()
        height, width = frame.content.shape[2:]
        size = (height, width)
        picture = frame.content if frame.start is None else resize(frame.start, size)
        painted = paint(self.runner, picture, self._row(), scale=self.options.style_scale)
        out = self._faded(frame, [painted])
        report(Progress("paint", 1.0, 1, size))
        return out

    def _row(self) -> Tensor:
        strength = self.options.strength
        return self.trained.mixed(self.trained.styles, torch.ones(1), strength=strength)

    def _faded(self, frame: Frame, paintings: Sequence[Image]) -> Image:
        """The painting, or, where the network knows one strength, something between."""
        if frame.regions:
            raise OptionError("johnson paints everywhere; adain, multistyle and wct take regions")
        if len(self.trained.network.rows) > 1:
            return paintings[0]
        return torch.lerp(frame.content, paintings[0], min(1.0, 2 * self.options.strength))

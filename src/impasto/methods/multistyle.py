"""Many styles in one network, and everything between them, in one pass.

Dumoulin, Shlens and Kudlur, "A Learned Representation for Artistic Style", ICLR 2017, arXiv
1610.07629. Departures:

1. The network is `impasto.nets.transformer.Slim`; one in the paper's architecture is taken too.
2. One more row of gains and shifts returns the picture. Strength goes from it to the style, and was
   trained on the way: at 0.5 the content weighs what it weighs for `gatys` at 0.5.
3. Where regions have their own styles, each is painted and the paintings are laid together.
"""

import copy
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
from impasto.nets import engines, trained
from impasto.nets.engines import Engine
from impasto.nets.settled import Painting
from impasto.nets.trained import MAKER, ROW, Trained, paint
from impasto.ops.resample import resize

ADVANCED: dict[str, Any] = {"json_schema_extra": {"advanced": True}}


class MultiStyle(Options):
    """One pass of a network that knows its styles by name (Dumoulin et al. 2017): at once."""

    learnt: ClassVar[bool] = True
    mixes: ClassVar[bool] = True

    strength: float = Field(0.5, ge=0, le=1, description="0 returns the content, 1 is all texture")
    style_scale: float = Field(
        1.0, ge=0.25, le=4, description="size of strokes over that which was trained"
    )
    weights: str = Field(
        "multistyle", description="the bundled network, or a file that was trained", **ADVANCED
    )
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = Field(
        "torch", description="what runs the network; auto is the quickest here", **ADVANCED
    )
    precision: Literal["auto", "float32", "bfloat16", "int8"] = Field(
        "auto", description="auto is bfloat16 where the processor has it", **ADVANCED
    )

    def cost(self, task: Task) -> Cost:
        """Fitted to the figures of `python -m benchmarks plan`."""
        return Cost(20e6 + 190 * task.pixels, 0.1 + 0.3e-6 * task.pixels)

    def prepare(self, styles: Sequence[Style], *, generator: torch.Generator) -> Stylizer:
        """Load the network and look up the styles.

        Raises:
            OptionError: no style, or one that the network was not trained for.
            WeightsError: the weights cannot be had.
        """
        bundled = self.weights == "multistyle"
        known = trained.bundled() if bundled else trained.load(self.weights)
        rows = _rows(styles, known)
        network = known.network
        if network.rows.device != rows.device:
            network = copy.deepcopy(network).to(rows.device)
        engine = engines.start(network, kind=self.engine, precision=self.precision)
        weights = torch.tensor([style.weight for style in styles])
        return _Stylizer(self, known, engine, rows, weights)


@dataclass(frozen=True)
class _Stylizer:
    options: MultiStyle
    trained: Trained
    runner: Engine
    rows: Tensor
    weights: Tensor

    @property
    def engine(self) -> str:
        """What runs the network, and in which precision."""
        return f"{self.runner.kind} {self.runner.precision}"

    def passes(self, size: tuple[int, int]) -> Sequence[Pass]:
        """One, with the same normalisations for all tiles; torch runs it."""
        if self.options.strength == 0:
            return []
        half = self.runner.precision == "bfloat16"
        scale = self.options.style_scale
        network = self.trained.network
        return [Painting(network, size, rows=self._mixed, finish=_laid, scale=scale, half=half)]

    def __call__(self, frame: Frame, *, report: Report = silent) -> Image:
        if self.options.strength == 0:
            return frame.content.clone()
        height, width = frame.content.shape[2:]
        size = (height, width)
        picture = frame.content if frame.start is None else resize(frame.start, size)
        scale = self.options.style_scale
        paintings = [
            paint(self.runner, picture, row, scale=scale)
            for row in self._mixed(bool(frame.regions))
        ]
        out = _laid(frame, paintings)
        report(Progress("paint", 1.0, 1, size))
        return out

    def _mixed(self, apart: bool) -> list[Tensor]:
        """The rows to paint in, (1, R): one of all styles, or one each."""
        strength, count = self.options.strength, len(self.rows)
        groups = torch.arange(count).split(1 if apart else count)
        return [
            self.trained.mixed(self.rows[group], self.weights[group], strength=strength)
            for group in groups
        ]


def _laid(frame: Frame, paintings: Sequence[Image]) -> Image:
    """One painting, or each in its region."""
    if not frame.regions:
        return paintings[0]
    total = torch.stack(list(frame.regions)).sum(0)
    share = total.clamp_max(1) / total.clamp_min(1e-6)
    out = frame.content * (1 - total.clamp_max(1))
    for painting, region in zip(paintings, frame.regions, strict=True):
        out = out + region * share * painting
    return out.clamp(0, 1)


def _rows(styles: Sequence[Style], trained: Trained) -> Tensor:
    """The rows of the styles, (K, R)."""
    if not styles:
        raise OptionError("at least one style is needed")
    found = []
    for style in styles:
        measured = style.measured or {}
        if ROW not in measured or not torch.equal(measured[MAKER].cpu(), trained.sha256):
            raise OptionError(
                "multistyle takes the styles that its network was trained for: "
                f"{', '.join(trained.names)}; adain, auto, gatys and wct take any picture"
            )
        found.append(measured[ROW])
    return torch.stack(found)

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
from typing import ClassVar

import torch
from torch import Tensor

from impasto.core.contract import Cost, Frame, Style, Stylizer, Task
from impasto.core.errors import OptionError
from impasto.core.tensors import Image
from impasto.feedforward import FeedForward
from impasto.nets.trained import build, is_network

MOST_ROWS = 2
"""Of a network of one style: its row, and one that returns the picture."""


class Johnson(FeedForward):
    """One pass of a network that was trained for one style (Johnson et al. 2016): at once."""

    mixes: ClassVar[bool] = False

    def cost(self, task: Task) -> Cost:
        """Fitted to the figures of `python -m benchmarks plan`."""
        slim = any("fold.0.weight" in known for known in task.known)
        memory, seconds = (190, 0.3e-6) if slim else (850, 3.5e-6)
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
                "johnson takes a style that is a network: a .pth, .pt, .model or .safetensors "
                "file; adain, auto, gatys and wct take any picture"
            )
        if "rows" in measured and len(measured["rows"]) > MOST_ROWS:
            raise OptionError(
                f"johnson takes a network of one style, and this one knows "
                f"{len(measured['rows']) - 1}; name one of the .style files that lie beside it"
            )
        trained = build(measured)
        trained.network.to(next(iter(measured.values())).device)

        def rows(_apart: bool) -> list[Tensor]:
            return [trained.mixed(trained.styles, torch.ones(1), strength=self.strength)]

        knows_all = len(trained.network.rows) > 1
        return self.painter(
            trained.network,
            rows=rows,
            finish=lambda frame, paintings: self._faded(frame, paintings[0], knows_all=knows_all),
        )

    def _faded(self, frame: Frame, painting: Image, *, knows_all: bool) -> Image:
        """The painting, or, where the network knows one strength, something between."""
        if frame.regions:
            raise OptionError("johnson paints everywhere; adain, multistyle and wct take regions")
        if knows_all:
            return painting
        return torch.lerp(frame.content, painting, min(1.0, 2 * self.strength))

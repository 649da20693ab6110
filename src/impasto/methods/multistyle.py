"""Many styles in one network, and everything between them, in one pass.

Dumoulin, Shlens and Kudlur, "A Learned Representation for Artistic Style", ICLR 2017, arXiv
1610.07629. Departures:

1. The network is `impasto.nets.transformer.Slim`; one in the paper's architecture is taken too.
2. One more row of gains and shifts returns the picture. Strength goes from it to the style, and was
   trained on the way: at 0.5 the content weighs half of what it weighs for `gatys` at 0.5, because
   a single pass dares less.
3. Where regions have their own styles, each is painted and the paintings are laid together.
"""

import copy
from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field
from torch import Tensor

from impasto.core.contract import Cost, Frame, Style, Stylizer, Task
from impasto.core.errors import OptionError
from impasto.core.options import ADVANCED
from impasto.core.tensors import Image
from impasto.feedforward import FeedForward
from impasto.nets import trained
from impasto.nets.trained import MAKER, ROW, Trained


class MultiStyle(FeedForward):
    """One pass of a network that knows its styles by name (Dumoulin et al. 2017): at once."""

    mixes: ClassVar[bool] = True

    weights: str = Field(
        "multistyle", description="the bundled network, or a file that was trained", **ADVANCED
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
        known = self._trained(styles)
        rows = _rows(styles, known)
        network = known.network
        if network.rows.device != rows.device:
            network = copy.deepcopy(network).to(rows.device)
        weights = torch.tensor([style.weight for style in styles])

        def mixed(apart: bool) -> list[Tensor]:
            groups = torch.arange(len(rows)).split(1 if apart else len(rows))
            return [known.mixed(rows[g], weights[g], strength=self.strength) for g in groups]

        return self.painter(network, rows=mixed, finish=_laid)

    def _trained(self, styles: Sequence[Style]) -> Trained:
        """The network that is named, or else that which lies beside a style, or the bundled one."""
        if self.weights != "multistyle":
            return trained.load(self.weights)
        for known in (style.measured or {} for style in styles):
            if ROW in known and trained.is_network(known):
                state = {key: value for key, value in known.items() if key not in (ROW, MAKER)}
                names = [""] * (len(state["rows"]) - 1)
                return trained.build(state, names=names, sha256=trained.hexadecimal(known[MAKER]))
        return trained.bundled()


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
        if ROW in measured and not torch.equal(measured[MAKER].cpu(), trained.sha256):
            raise OptionError(
                "a style of multistyle goes with the network it was learnt with, and one of these "
                "was learnt with another: put that beside it as network.safetensors, name it by "
                "--weights, or learn the style again by impasto train multistyle --add-style"
            )
        if ROW not in measured:
            raise OptionError(
                "multistyle takes the styles that its network was trained for: "
                f"{', '.join(trained.names)}; adain, auto, gatys and wct take any picture"
            )
        found.append(measured[ROW])
    return torch.stack(found)

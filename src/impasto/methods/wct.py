"""WCT: give the features of a content the mean and covariance of a style's, layer after layer.

Li, Fang, Yang, Wang, Lu and Yang, "Universal Style Transfer via Feature Transforms", NeurIPS 2017,
arXiv 1705.08086. Departures:

1. The network that looks is our small `petit`, and the decoders invert that.
2. In place of whitening and colouring, features are moved by the map of optimal transport, which
   gives them the same mean and covariance with the least change: see `stats.transport`. It is
   folded into one matrix a layer and decomposed in float64, and directions in which a content
   hardly varies are left out, so that flat pictures are harmless.
3. Level 5 is left out unless asked for: `petit` sees little there that level 4 does not, and with
   it both the style and the content are missed by more.
4. What a decoder loses of the picture it is given comes back: in the deep layers most, so that
   edges survive and the shallower layers paint over them; in the shallow ones less, which leaves
   the grain to the style. As strength falls to 0 all of it comes back everywhere, so a strength
   near 0 is near the content.
5. The first level is shown the content with a little noise, or a flat sky has nothing that strokes
   could begin with: see `decoder.roughened`.
6. What came out is looked at again, and moved nearer to the style: see `universal.refining`.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from impasto.core.contract import Cost, Frame, Pass, Style, Stylizer, Sums, Task
from impasto.core.options import ADVANCED
from impasto.core.tensors import Image
from impasto.nets import decoder
from impasto.nets.decoder import LEVELS, RETURNED, STATISTICS, Decoder
from impasto.nets.vgg import VGG
from impasto.ops.stats import Moments, moments, partway, transport
from impasto.universal.matching import Matching, confined
from impasto.universal.method import Universal
from impasto.universal.palette import Palette
from impasto.universal.refining import Noted


class WCT(Universal):
    """Match mean and covariance from coarse to fine (Li et al. 2017): quick, with bold strokes."""

    levels: tuple[int, ...] = Field(
        LEVELS, description="which layers are matched, from deep to shallow, out of 5 to 1"
    )

    # In bfloat16 layer after layer amplifies rounding, and tiles would not fit the whole.
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "float32",
        description="auto is bfloat16 where the processor has it",
        **ADVANCED,
    )

    @model_validator(mode="after")
    def _descending(self) -> "WCT":
        falling = sorted(set(self.levels) & set(range(1, 6)), reverse=True)
        if not self.levels or list(self.levels) != falling:
            got = ", ".join(map(str, self.levels)) or "none"
            raise ValueError(f"levels must be whole numbers from 5 down to 1; got {got}")
        return self

    def cost(self, task: Task) -> Cost:
        """Fitted to the figures of `python -m benchmarks plan`."""
        seconds = 0.4 + (1.8e-6 + 0.7e-6 * self.moving) * task.pixels
        return self.costs(task, pixel=650.0 if self.refine else 430.0, seconds=seconds)

    def prepare(self, styles: Sequence[Style], *, generator: torch.Generator) -> Stylizer:
        """Load the networks; the styles are measured once for a size of result.

        Raises:
            OptionError: no style, or one without a picture and measurements that fit.
            WeightsError: the weights cannot be had.
        """
        taps = [f"relu{level}_1" for level in self.levels]
        network, known = self.eyes(styles), decoder.decoders()
        inverses = [self.placed(known[tap], network.input.weight.device) for tap in taps]

        def passes(long_side: int) -> list[Pass]:
            gathered = STATISTICS if self.refine else ()
            seen = list(dict.fromkeys([*taps, *gathered]))
            palette, noted = self.palette(network, styles, seen, long_side=long_side), Noted()
            matching = [
                _Pass(
                    network,
                    palette,
                    inverse=inverse,
                    alpha=self.alpha,
                    returned=1 - self.alpha * (1 - RETURNED[level]),
                    passes=len(taps),
                    rough=level == self.levels[0],
                    noting=(noted, gathered) if level == self.levels[0] else None,
                )
                for level, inverse in zip(self.levels, inverses, strict=True)
            ]
            refining = self.refining(network, palette, styles, long_side=long_side, noted=noted)
            return [*matching, *refining]

        return self.painter(passes, generator=generator)


class _Pass(Matching):
    def __init__(
        self,
        network: VGG,
        palette: Palette,
        *,
        inverse: Decoder,
        alpha: float,
        returned: float,
        passes: int,
        rough: bool,
        noting: tuple[Noted, Sequence[str]] | None,
    ) -> None:
        self.noted, noted_taps = noting or (None, ())
        super().__init__(
            network,
            palette,
            taps=list(dict.fromkeys([inverse.tap, *noted_taps])),
            kept=[inverse.tap],
            beyond=inverse.margin,
            rough=rough,
        )
        self.inverse, self.alpha, self.passes = inverse, alpha, passes
        self.returned = returned
        self.styles = palette.moments[inverse.tap]

    def change(self, sums: Sums) -> Callable[[Frame], Image]:
        """Equations 2 and 3, blended with the content by α (equation 4), then the decoder."""
        maps = self._maps(moments(sums[self.inverse.tap]))
        if self.noted:
            self.noted.begin({tap: moments(each) for tap, each in sums.items()})

        @torch.no_grad()
        def changed(frame: Frame) -> Image:
            features = self.features(frame)[self.inverse.tap]
            out = self.inverse(self._transformed(features, frame, maps))
            if self.returned:
                out = out + self.returned * (frame.content - self.inverse(features))
            return confined(out.clamp(0, 1), frame, passes=self.passes)

        return changed

    def _maps(self, own: Moments) -> list[tuple[Tensor, Tensor]]:
        """One affine map of features, (C, C) and (C,), for each region."""
        regions = len(own.mean)
        matrix, mean = (
            self.palette.mixed(values, regions=regions)
            for values in (transport(own, self.styles), self.styles.mean)
        )
        share = torch.full((regions,), self.alpha)
        matrix, bias = partway(own, matrix, mean, share)
        return list(zip(matrix.float(), bias.float(), strict=True))

    def _transformed(
        self, features: Tensor, frame: Frame, maps: Sequence[tuple[Tensor, Tensor]]
    ) -> Tensor:
        positions = features.permute(0, 2, 3, 1).float()
        found = [F.linear(positions, *each).permute(0, 3, 1, 2) for each in maps]
        if len(found) == 1:
            return found[0]
        stride = frame.content.shape[2] // features.shape[2]
        return (torch.cat(found) * self.palette.places(frame, stride=stride)).sum(0, keepdim=True)

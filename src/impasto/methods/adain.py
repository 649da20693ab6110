"""AdaIN: give the features of a content the mean and deviation of a style's, channel by channel.

Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization",
ICCV 2017, arXiv 1703.06868. Departures:

1. The network that looks is our small `petit`, and two of its layers are changed and decoded,
   relu4_1 and relu3_1, which keeps edges.
2. The decoder is told the statistics of the style at four layers, so it need not guess fine
   texture from the coarse one; and at each place what AdaIN, which knows nothing of how channels
   vary together, has missed of the style.
3. Where a part of the content is kept (a strength below 1), the detail that the decoder loses comes
   back in the same part, so a strength near 0 is near the content.
4. A channel that hardly varies in the content is not blown up: see `StyledDecoder.adapted`.
5. The network is shown the content with a little noise, or a flat sky has nothing that strokes
   could begin with: see `decoder.roughened`.
6. What came out is looked at again, and moved nearer to the style: see `universal.refining`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from impasto.core.contract import Cost, Frame, Pass, Style, Stylizer, Sums, Task
from impasto.core.tensors import Features, Image
from impasto.nets import decoder
from impasto.nets.decoder import STATISTICS, StyledDecoder
from impasto.nets.vgg import VGG
from impasto.ops import errors
from impasto.ops.stats import Moments, moments
from impasto.universal.matching import Matching, confined
from impasto.universal.method import Universal
from impasto.universal.palette import HALF, Palette, Scale
from impasto.universal.refining import Noted


class AdaIN(Universal):
    """Match mean and deviation in one pass (Huang and Belongie 2017): quick, and keeps shapes."""

    # Beside a pass so quick a move is dear.
    spared: ClassVar[float] = 0.11
    enough: ClassVar[Mapping[Scale, tuple[float, float]]] = {HALF: (0.15, 0.09), 1: (0.12, 0.09)}

    def cost(self, task: Task) -> Cost:
        """Fitted to the figures of `python -m benchmarks plan`."""
        seconds = 0.3 + (1 + self.moving) * 0.7e-6 * task.pixels
        return self.costs(task, pixel=600.0 if self.refine else 330.0, seconds=seconds)

    def prepare(self, styles: Sequence[Style], *, generator: torch.Generator) -> Stylizer:
        """Load the networks; the styles are measured once for a size of result.

        Raises:
            OptionError: no style, or one without a picture and measurements that fit.
            WeightsError: the weights cannot be had.
        """
        network = self.eyes(styles)
        styled = self.placed(decoder.styled(), network.input.weight.device)

        def passes(long_side: int) -> list[Pass]:
            palette = self.palette(network, styles, STATISTICS, long_side=long_side)
            painting = _Pass(network, palette, styled=styled, alpha=self.alpha)
            refining = self.refining(
                network, palette, styles, long_side=long_side, noted=painting.noted
            )
            return [painting, *refining]

        return self.painter(passes, generator=generator)


class _Pass(Matching):
    def __init__(
        self, network: VGG, palette: Palette, *, styled: StyledDecoder, alpha: float
    ) -> None:
        super().__init__(
            network,
            palette,
            taps=STATISTICS,
            kept=styled.taps,
            beyond=styled.margin,
            rough=True,
        )
        self.styled, self.alpha = styled, alpha
        self.styles, self.noted = _statistics(palette.moments), Noted()

    def change(self, sums: Sums) -> Callable[[Frame], Image]:
        """Equation 8 with equation 14's α, then the decoder."""
        known = {tap: moments(sums[tap]) for tap in STATISTICS}
        self.noted.begin(known)
        own = _statistics(known)
        # To blend statistics is to blend features that have them (equation 15).
        wanted = torch.lerp(own, self.palette.mixed(self.styles, regions=len(own)), self.alpha)
        missed = self._missed(known, own=own, wanted=wanted)

        @torch.no_grad()
        def changed(frame: Frame) -> Image:
            features = self.features(frame)
            out = self._decoded(features, frame, own=own, wanted=wanted, missed=missed)
            if self.alpha < 1:
                kept = self._decoded(features, frame, own=own, wanted=own)
                out = out + (1 - self.alpha) * (frame.content - kept)
            return confined(out.clamp(0, 1), frame)

        return changed

    def _missed(
        self, known: Mapping[str, Moments], *, own: Tensor, wanted: Tensor
    ) -> dict[str, Tensor]:
        """What adapted activations miss of the style: a matrix (R, C, C) for each tap."""
        adapted = self.styled.grams({t: m.covariance for t, m in known.items()}, own, wanted)
        goals = self.palette.wanted(known, self.styled.taps, alpha=self.alpha)
        return {
            tap: errors.missed(g, goals[tap].to(g), self.network.metric(tap)).error
            for tap, g in adapted.items()
        }

    def _decoded(
        self,
        features: Features,
        frame: Frame,
        *,
        own: Tensor,
        wanted: Tensor,
        missed: Mapping[str, Tensor] | None = None,
    ) -> Image:
        """The picture of features with other statistics, (R, S), one a region."""
        adapted = self.styled.adapted(features, own, wanted)
        told = {tap: errors.felt(adapted[tap], each) for tap, each in (missed or {}).items()}
        modulation = self.styled.modulation(wanted)
        if len(wanted) == 1:
            return self.styled(adapted, modulation, told or None)
        height = frame.content.shape[2]
        for maps in (adapted, told):
            for tap, f in maps.items():
                places = self.palette.places(frame, stride=height // f.shape[2])
                maps[tap] = (f * places).sum(0, keepdim=True).to(f.dtype)
        return self.styled(adapted, self._placed(modulation, frame), told or None)

    def _placed(self, modulation: Sequence[Tensor], frame: Frame) -> Iterator[Tensor]:
        """The modulation of every position, stage by stage: a map is as large as its stage."""
        for shallower, change in zip(reversed(range(len(modulation))), modulation, strict=True):
            places = self.palette.places(frame, stride=2**shallower)
            yield torch.einsum("rc,rxhw->xchw", change, places)


def _statistics(known: Mapping[str, Moments]) -> Tensor:
    """Means and deviations, side by side as the decoder reads them: (R, S)."""
    found = []
    for tap in STATISTICS:
        variance = known[tap].covariance.diagonal(dim1=1, dim2=2)
        found += [known[tap].mean, variance.clamp_min(0).sqrt()]
    return torch.cat(found, 1).float()

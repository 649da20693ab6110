"""What is trained for WCT: a decoder for each of five layers, which gives back the picture.

After Li et al., "Universal Style Transfer via Feature Transforms", NeurIPS 2017. Ours: each is
trained on whitened and coloured activations as well, since those are what it meets; what comes out
is looked at again and must have the activations that went in, and the style's Gram matrices at the
layers above.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.losses.pixels import outside
from impasto.nets.decoder import (
    LEVELS,
    RETURNED,
    STATISTICS,
    Decoder,
    initial_state,
    roughened,
)
from impasto.nets.vgg import VGG
from impasto.ops.stats import Moments, partway, transport
from impasto.training.data import Pairs, anywhere
from impasto.training.distances import far, grams, psnr, seen, style_far
from impasto.training.mirrors import Decode, autocast, widths
from impasto.training.shelves import DEEP, Shelves

TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
"""The layers that WCT inverts."""
PIXEL_WEIGHTS = (40.0, 40.0, 40.0, 20.0, 10.0)
"""Of the squared error of pixels at each level: deep activations do not tell where a pixel is."""


def _moments(features: Tensor) -> Moments:
    flat = features.flatten(2).double()
    mean = flat.mean(2)
    centred = flat - mean[..., None]
    return Moments(mean, centred @ centred.mT / flat.shape[2])


def moved(content: Tensor, style: Tensor, strength: Tensor) -> Tensor:
    """Activations carried towards the mean and covariance of others, as the method does it.

    The map is taken for a constant: what made the statistics of the content gets no gradient.

    Args:
        content: (N, C, h, w), float32.
        style: (N, C, h', w'), float32.
        strength: how far, from 0 to 1, (N,).
    """
    with torch.no_grad():
        own, wanted = _moments(content), _moments(style)
        matrix, shift = partway(own, transport(own, wanted), wanted.mean, strength)
    made = matrix.float() @ content.flatten(2) + shift.float()[..., None]
    return made.view_as(content).contiguous(memory_format=torch.channels_last)


class ForWCT:
    """Five decoders, one of which is trained a step.

    Args:
        options: of the recipe.
        eyes: the encoder, frozen.
        generator: for the first weights and the strengths.
    """

    def __init__(self, options: Decode, *, eyes: VGG, generator: torch.Generator) -> None:
        self.options, self.eyes, self.generator = options, eyes, generator
        channels = widths(eyes, len(TAPS))
        self.decoders = {
            tap: Decoder(initial_state(channels[:level], generator))
            for level, tap in enumerate(TAPS, 1)
        }
        self.network = nn.ModuleDict(self.decoders)

    def start(self, pairs: Pairs, *, fresh: bool) -> None:
        """Nothing is to be measured."""

    def losses(self, step: int, pairs: Pairs) -> dict[str, Tensor]:
        """Errors of one level, on as many pictures to give back as to carry to others."""
        level = self.options.levels[step % len(self.options.levels)]
        taps, tap = TAPS[:level], TAPS[level - 1]
        x = pairs.mixed(self.options.batch)
        strength = (2 * torch.rand(len(x), generator=self.generator)).clamp_max(1).to(x.device)
        with torch.no_grad():
            features = self.eyes(x, taps)
            f = features[tap].float()
            f = torch.cat([f, moved(f, f.roll(1, 0), strength)])
            own = grams(self.eyes, features, taps)
            wanted = {name: torch.cat([g, g.roll(1, 0)]) for name, g in own.items()}
        with autocast(self.eyes):
            made = self.decoders[tap](f)
        again = self.eyes(made, taps)
        styled = style_far(grams(self.eyes, again, taps), wanted)
        pulls = torch.cat([torch.ones_like(strength), strength])
        return {
            "pixels": PIXEL_WEIGHTS[level - 1] * F.mse_loss(made[: len(x)], x),
            "features": far(seen(self.eyes, tap, again[tap]), seen(self.eyes, tap, f)).mean(),
            "grams": self.options.gram_weight * (pulls * styled).mean(),
            "outside": self.options.outside_weight * outside(made),
        }

    def stylized(self, content: Tensor, style: Tensor) -> Tensor:
        """The cascade of the method, at full strength."""
        return self._painted(content, style, torch.ones(len(content)).to(content.device))[0]

    def returned(self, content: Tensor) -> dict[str, float]:
        """Of every level."""
        features = self.eyes(content, TAPS)
        return {t: float(psnr(self.decoders[t](features[t]), content).mean()) for t in TAPS}

    def state(self) -> dict[str, Tensor]:
        """Nothing else matters."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Nothing is to be taken up."""

    def _painted(
        self,
        content: Tensor,
        style: Tensor,
        strength: Tensor,
        *,
        at: tuple[int, int] = (0, 0),
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the cascade makes of contents, and what its levels miss of what they are given.

        Args:
            content: (N, 3, H, W).
            style: (N, 3, H, W).
            strength: (N,).
            at: where in the noise the contents begin.

        Returns:
            The pictures, how far they and those in between are beyond black and white, and the
            weighted squared error of what is given back.
        """
        with torch.no_grad():
            wanted = self.eyes(style, [TAPS[level - 1] for level in LEVELS])
        x, missed, beyond = content, content.new_zeros(()), content.new_zeros(())
        for level in LEVELS:
            tap = TAPS[level - 1]
            shown = roughened(x, at=at) if level == LEVELS[0] else x
            f = self.eyes(shown, [tap])[tap].float()
            goal = moved(f, wanted[tap].float(), strength)
            with autocast(self.eyes):
                out, again = self.decoders[tap](torch.cat([goal, f])).chunk(2)
            missed = missed + PIXEL_WEIGHTS[level - 1] * F.mse_loss(again, x)
            returned = 1 - strength * (1 - RETURNED[level])
            out = out + returned[:, None, None, None] * (x - again)
            beyond = beyond + outside(out)
            x = out.clamp(0, 1)
        return x, beyond / len(LEVELS), missed / len(LEVELS)


class ForCascade(ForWCT):
    """The decoders of the method's levels, all trained at once by the picture that comes out.

    After the single levels: what one of them does to a picture, the next ones meet.

    Args:
        options: of the recipe.
        eyes: the encoder, frozen.
        teacher: the network that looks at the picture, frozen.
        generator: for the choice of pairs and the strengths.
    """

    def __init__(
        self, options: Decode, *, eyes: VGG, teacher: VGG, generator: torch.Generator
    ) -> None:
        super().__init__(options, eyes=eyes, generator=generator)
        self.teacher, self.shelves = teacher, Shelves(teacher, batch=options.batch)

    def start(self, pairs: Pairs, *, fresh: bool) -> None:
        """Show the teacher the first crops."""
        self.shelves.fill(pairs)

    def losses(self, step: int, pairs: Pairs) -> dict[str, Tensor]:
        """Style and content seen by the teacher, and what the decoders do not give back."""
        options = self.options
        self.shelves.renew(step, pairs)
        content, style = self.shelves.draw(options.batch, self.generator)
        strength = (2 * torch.rand(options.batch, generator=self.generator)).clamp_max(1)
        strength = strength.to(content.crops.device)
        made, beyond, missed = self._painted(
            content.crops, style.crops, strength, at=anywhere(self.generator)
        )
        again = self.teacher(made, STATISTICS)
        goals: dict[str, Tensor] = dict(zip(STATISTICS, style.grams, strict=True))
        styled = style_far(grams(self.teacher, again, STATISTICS), goals)
        kept = far(*(seen(self.teacher, DEEP, f) for f in (again[DEEP], content.deep)))
        return {
            "style": (strength * styled).mean(),
            "content": options.content_weight * kept.mean(),
            "pixels": missed,
            "outside": options.outside_weight * beyond,
        }

    def state(self) -> dict[str, Tensor]:
        """The crops that the teacher was shown."""
        return self.shelves.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave."""
        self.shelves.restore(state)

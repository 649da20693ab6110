"""From the activations of `petit` back to a picture: `petit` mirrored.

Each step up repeats every position twice along both sides and is followed by a 3×3 convolution,
which leaves no checkerboard (Odena, Dumoulin and Olah, "Deconvolution and Checkerboard Artifacts",
Distill 2016). How the decoders were trained: `impasto.training.decoder`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.core.errors import WeightsError
from impasto.core.tensors import Features
from impasto.nets import zoo
from impasto.ops.noise import laid, smoothed

STATISTICS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
"""The layers whose means and deviations describe a style to a `StyledDecoder`, in this order."""
HIDDEN = 192
"""Width of the layer between a style's statistics and the modulation."""
FLOOR = 0.1
"""A deviation counts as no less than about this share of the usual one, or noise would be blown up
where a picture is flat."""

LEVELS = (4, 3, 2, 1)
"""What WCT matches unless asked otherwise, from deep to shallow."""
RETURNED = {5: 1.0, 4: 0.7, 3: 0.5, 2: 0.5, 1: 0.0}
"""Level of WCT to the share of what its decoder loses that comes back even at full strength."""

GREY = 0.5
ROUGH, SPREAD, PERIOD = 0.05, 2.0, 1024
"""Deviation of the noise that decoders are used to, the Gaussian that smooths it and the side after
which it repeats, both in pixels."""

_Any = TypeVar("_Any", bound=nn.Module)
_CONV = re.compile(r"conv(\d)_([12])\.weight")


class _Mirrored(nn.Module):
    """Stages of two convolutions, deep to shallow: one that keeps the width, one that leads on."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        deepest = max((int(m.group(1)) for m in map(_CONV.fullmatch, state) if m), default=1)
        self.stages = tuple(range(deepest, 0, -1))
        for stage in self.stages:
            self._add(nn.Conv2d, f"conv{stage}_2", state)
            self._add(nn.Conv2d, f"conv{stage}_1", state)
        self.tap = f"relu{deepest}_1"

    def _add(self, kind: type[nn.Module], name: str, state: Mapping[str, Tensor]) -> None:
        try:
            weight, bias = state[f"{name}.weight"].float(), state[f"{name}.bias"].float()
        except KeyError as error:
            raise WeightsError(f"a decoder must hold {error.args[0]}") from error
        layer = kind(weight.shape[1], weight.shape[0], *weight.shape[2:3])
        layer.load_state_dict({"weight": weight, "bias": bias})
        self.add_module(name, layer)

    @property
    def margin(self) -> int:
        """Pixels around a tile that decide about it, if tiles begin at multiples of a position."""
        radius = sum(2 * 2 ** (stage - 1) for stage in self.stages)
        position = 2 ** (self.stages[0] - 1)
        return -(-radius // position) * position

    def _convolved(self, h: Tensor, name: str, change: Tensor | None = None) -> Tensor:
        """A convolution over the mirrored map, perhaps of what `_modulated` makes of it."""
        conv = self.get_submodule(name)
        weight, bias = conv.get_parameter("weight"), conv.get_parameter("bias")
        if change is not None and not (change.shape[0] == 1 and change.ndim == 2):
            h, change = _modulated(h, change), None
        # Reflection needs two pixels along a side; where there is only one, it repeats.
        h = F.pad(h, (1, 1, 1, 1), mode="reflect" if min(h.shape[2:]) > 1 else "replicate")
        if not torch.is_autocast_enabled(h.device.type):
            h = h.to(weight.dtype)
        dtype = weight.dtype
        if change is not None:
            # Weights are few; it is far quicker to multiply them than the map.
            gain, shift = change.float().chunk(2, 1)
            bias = bias + weight.float().sum((2, 3)) @ shift[0]
            weight = weight * (1 + gain[:, :, None, None])
        if name != "conv1_1":
            return F.conv2d(h, weight.to(dtype), bias.to(dtype))
        # Bfloat16 has few bits, and most of them near 0: so the picture is made around grey.
        return F.conv2d(h, weight.to(dtype), (bias - GREY).to(dtype)).float() + GREY

    def _led_on(self, h: Tensor, stage: int, change: Tensor | None = None) -> Tensor:
        """The end of a stage: the picture, or the map of the next with four times the positions."""
        h = self._convolved(h, f"conv{stage}_1", change)
        return h if stage == 1 else F.interpolate(h.relu_(), scale_factor=2.0)

    def half(self: _Any) -> _Any:
        """This decoder with its convolutions in bfloat16, in place; a picture is float32 still."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.data = module.weight.data.bfloat16()
        return self


class Decoder(_Mirrored):
    """From the activations of one layer of `petit` to a picture.

    Li et al., "Universal Style Transfer via Feature Transforms", NeurIPS 2017, section 3.1.

    Args:
        state: `convX_2` (C_X, C_X, 3, 3) and `convX_1` (C_{X-1}, C_X, 3, 3), `.weight` and `.bias`,
            for every stage X; the last, `conv1_1`, gives three channels.

    Attributes:
        tap: the layer that it inverts, the first of its deepest stage.
        margin: pixels around a tile that decide about it, if the tile begins at a multiple of a
            position of the layer.

    Raises:
        WeightsError: a part is missing.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__(state)
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, features: Tensor) -> Tensor:
        """The picture (N, 3, h·2^k, w·2^k) of activations (N, C, h, w); sRGB, not clamped."""
        h = features
        for stage in self.stages:
            h = self._led_on(self._convolved(h, f"conv{stage}_2").relu_(), stage)
        return h


class StyledDecoder(_Mirrored):
    """From AdaIN's activations of two layers to a picture, told about the style at every stage.

    Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance
    Normalization", ICCV 2017, with a small encoder. Ours: relu3_1 is adapted and fed in as well,
    which keeps edges; and what every convolution is given is scaled and shifted by what two small
    layers read from the style's statistics (as in Ghiasi et al., "Exploring the Structure of a
    Real-time, Arbitrary Neural Artistic Stylization Network", BMVC 2017), so that fine texture need
    not be guessed. AdaIN knows nothing of how channels vary together; what is missed of that after
    it, at each place, is fed in as well (`impasto.ops.errors`).

    Args:
        state: as for a `Decoder`; `skip3` (C_3, C_3, 3, 3) for the second layer; `told4` and
            `told3` (C, C, 1, 1) for what is missed, and `missed` (2,), its usual sizes; `scale`
            (S,), the usual statistics; `read` (K, S) and `modulate` (4 · the sum of all C, K).

    Attributes:
        taps: the layers that are adapted and fed in, deep to shallow.
        margin: as of a `Decoder`.

    Raises:
        WeightsError: a part is missing.
    """

    taps = ("relu4_1", "relu3_1")
    scale: Tensor
    missed: Tensor

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__(state)
        for name in ("skip3", "told4", "told3"):
            self._add(nn.Conv2d, name, state)
        self._add(nn.Linear, "read", state)
        self._add(nn.Linear, "modulate", state)
        for name in ("scale", "missed"):
            self.register_buffer(name, state[name].float().clone())
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of every stage, deep to shallow."""
        names = [f"conv{stage}_2.weight" for stage in self.stages]
        return tuple(self.get_parameter(name).shape[0] for name in names)

    def modulation(self, statistics: Tensor) -> list[Tensor]:
        """What each stage is multiplied by, less 1, and moved by: (N, 4·C) a stage.

        Both for its first convolution, then both for its second.

        Args:
            statistics: (N, S) of the style, as `statistics` gives them.
        """
        read = torch.relu(self.get_submodule("read")(statistics / self.scale))
        both = self.get_submodule("modulate")(read)
        return list(both.split([4 * width for width in self.widths], 1))

    def adapted(self, features: Features, own: Tensor, wanted: Tensor) -> Features:
        """The activations at `taps` with other means and deviations: AdaIN.

        Args:
            features: of the content, at `taps` at least.
            own: (N, S), the statistics of the content, as `statistics` gives them.
            wanted: (N, S) or (1, S), those of the style.
        """
        found = {}
        for tap, (gain, shift, _) in self._moved(own, wanted).items():
            f = features[tap]
            found[tap] = torch.addcmul(
                shift[..., None, None].to(f.dtype), f, gain[..., None, None].to(f.dtype)
            )
        return found

    def grams(
        self, covariances: Mapping[str, Tensor], own: Tensor, wanted: Tensor
    ) -> dict[str, Tensor]:
        """The Gram matrices (N, C, C) of what `adapted` gives, without looking at it.

        Args:
            covariances: of the content, (N, C, C), at `taps` at least.
            own: as for `adapted`.
            wanted: as for `adapted`.
        """
        found = {}
        for tap, (gain, _, mean) in self._moved(own, wanted).items():
            both = gain[:, :, None] * covariances[tap].to(gain) * gain[:, None, :]
            found[tap] = both + mean[:, :, None] * mean[:, None, :]
        return found

    def forward(
        self, features: Features, modulation: Iterable[Tensor], errors: Features | None = None
    ) -> Tensor:
        """The picture (N, 3, 8·h, 8·w); sRGB, not clamped.

        Args:
            features: tap to adapted activations (N, C, h, w), of relu3_1 (N, C, 2·h, 2·w).
            modulation: as `modulation` gives it; an entry may be a map (N, 4·C, h', w') as well, in
                the size of its stage, where styles differ from place to place.
            errors: tap to what is missed of the style in these activations, see
                `impasto.ops.errors.felt`; None is nothing.
        """
        h = features[self.tap]
        for stage, change in zip(self.stages, modulation, strict=True):
            if stage == 3:
                h = h + self._convolved(features["relu3_1"], "skip3")
            if stage >= 3:
                h = h + self._told(stage, errors)
            first, second = change.chunk(2, 1)
            h = self._led_on(self._convolved(h, f"conv{stage}_2", first).relu_(), stage, second)
        return h

    def _told(self, stage: int, errors: Features | None) -> Tensor:
        conv = self.get_submodule(f"told{stage}")
        weight, bias = conv.get_parameter("weight"), conv.get_parameter("bias")
        if errors is None:
            return bias.to(weight.dtype)[:, None, None]
        error = errors[f"relu{stage}_1"]
        error = (error / self.missed[4 - stage].to(error.dtype)).to(weight.dtype)
        return F.conv2d(error, weight, bias.to(weight.dtype))

    def _moved(self, own: Tensor, wanted: Tensor) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """What activations at `taps` are multiplied by and moved by, and their mean then."""
        found = {}
        scales, owns, goals = map(self._split, (self.scale[None], own, wanted))
        for tap in self.taps:
            (mean, deviation), (new_mean, new_deviation) = owns[tap], goals[tap]
            floor = (FLOOR * scales[tap][1]).square()
            # With the floor on both sides, a picture's own statistics leave it as it is.
            gain = ((new_deviation.square() + floor) / (deviation.square() + floor)).sqrt()
            found[tap] = gain, new_mean - gain * mean, new_mean
        return found

    def _split(self, statistics: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Layer to means and deviations, each (N, C)."""
        deep = dict(zip((f"relu{stage}_1" for stage in self.stages), self.widths, strict=True))
        parts = statistics.split([deep[tap] for tap in STATISTICS for _ in range(2)], 1)
        return dict(zip(STATISTICS, zip(parts[::2], parts[1::2], strict=True), strict=True))


def _modulated(h: Tensor, change: Tensor) -> Tensor:
    change = change if change.ndim == 4 else change[:, :, None, None]
    gain, shift = change.to(h.dtype).chunk(2, 1)
    return torch.addcmul(h, h, gain).add_(shift)


@lru_cache(maxsize=1)
def _noise(device: torch.device) -> Tensor:
    return ROUGH * smoothed([SPREAD], period=PERIOD).to(device)


def roughened(
    image: Float[Tensor, "N 3 h w"], *, at: tuple[int, int] = (0, 0)
) -> Float[Tensor, "N 3 h w"]:
    """The picture as encoders are shown it when it is to be painted: with a little noise.

    Where a sky is flat, strokes need something to begin with, or a weave grows there. The noise is
    grey, and always the same.

    Args:
        image: sRGB in [0, 1].
        at: where it begins in the whole picture, down and across.
    """
    return image + laid(_noise(image.device), at=at, over=image)


def statistics(features: Features) -> Tensor:
    """Mean and deviation of every channel at the layers of `STATISTICS`, side by side: (N, S)."""
    found = []
    for tap in STATISTICS:
        variance, mean = torch.var_mean(features[tap].float(), (2, 3), correction=0)
        found += [mean, variance.sqrt()]
    return torch.cat(found, 1)


def initial_state(widths: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
    """Weights to start training a `Decoder` from, by He's normal initialisation.

    Args:
        widths: channels of relu1_1, relu2_1, … up to the layer to invert.
        generator: source of the weights.
    """
    state: dict[str, Tensor] = {}
    for stage, (width, after) in enumerate(zip(widths, [3, *widths], strict=False), 1):
        state |= _conv(f"conv{stage}_2", width, width, generator)
        state |= _conv(f"conv{stage}_1", width, after, generator)
    # The first pictures are grey rather than glaring.
    state["conv1_1.weight"] *= 0.1
    return state | {"conv1_1.bias": torch.full((3,), GREY)}


def initial_styled_state(widths: Sequence[int], generator: torch.Generator) -> dict[str, Tensor]:
    """Weights to start training a `StyledDecoder` from; at first it is told nothing.

    Args:
        widths: channels of relu1_1, relu2_1, relu3_1 and relu4_1.
        generator: source of the weights.
    """
    known, changed = 2 * sum(widths), 4 * sum(widths)
    read = torch.randn((HIDDEN, known), generator=generator) / known**0.5
    return {
        **initial_state(widths, generator),
        **_conv("skip3", widths[2], widths[2], generator),
        "told4.weight": torch.zeros(widths[3], widths[3], 1, 1),
        "told4.bias": torch.zeros(widths[3]),
        "told3.weight": torch.zeros(widths[2], widths[2], 1, 1),
        "told3.bias": torch.zeros(widths[2]),
        "missed": torch.ones(2),
        "scale": torch.ones(known),
        "read.weight": read,
        "read.bias": torch.zeros(HIDDEN),
        "modulate.weight": torch.zeros(changed, HIDDEN),
        "modulate.bias": torch.zeros(changed),
    }


def _conv(name: str, seen: int, given: int, generator: torch.Generator) -> dict[str, Tensor]:
    noise = torch.randn((given, seen, 3, 3), generator=generator)
    return {f"{name}.weight": (2 / (9 * seen)) ** 0.5 * noise, f"{name}.bias": torch.zeros(given)}


def decoders() -> dict[str, Decoder]:
    """The decoders of WCT that come with the package, frozen: one for each layer it works at.

    Raises:
        WeightsError: they are missing, damaged, or of another `petit`.
    """
    states: dict[str, dict[str, Tensor]] = {}
    for key, value in zoo.load_decoder("wct").items():
        tap, _, name = key.partition(".")
        states.setdefault(tap, {})[name] = value
    return {tap: Decoder(state).requires_grad_(False) for tap, state in states.items()}


def styled() -> StyledDecoder:
    """The decoder of AdaIN that comes with the package, frozen.

    Raises:
        WeightsError: it is missing, damaged, or of another `petit`.
    """
    return StyledDecoder(zoo.load_decoder("adain")).requires_grad_(False)

"""Networks of VGG's shape: 3×3 convolutions in stages, a ReLU after each, pooling between stages.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
arXiv 1409.1556. VGG-16, VGG-19, their small distilled relatives and our own `petit` are one class
here; they differ in their widths and their input map, which the weights tell, and their pooling.

Departures: padding reflects by default, because zeros draw a frame around the picture that is
optimised; the classifier behind the last convolution is left out.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.core.errors import WeightsError

Padding = Literal["reflect", "zeros"]
Pooling = Literal["max", "average", "both"]
POOLINGS: tuple[str, ...] = get_args(Pooling)

OPEN = 0.05
"""Activations from which a ReLU is fully open to a gentle gradient; usual ones are ten times so."""

_CONV = re.compile(r"conv(\d)_(\d)\.weight")


class VGG(nn.Module):
    """A stack of convolutions `conv1_1, conv1_2, …` read out after their ReLUs, `relu1_1, …`.

    Args:
        state: `convX_Y.weight` (O, I, 3, 3) and `convX_Y.bias` (O,) for each convolution;
            optionally `input.weight` (3, 3, 1, 1) and `input.bias` (3,), the affine map from RGB in
            [0, 1] to what the first convolution expects, and `metric.reluX_Y` (K, C), see
            `metric`.
        pooling: how a stage is halved. Gatys et al. found that averaging gives smoother pictures;
            a network is only exact with the pooling that it was trained with. "both" hands on the
            average and the maximum side by side, so the next convolution has twice the inputs.
        padding: what lies beyond the border: the mirrored picture, or zeros, with which VGG was
            trained and a judge is exact.

    Raises:
        WeightsError: the state holds no such convolutions, or their shapes do not fit together.
    """

    def __init__(
        self,
        state: Mapping[str, Tensor],
        *,
        pooling: Pooling = "max",
        padding: Padding = "reflect",
    ) -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        self.padding: Padding = padding
        names = sorted(m.group(0)[: -len(".weight")] for m in map(_CONV.fullmatch, state) if m)
        if not names:
            raise WeightsError("no convolution named convX_Y in the weights")
        self.layers = tuple(name.replace("conv", "relu") for name in names)
        identity = {"input.weight": torch.eye(3).view(3, 3, 1, 1), "input.bias": torch.zeros(3)}
        self.input = _conv(identity | dict(state), "input", kernel=(3, 1, 1))
        channels = 3
        for name in names:
            doubled = pooling == "both" and _begins_stage(name)
            conv = _conv(state, name, kernel=(channels * (1 + doubled), 3, 3))
            self.add_module(name, conv)
            channels = conv.out_channels
        self.metrics = {
            key.removeprefix("metric."): value.float()
            for key, value in state.items()
            if key.startswith("metric.")
        }
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, image: Tensor, taps: Iterable[str]) -> dict[str, Tensor]:
        """The activations at the named layers, no deeper than needed.

        Args:
            image: (N, 3, H, W), sRGB in [0, 1].
            taps: layer names from `layers`.

        Returns:
            Layer name to activations (N, C, H / 2^k, W / 2^k), k the number of poolings before it;
            a side is rounded down, but to no less than 1.
        """
        return dict(self.walk(image, taps))

    def down_to(self, taps: Iterable[str]) -> tuple[str, ...]:
        """All layers down to the deepest of some."""
        return self.layers[: max(map(self.layers.index, taps)) + 1]

    def walk(self, image: Tensor, taps: Iterable[str]) -> Iterator[tuple[str, Tensor]]:
        """What `forward` gives, layer by layer: one is given before the next is computed."""
        wanted = set(taps)
        # The input map stays in float32: the offset would take half of the bits of bfloat16.
        h = self._mapped(image).to(next(self.get_submodule("conv1_1").parameters()).dtype)
        for layer in self.layers:
            if not wanted:
                break
            conv = self.get_submodule(layer.replace("relu", "conv"))
            weight, bias = conv.get_parameter("weight"), conv.get_parameter("bias")
            # Where nothing will ask for a gradient, nothing is kept for it.
            frugal = h.requires_grad and not weight.requires_grad
            if _begins_stage(layer):
                h = self._halved(h, frozen=frugal)
            mode = self._beyond(h)
            if frugal:
                h = _Seen.apply(h, weight, bias, mode, layer in wanted)
            else:
                h = _seen(h, weight, bias, mode)
            if layer in wanted:
                wanted.remove(layer)
                yield layer, h

    @torch.no_grad()
    def back(
        self, seen: dict[str, Tensor], pulls: Mapping[str, Callable[[Tensor], Tensor]]
    ) -> Tensor:
        """A gentle gradient of the image: it changes little where the picture changes little.

        That of a maximum goes to its whole window, that through a ReLU by how far it is open. So it
        is no exact gradient, and no less useful to look at.

        Args:
            seen: the activations of all layers down to the deepest that pulls. Those that do not
                pull are taken out, one after the other: it is they that take the memory.
            pulls: the gradients of some of them, by their activations.

        Returns:
            (N, 3, H, W), in the type of the activations.
        """
        layers = self.down_to(pulls)
        gradient = torch.zeros_like(seen[layers[-1]])
        for before, layer in reversed([*zip((layers[0], *layers), layers, strict=False)]):
            out = seen[layer] if layer in pulls else seen.pop(layer)
            beyond = self._beyond(out)
            if layer in pulls:
                gradient = gradient.add_(pulls[layer](out))
            gradient = out.clamp(max=OPEN).mul_(gradient)
            del out  # So that what was taken out is free.
            weight = self.get_submodule(layer.replace("relu", "conv")).get_parameter("weight")
            weight = weight * (1 / OPEN)
            if _begins_stage(layer) and self.pooling == "both":
                weight = torch.stack(weight.chunk(2, 1)).sum(0)
            gradient = _turned(gradient, weight, beyond)
            if _begins_stage(layer):
                gradient = _spread(gradient, seen[before].shape[2:])
        weight = self.input.weight.flatten(1).to(gradient.dtype)
        return F.linear(gradient.permute(0, 2, 3, 1), weight.mT).permute(0, 3, 1, 2)

    def _beyond(self, h: Tensor) -> str:
        # Reflection needs two pixels along a side; where there is only one, it repeats.
        mirror = "reflect" if min(h.shape[2:]) > 1 else "replicate"
        return "constant" if self.padding == "zeros" else mirror

    def _mapped(self, image: Tensor) -> Tensor:
        # Not as the convolution that it is: with three channels that is far slower.
        weight, bias = self.input.weight.flatten(1), self.get_parameter("input.bias")
        scale = weight.diagonal()
        if torch.equal(weight, scale.diag()):
            return torch.addcmul(bias.view(3, 1, 1), image, scale.view(3, 1, 1))
        return F.linear(image.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)

    def _halved(self, h: Tensor, *, frozen: bool) -> Tensor:
        # A side of one (a thin picture, deep down) cannot be halved and stays.
        window = [min(2, side) for side in h.shape[2:]]
        match self.pooling:
            case "max":
                return F.max_pool2d(h, window)
            case "average":
                return F.avg_pool2d(h, window)
            case "both":
                return _Halved.apply(h, window) if frozen else _halved(h, window)

    def _apply(self, fn: Any, recurse: bool = True) -> "VGG":
        self.metrics = {tap: fn(metric) for tap, metric in self.metrics.items()}
        return super()._apply(fn, recurse)

    def half(self) -> "VGG":
        """This network with its convolutions in bfloat16, in place; the input map stays exact."""
        for layer in self.layers:
            self.get_submodule(layer.replace("relu", "conv")).bfloat16()
        return self

    def metric(self, tap: str) -> Tensor | None:
        """The matrix (K, C) in which to measure distances at this tap; None is the identity.

        A distilled network carries one per tap: it maps its C channels to the K leading principal
        components of its teacher's, so that ‖M f − M g‖ is the teacher's distance.
        """
        return self.metrics.get(tap)


def _seen(h: Tensor, weight: Tensor, bias: Tensor, mode: str) -> Tensor:
    """A convolution over the map and what lies beyond its border, and its ReLU."""
    return F.conv2d(F.pad(h, (1, 1, 1, 1), mode=mode), weight, bias).relu_()


class _Seen(torch.autograd.Function):
    """`_seen` of weights that stay as they are, for half of the memory.

    Autograd keeps what every convolution is given, for the gradient of its weights. That of the map
    needs only to know where what comes out is above 0. Where a layer is looked at it is kept
    anyway; elsewhere a byte tells.
    """

    @staticmethod
    def forward(
        ctx: Any, h: Tensor, weight: Tensor, bias: Tensor, mode: str, looked_at: bool
    ) -> Tensor:
        out = _seen(h, weight, bias, mode)
        ctx.save_for_backward(out if looked_at else out > 0, weight)
        ctx.mode = mode
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        (out, weight), (gradient,) = ctx.saved_tensors, gradients
        if out.dtype == torch.bool:
            # Ten times as quick as to choose, or to multiply by truth values.
            gradient = gradient * out.view(torch.uint8)
        else:
            gradient = torch.ops.aten.threshold_backward(gradient, out, 0)
        return _turned(gradient, weight, ctx.mode), None, None, None, None


def _turned(gradient: Tensor, weight: Tensor, mode: str) -> Tensor:
    """The way back through a convolution: one with the turned kernel.

    It is far quicker than what there is for it, in float32 more than twice.
    """
    g = F.conv2d(gradient, weight.flip(2, 3).transpose(0, 1), padding=2)
    if mode != "constant":
        # What lies beyond the border is a copy of the second line within, or of the first.
        inner = 2 if mode == "reflect" else 1
        for lines in (g, g.transpose(2, 3)):
            lines[:, :, inner] += lines[:, :, 0]
            lines[:, :, -1 - inner] += lines[:, :, -1]
    return g[:, :, 1:-1, 1:-1]


def _spread(gradient: Tensor, size: Sequence[int]) -> Tensor:
    """The way back through an average over windows, to a map of this height and width."""
    window = [min(2, side) for side in size]
    scale = tuple(map(float, window))
    spread = F.interpolate(gradient / math.prod(window), scale_factor=scale)
    # Where a side is odd, no window has the last line.
    missing = [side - of for side, of in zip(size, spread.shape[2:], strict=True)]
    return F.pad(spread, (0, missing[1], 0, missing[0])) if any(missing) else spread


def _halved(h: Tensor, window: list[int]) -> Tensor:
    """The average and the maximum of windows, side by side as channels."""
    return torch.cat([F.avg_pool2d(h, window), F.max_pool2d(h, window)], 1)


class _Halved(torch.autograd.Function):
    """`_halved` without what it is given, which autograd keeps only to know how large it was."""

    @staticmethod
    def forward(ctx: Any, h: Tensor, window: list[int]) -> Tensor:
        ctx.window, ctx.size = window, h.shape
        top, at = F.max_pool2d(h, window, return_indices=True)
        ctx.save_for_backward(at.int())
        return torch.cat([F.avg_pool2d(h, window), top], 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (average, top), window = gradients[0].chunk(2, 1), ctx.window
        area, scale = math.prod(window), tuple(map(float, window))
        # Its size and layout are asked for; what it holds is not.
        h = torch.empty(
            ctx.size, dtype=top.dtype, device=top.device, memory_format=torch.channels_last
        )
        g = torch.ops.aten.max_pool2d_with_indices_backward(
            top, h, window, window, [0, 0], [1, 1], False, ctx.saved_tensors[0].long()
        )
        spread = F.interpolate(average / area, scale_factor=scale)
        # Where a side is odd, no window has the last line.
        g[:, :, : spread.shape[2], : spread.shape[3]] += spread
        return g, None


def _begins_stage(name: str) -> bool:
    return name.endswith("_1") and not name.endswith("1_1")


def _conv(state: Mapping[str, Tensor], name: str, *, kernel: tuple[int, int, int]) -> nn.Conv2d:
    weight, bias = state[f"{name}.weight"], state.get(f"{name}.bias", torch.zeros(()))
    shape = tuple(weight.shape)
    if shape[1:] != kernel or (name == "input" and shape[0] != 3):
        raise WeightsError(f"{name}.weight must be (O, {', '.join(map(str, kernel))}); got {shape}")
    if tuple(bias.shape) != shape[:1]:
        raise WeightsError(f"{name}.bias must be ({shape[0]},); got {tuple(bias.shape) or 'none'}")
    # Without first values, which would be drawn from the global generator.
    conv = cast("nn.Conv2d", nn.utils.skip_init(nn.Conv2d, kernel[0], shape[0], kernel[1:]))
    conv.load_state_dict({"weight": weight.float(), "bias": bias.float()})
    return conv


def bfloat16_is_fast(device: torch.device) -> bool:
    """Whether this device multiplies bfloat16 itself; where it only emulates, float32 is faster."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()

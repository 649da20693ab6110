"""Networks of VGG's shape: 3×3 convolutions in stages, a ReLU after each, pooling between stages.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
arXiv 1409.1556. VGG-16, VGG-19, their small distilled relatives and our own `petit` are one class
here; they differ in their widths, their input map and their pooling, and the weights tell all three.

Departures: padding reflects by default, because zeros draw a frame around the picture that is
optimised; the classifier behind the last convolution is left out.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.core.errors import WeightsError

Padding = Literal["reflect", "zeros"]
Pooling = Literal["max", "average"]
POOLINGS: tuple[str, ...] = get_args(Pooling)

_CONV = re.compile(r"conv(\d)_(\d)\.weight")


class VGG(nn.Module):
    """A stack of convolutions `conv1_1, conv1_2, …` read out after their ReLUs, `relu1_1, …`.

    Args:
        state: `convX_Y.weight` (O, I, 3, 3) and `convX_Y.bias` (O,) for each convolution;
            optionally `input.weight` (3, 3, 1, 1) and `input.bias` (3,), the affine map from RGB in
            [0, 1] to what the first convolution expects, and `metric.reluX_Y` (C, C), see
            `metric`.
        pooling: how a stage is halved. Gatys et al. found that averaging gives smoother pictures;
            a network is only exact with the pooling that it was trained with.
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
        self.input = nn.Conv2d(3, 3, 1)
        eye = torch.eye(3).view(3, 3, 1, 1)
        self.input.load_state_dict(
            {
                "weight": state.get("input.weight", eye),
                "bias": state.get("input.bias", torch.zeros(3)),
            }
        )
        channels = 3
        for name in names:
            weight = state[f"{name}.weight"]
            if weight.ndim != 4 or weight.shape[1:] != (channels, 3, 3):
                raise WeightsError(
                    f"{name}.weight must be (O, {channels}, 3, 3); got {tuple(weight.shape)}"
                )
            conv = nn.Conv2d(channels, weight.shape[0], 3)
            conv.load_state_dict({"weight": weight.float(), "bias": state[f"{name}.bias"].float()})
            self.add_module(name, conv)
            channels = weight.shape[0]
        self.metrics = {
            key.removeprefix("metric."): value.float()
            for key, value in state.items()
            if key.startswith("metric.")
        }
        self.to(memory_format=torch.channels_last)

    def forward(self, image: Tensor, taps: Iterable[str]) -> dict[str, Tensor]:
        """The activations at the named layers, no deeper than needed.

        Args:
            image: (N, 3, H, W), sRGB in [0, 1], each side at least 16.
            taps: layer names from `layers`.

        Returns:
            Layer name to activations (N, C, H / 2^k, W / 2^k), k the number of poolings before it.
        """
        wanted = set(taps)
        found: dict[str, Tensor] = {}
        # The input map stays in float32: half of the eight bits of bfloat16 would go into the offset.
        h: Tensor = self.input(image).to(self.conv1_1.weight.dtype)
        for layer in self.layers:
            if len(found) == len(wanted):
                break
            if layer.endswith("_1") and layer != "relu1_1":
                h = F.max_pool2d(h, 2) if self.pooling == "max" else F.avg_pool2d(h, 2)
            # Reflection needs two pixels along a side; a side of one (a tiny picture, deep down) repeats.
            mirror = "reflect" if min(h.shape[2:]) > 1 else "replicate"
            mode = "constant" if self.padding == "zeros" else mirror
            conv = self.get_submodule(layer.replace("relu", "conv"))
            h = F.relu(conv(F.pad(h, (1, 1, 1, 1), mode=mode)))
            if layer in wanted:
                found[layer] = h
        return found

    def half(self) -> "VGG":
        """This network with its convolutions in bfloat16, in place; the input map stays exact."""
        for layer in self.layers:
            self.get_submodule(layer.replace("relu", "conv")).bfloat16()
        return self

    def metric(self, tap: str) -> Tensor | None:
        """The matrix (C, C) in which distances at this tap are to be measured; None is the identity.

        A distilled network carries one per tap: it maps its channels to the leading principal
        components of its teacher's, so that ‖M f − M g‖ is the teacher's distance.
        """
        return self.metrics.get(tap)

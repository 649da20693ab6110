"""`petit`: the small feature network that comes with the package, distilled from VGG-19 by us.

Nine 3×3 convolutions, 0.43 M parameters, 16 k multiply-adds per input pixel: fifteen times less
than VGG-19 up to relu4_1. It is a `VGG` that hands both the average and the maximum from stage to
stage, and carries a `metric` for each tap.
How it was trained: `impasto.training.distill`.
"""

import torch
from torch import Tensor

WIDTHS = {
    "conv1_1": 16, "conv1_2": 16,
    "conv2_1": 32, "conv2_2": 32,
    "conv3_1": 64, "conv3_2": 64,
    "conv4_1": 128, "conv4_2": 64,
    "conv5_1": 96,
}  # fmt: skip
TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")


POOLING = "both"
"""VGG-19 takes maxima, which averages of few channels cannot imitate; averages soften them."""


def inputs() -> dict[str, int]:
    """The channels that each convolution sees: two of each where a stage begins."""
    before = [3, *WIDTHS.values()]
    return {
        name: channels * (1 + (name[5:] == "_1" and name[4] != "1"))
        for name, channels in zip(WIDTHS, before, strict=False)
    }


def initial_state(generator: torch.Generator) -> dict[str, Tensor]:
    """Weights to start training from: He's normal initialisation, input centred and scaled."""
    identity = torch.eye(3).view(3, 3, 1, 1)
    state = {"input.weight": 4 * identity, "input.bias": torch.full((3,), -2.0)}
    for name, channels in inputs().items():
        noise = torch.randn((WIDTHS[name], channels, 3, 3), generator=generator)
        state[f"{name}.weight"] = (2 / (9 * channels)) ** 0.5 * noise
        state[f"{name}.bias"] = torch.zeros(WIDTHS[name])
    return state


def multiply_adds() -> float:
    """Multiply-adds of the convolutions per pixel of the input picture."""
    seen = inputs()
    return sum(9 * seen[k] * width / 4 ** (int(k[4]) - 1) for k, width in WIDTHS.items())

"""`petit`: the small feature network that comes with the package, distilled from VGG-19 by us.

Ten 3×3 convolutions, 0.59 M parameters, 16 k multiply-adds per input pixel: fifteen times less than
VGG-19 up to relu4_1. It is a `VGG` with average pooling that carries a `metric` for each tap.
How it was trained: `impasto.training.distill`.
"""

import torch
from torch import Tensor

WIDTHS = {
    "conv1_1": 16, "conv1_2": 16,
    "conv2_1": 32, "conv2_2": 32,
    "conv3_1": 64, "conv3_2": 64,
    "conv4_1": 128, "conv4_2": 128, "conv4_3": 128,
    "conv5_1": 128,
}  # fmt: skip
TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2", "relu5_1")


def initial_state(generator: torch.Generator) -> dict[str, Tensor]:
    """Weights to start training from: He's normal initialisation, input centred and scaled."""
    identity = torch.eye(3).view(3, 3, 1, 1)
    state = {"input.weight": 4 * identity, "input.bias": torch.full((3,), -2.0)}
    channels = 3
    for name, width in WIDTHS.items():
        noise = torch.randn((width, channels, 3, 3), generator=generator)
        state[f"{name}.weight"] = (2 / (9 * channels)) ** 0.5 * noise
        state[f"{name}.bias"] = torch.zeros(width)
        channels = width
    return state


def multiply_adds() -> float:
    """Multiply-adds of the convolutions per pixel of the input picture."""
    total, channels = 0.0, 3
    for name, width in WIDTHS.items():
        total += 9 * channels * width / 4 ** (int(name[4]) - 1)
        channels = width
    return total

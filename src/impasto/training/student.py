"""The student: `petit` with the heads it has only while it learns, and how it is marked."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.nets import petit
from impasto.nets.vgg import VGG, bfloat16_is_fast
from impasto.ops.stats import gram
from impasto.training.teachers import STRIDE, Answers, Teachers


def components() -> dict[str, int]:
    """How many principal components of the teachers are learnt at each tap.

    More than the student has channels: the first that no channel is left for are still guessed.
    """
    return {tap: petit.WIDTHS[tap.replace("relu", "conv")] * 3 // 2 for tap in petit.TAPS}


class Student(nn.Module):
    """`petit` with the heads it has only while it learns.

    Args:
        teachers: tell how many channels and components there are at each tap.
        generator: for the first weights.
    """

    def __init__(self, teachers: Teachers, generator: torch.Generator) -> None:
        super().__init__()
        self.trunk = VGG(petit.initial_state(generator), pooling=petit.POOLING)
        self.trunk.input.requires_grad_(requires_grad=False)
        self.metric = nn.ModuleDict()
        self.channels = nn.ModuleDict()
        for tap, count in teachers.components.items():
            width = petit.WIDTHS[tap.replace("relu", "conv")]
            metric = nn.Conv2d(width, count, 1, bias=False)
            nn.init.orthogonal_(metric.weight, gain=0.1, generator=generator)
            head = nn.Conv2d(width, teachers.channels(tap), 1)
            nn.init.normal_(head.weight, std=width**-0.5, generator=generator)
            nn.init.constant_(head.get_parameter("bias"), 0.2)
            self.metric[tap], self.channels[tap] = metric, head

    def forward(self, x: Tensor) -> Answers:
        """Components and channels at every tap, as `Teachers.answers` gives them."""
        said = {}
        for tap, f in self.trunk(x, petit.TAPS).items():
            s = STRIDE.get(tap, 1)
            said[tap] = (self.metric[tap](f), F.relu(self.channels[tap](f[:, :, ::s, ::s])))
        return said

    def shipped(self) -> dict[str, Tensor]:
        """The weights of the trunk and the metrics, without the heads, as `VGG` takes them."""
        state = {name: value.detach() for name, value in self.trunk.state_dict().items()}
        for tap in self.metric:
            state[f"metric.{tap}"] = self.metric.get_parameter(f"{tap}.weight").detach()[:, :, 0, 0]
        return state

    def eyes(self) -> VGG:
        """The network that would be shipped now, frozen, in bfloat16 where that is fast."""
        device = self.trunk.input.weight.device
        eyes = VGG(self.shipped(), pooling=petit.POOLING)
        eyes = eyes.to(device).requires_grad_(requires_grad=False)
        return eyes.half() if bfloat16_is_fast(device) else eyes


def errors(said: Answers, true: Answers) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """For each tap what is descended: errors of components, channels and Gram matrices."""
    found = {}
    for tap, (components, channels) in said.items():
        target, wanted = true[tap][0].float(), true[tap][1].float()
        # Each crop counts by its own energy, half way between equal crops and equal pixels.
        energy = target.square().sum(1).mean((1, 2)).clamp_min(1e-2)
        difference = (components.float() - target).square().sum(1).mean((1, 2))
        goal = gram(target)
        far = (gram(components.float()) - goal).square().sum((1, 2))
        found[tap] = (
            (difference / energy.sqrt()).mean(),
            F.mse_loss(channels.float(), wanted),
            (far / (goal.square().sum((1, 2)) + 1e-3)).mean(),
        )
    return found


def judged(said: Answers, true: Answers) -> dict[str, dict[str, float]]:
    """For each tap what is reported: squared errors over what there was to explain, 0 is perfect.

    Components over their energy, channels over their variance, Gram matrices over their squares.
    """
    found = {}
    for tap, (components, channels) in said.items():
        target, wanted = true[tap][0].float(), true[tap][1].float()
        goal, variance = gram(target), wanted - wanted.mean((0, 2, 3), keepdim=True)
        parts = {
            "components": (components - target, target),
            "channels": (channels - wanted, variance),
            "gram": (gram(components) - goal, goal),
        }
        found[tap] = {
            name: float(difference.square().sum() / unit.square().sum().clamp_min(1e-12))
            for name, (difference, unit) in parts.items()
        }
    return found

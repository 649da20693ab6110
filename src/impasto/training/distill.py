"""Distil `petit` from VGG-19: a student 500 times cheaper that ranks pictures as its teachers do.

After Hinton et al., "Distilling the Knowledge in a Neural Network", arXiv 1503.02531, and Wang et
al., "Collaborative Distillation for Ultra-Resolution Universal Style Transfer", CVPR 2020. Ours:

1. What a style loss sees of a teacher's layer is its Gram matrix, and the leading principal
   components of the layer hold nearly all of that. So at each tap the student's C channels are
   mapped linearly to the C leading components, and that map (the tap's `metric`) is shipped: with
   it, distances between Gram matrices of the student are distances in the teacher's own space.
2. Beside it, a 1×1 head with a ReLU predicts every standardised channel of the teacher. It is
   dropped afterwards; it keeps the student's eye on faint channels, which carry the fine grain.
3. Gram matrices are matched as well as features.
4. An optimiser finds pictures that only the student likes. So the student's own descents, half
   finished, are shown to the teachers and trained on, over and over (`_Pool.visit`).
5. Teachers are slow, so their answers are kept in a pool that is renewed a little at a time.
6. The weights that are shipped are an exponential average over the last steps.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.nets import petit
from impasto.nets.vgg import VGG
from impasto.training.data import Crops

STRIDE = {"relu1_1": 4, "relu2_1": 4, "relu3_1": 2}
"""The ReLU heads look at some positions of the large layers: enough, and much cheaper."""


STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
VISITS = (8, 25, 60)
"""After so many steps of a descent its pictures are shown to the teachers."""


class Distill(BaseModel):
    """Options of the recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(16000, ge=1, description="training steps in all")
    batch: int = Field(16, ge=1, description="crops a step")
    size: int = Field(96, ge=32, multiple_of=16, description="side of a crop in pixels")
    rate: float = Field(2e-3, gt=0, description="peak learning rate of AdamW")
    pool: int = Field(3072, ge=64, description="crops whose answers are kept; 1.4 MB each at 96 px")
    renew: int = Field(160, ge=16, description="crops renewed every hundred steps")
    channels_weight: float = Field(0.3, ge=0, description="weight of the heads' channel loss")
    gram_weight: float = Field(0.3, ge=0, description="weight of the Gram loss")
    averaging: float = Field(0.998, ge=0, lt=1, description="decay of the average over weights")
    seed: int = Field(0, description="seed of crops and first weights")


class Teachers:
    """The networks to learn from, and the coordinates in which their answers are given.

    Args:
        networks: tried in order; each tap is asked of the first that has it.
        crops: pictures (N, 3, H, W) on which principal components and deviations are measured.
    """

    def __init__(self, networks: list[VGG], crops: Tensor) -> None:
        self.asked: list[tuple[VGG, list[str]]] = []
        left = list(petit.TAPS)
        for network in networks:
            taps = [tap for tap in left if tap in network.layers]
            left = [tap for tap in left if tap not in taps]
            self.asked.append((network, taps))
        self.basis: dict[str, Tensor] = {}
        self.deviation: dict[str, Tensor] = {}
        moments: dict[str, list[Tensor]] = {}
        for chunk in crops.split(16):
            for tap, feature in self.features(chunk).items():
                flat = feature.float().flatten(2).double()
                moments.setdefault(tap, []).append(
                    torch.cat([flat @ flat.mT / flat.shape[2], flat.mean(2, keepdim=True)], 2)
                )
        for tap, found in moments.items():
            mean = torch.cat(found).mean(0)
            gram, average = mean[:, :-1], mean[:, -1]
            width = petit.WIDTHS[tap.replace("relu", "conv")]
            vectors = torch.linalg.eigh(gram).eigenvectors.flip(1)[:, :width]
            self.basis[tap] = (vectors / gram.trace().sqrt()).float()
            variance = (gram.diagonal() - average**2).clamp_min(0)
            self.deviation[tap] = (variance + 1e-3 * variance.mean()).sqrt().float()

    @torch.no_grad()
    def features(self, x: Tensor) -> dict[str, Tensor]:
        """Raw activations at every tap, in bfloat16 where the processor has it."""
        found: dict[str, Tensor] = {}
        for network, taps in self.asked:
            if taps:
                found |= network(x.to(network.input.weight.device), taps)
        return found

    def answers(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """For each tap, what the student is to say: components and standardised channels (fp16)."""
        said = {}
        for tap, f in self.features(x).items():
            f = f.float()
            components = torch.einsum("nchw,ck->nkhw", f, self.basis[tap])
            s = STRIDE.get(tap, 1)
            channels = f[:, :, ::s, ::s] / self.deviation[tap][:, None, None]
            said[tap] = (components.half(), channels.half())
        return said


class Student(nn.Module):
    """`petit` with the heads it has only while it learns."""

    def __init__(self, teachers: Teachers, generator: torch.Generator) -> None:
        super().__init__()
        self.trunk = VGG(petit.initial_state(generator), pooling="average")
        self.trunk.input.requires_grad_(requires_grad=False)
        self.metric = nn.ModuleDict()
        self.channels = nn.ModuleDict()
        for tap in petit.TAPS:
            count, width = teachers.basis[tap].shape
            metric = nn.Conv2d(width, width, 1, bias=False)
            nn.init.orthogonal_(metric.weight, gain=0.1, generator=generator)
            head = nn.Conv2d(width, count, 1)
            nn.init.normal_(head.weight, std=width**-0.5, generator=generator)
            nn.init.constant_(head.bias, 0.2)
            self.metric[tap], self.channels[tap] = metric, head

    def forward(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        said = {}
        for tap, f in self.trunk(x, petit.TAPS).items():
            s = STRIDE.get(tap, 1)
            said[tap] = (self.metric[tap](f), F.relu(self.channels[tap](f[:, :, ::s, ::s])))
        return said

    def state(self) -> dict[str, Tensor]:
        """What is shipped: the trunk and the metrics, without the heads."""
        state = {k: v.detach() for k, v in self.trunk.state_dict().items()}
        for tap in petit.TAPS:
            state[f"metric.{tap}"] = self.metric[tap].weight.detach()[:, :, 0, 0]
        return state


def gram(f: Tensor) -> Tensor:
    """(N, C, H, W) to the Gram matrices (N, C, C) over positions, in float32."""
    flat = f.float().flatten(2)
    return flat @ flat.mT / flat.shape[2]


def errors(
    said: dict[str, tuple[Tensor, Tensor]], true: dict[str, tuple[Tensor, Tensor]]
) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """For each tap the relative errors of components, channels and Gram matrices."""
    found = {}
    for tap, (components, channels) in said.items():
        target, wanted = true[tap][0].float(), true[tap][1].float()
        # Each crop counts by its own energy, half way between equal crops and equal pixels.
        energy = target.square().sum(1).mean((1, 2)).clamp_min(1e-2)
        difference = (components.float() - target).square().sum(1).mean((1, 2))
        error = (difference / energy.sqrt()).mean()
        channel_error = F.mse_loss(channels.float(), wanted)
        wanted_gram = gram(target)
        gram_error = (gram(components) - wanted_gram).square().sum((1, 2))
        gram_error = (gram_error / (wanted_gram.square().sum((1, 2)) + 1e-3)).mean()
        found[tap] = (error, channel_error, gram_error)
    return found


@dataclass
class Pool:
    """Crops with the teachers' answers to them, renewed a little at a time."""

    teachers: Teachers
    photos: Crops
    paintings: Crops
    images: Tensor
    answers: dict[str, tuple[Tensor, Tensor]]
    at: int = 0

    @classmethod
    def empty(cls, teachers: Teachers, photos: Crops, paintings: Crops, count: int) -> "Pool":
        probe = teachers.answers(photos.plain(1))
        answers = {
            tap: tuple(torch.zeros((count, *_last(a).shape[1:]), dtype=a.dtype) for a in both)
            for tap, both in probe.items()
        }
        images = torch.zeros((count, 3, photos.size, photos.size), dtype=torch.float16)
        return cls(teachers, photos, paintings, images, answers)  # type: ignore[arg-type]

    def renew(self, x: Tensor) -> None:
        for chunk in x.split(16):
            at = (self.at + torch.arange(len(chunk))) % len(self.images)
            self.images[at] = chunk.half()
            for tap, both in self.teachers.answers(chunk).items():
                for kept, new in zip(self.answers[tap], both, strict=True):
                    kept[at] = _last(new).cpu()
            self.at += len(chunk)

    def fresh(self, count: int) -> Tensor:
        count_paintings = round(0.4 * count)
        return torch.cat(
            [self.photos.varied(count - count_paintings), self.paintings.varied(count_paintings)]
        )

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, dict]:
        filled = min(self.at, len(self.images))
        at = torch.randint(filled, (count,), generator=generator)
        return self.images[at].float(), {
            tap: tuple(a[at].permute(0, 3, 1, 2) for a in both) for tap, both in self.answers.items()
        }


def _last(x: Tensor) -> Tensor:
    """Channels last, the order in which convolutions leave them: mixing orders costs a third."""
    return x.permute(0, 2, 3, 1)


def visit(student: Student, pool: Pool, *, count: int, generator: torch.Generator) -> Tensor:
    """Pictures that a descent with the present student passes through, some early, some late.

    Returns:
        (3 · count, 3, size, size) in [0, 1]: after a few, some and many steps of Adam.
    """
    eyes = VGG(student.state(), pooling="average").half().requires_grad_(requires_grad=False)
    content, style = pool.photos.plain(count), pool.paintings.plain(count)

    def seen_by_metric(features: dict[str, Tensor], tap: str) -> Tensor:
        return torch.einsum("nchw,kc->nkhw", features[tap].float(), eyes.metrics[tap])

    def grams(x: dict[str, Tensor], tap: str) -> Tensor:
        return eyes.metrics[tap] @ gram(x[tap]) @ eyes.metrics[tap].mT

    goals = {tap: grams(f, tap) for f in [eyes(style, petit.TAPS)] for tap in STYLE_LAYERS}
    kept = seen_by_metric(eyes(content, ["relu4_1"]), "relu4_1")
    weight = 10 ** (torch.rand(count, generator=generator) * 3 - 2.5)
    kind = torch.rand((count, 1, 1, 1), generator=generator)
    noise = torch.rand(content.shape, generator=generator)
    x = torch.where(kind < 0.6, content, torch.where(kind < 0.8, noise, style.roll(1, 0)))
    x = x.clone().requires_grad_()
    rate = 0.01 * 6 ** float(torch.rand((), generator=generator))
    adam = torch.optim.Adam([x], lr=rate, betas=(0.9, 0.99))
    visited = []
    for step in range(1, VISITS[-1] + 1):
        features = eyes(x, petit.TAPS)
        loss = torch.zeros(count)
        for tap, goal in goals.items():
            far = (grams(features, tap) - goal).square().sum((1, 2))
            loss = loss + far / goal.square().sum((1, 2))
        far = (seen_by_metric(features, "relu4_1") - kept).square().sum((1, 2, 3))
        loss = loss + weight * far / kept.square().sum((1, 2, 3))
        (x.grad,) = torch.autograd.grad(loss.sum(), x)
        adam.step()
        with torch.no_grad():
            x.clamp_(0, 1)
        if step in VISITS:
            visited.append(x.detach().clone())
    return torch.cat(visited)


def learning_rate(step: int, options: Distill) -> float:
    """Linear warm-up over 200 steps, then a cosine down to nothing."""
    warm = min(1.0, (step + 1) / 200)
    return options.rate * warm * 0.5 * (1 + math.cos(math.pi * step / options.steps))

"""What is trained for each of the methods that decode, and the options of it."""

from typing import Literal, Protocol

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from impasto.core.options import Options
from impasto.nets.vgg import VGG, bfloat16_is_fast
from impasto.training.data import Pairs


class Decode(Options):
    """Options of the recipe."""

    method: Literal["wct", "adain"] = Field("adain", description="the method to train for")
    steps: int = Field(8000, ge=1, description="training steps in all")
    batch: int = Field(6, ge=2, description="crops, or pairs of crops, a step")
    size: int = Field(160, ge=32, multiple_of=16, description="side of a crop in pixels")
    rate: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    paintings_share: float = Field(0.7, ge=0, le=1, description="share of paintings among styles")
    content_weight: float = Field(
        0.15, ge=0, description="weight of the content loss of adain and of wct together"
    )
    grain_weight: float = Field(0.1, ge=0, description="adain: weight of the grain loss")
    same_share: float = Field(
        0.25, ge=0, le=1, description="adain: share of pairs that are one picture twice"
    )
    pixel_weight: float = Field(
        20.0, ge=0, description="adain: weight of the squared error of pixels in such pairs"
    )
    levels: tuple[int, ...] = Field(
        (5, 4, 3, 5, 4, 2, 5, 4, 3, 1),
        min_length=1,
        description="wct: the levels to train, one a step, over and over: deep ones have more to "
        "learn",
    )
    gram_weight: float = Field(0.3, ge=0, description="wct: weight of the Gram loss")
    together: bool = Field(
        False,
        description="wct: train the levels of the method at once, by the picture that comes out",
    )
    outside_weight: float = Field(10.0, ge=0, description="weight of values beyond black and white")
    averaging: float = Field(0.998, ge=0, lt=1, description="decay of the average over weights")
    save_every: int = Field(1000, ge=1, description="steps between two checkpoints with samples")
    samples: int = Field(4, ge=0, description="held-out pictures across a sheet of samples")
    seed: int = Field(0, ge=0, description="seed of crops and first weights")

    @model_validator(mode="after")
    def _known(self) -> "Decode":
        if not set(self.levels) <= {1, 2, 3, 4, 5}:
            got = ", ".join(map(str, self.levels))
            raise ValueError(f"levels must be whole numbers from 1 to 5; got {got}")
        return self


class Mirror(Protocol):
    """What is trained for one of the methods."""

    @property
    def network(self) -> nn.Module:
        """The decoder or decoders."""
        ...

    def start(self, pairs: Pairs, *, fresh: bool) -> None:
        """Prepare the first step; the weights are fresh, or those of an earlier training."""
        ...

    def losses(self, step: int, pairs: Pairs) -> dict[str, Tensor]:
        """Weighted scalars whose sum is descended."""
        ...

    def stylized(self, content: Tensor, style: Tensor) -> Tensor:
        """Contents (N, 3, H, W) in styles, at full strength."""
        ...

    def returned(self, content: Tensor) -> dict[str, float]:
        """PSNR in dB of pictures that are encoded and decoded, by the layer that is inverted."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All but the weights that the next step depends on."""
        ...

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave."""
        ...


def widths(eyes: VGG, levels: int) -> list[int]:
    """Channels of relu1_1, relu2_1, … down to so many levels."""
    return [eyes.get_parameter(f"conv{k}_1.bias").shape[0] for k in range(1, levels + 1)]


def autocast(eyes: VGG) -> torch.autocast:
    """Inside, convolutions are in bfloat16 where that is fast."""
    device = eyes.input.weight.device
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16_is_fast(device))

"""Train the network that doubles pictures.

After Johnson, Alahi and Fei-Fei, ECCV 2016, section 4.3: crops are made half as large, and what is
made of them shall look like the crops, to a feature network and in its pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from impasto.core.options import Options
from impasto.core.progress import Report, silent
from impasto.media import image as media
from impasto.nets import zoo
from impasto.nets.upscaler import Upscaler
from impasto.nets.vgg import VGG, bfloat16_is_fast
from impasto.training.data import Pairs, listed, pictures, split
from impasto.training.distances import far, psnr, seen
from impasto.training.loop import Course, publish, train
from impasto.training.sheet import grown

FILE = "upscaler.safetensors"
LAYERS = ("relu1_1", "relu2_1", "relu3_1")
"""Where pictures are compared: fine detail, and no deeper."""
EXAM, SHOWN = 16, 4
"""Held-out crops of each kind that are enlarged, and every how many of them is shown."""


class Enlarge(Options):
    """Options of the recipe."""

    steps: int = Field(4000, ge=1, description="training steps in all")
    batch: int = Field(8, ge=1, description="crops a step")
    size: int = Field(96, ge=32, multiple_of=2, description="side of a large crop in pixels")
    rate: float = Field(1e-3, gt=0, description="peak learning rate of AdamW")
    pixel_weight: float = Field(10.0, ge=0, description="weight of absolute errors of pixels")
    averaging: float = Field(0.998, ge=0, lt=1, description="decay of the average over weights")
    save_every: int = Field(1000, ge=1, description="steps between two checkpoints")
    seed: int = Field(0, ge=0, description="seed of crops and first weights")


class Enlarging:
    """The recipe; see `impasto.training.loop.Recipe`.

    Args:
        options: of the recipe.
        eyes: the network that the losses look with, frozen.
        photos, paintings: pictures to learn from, and those that are held out.
        folder: where results are written.
        provenance: is written into the results.
    """

    def __init__(
        self,
        options: Enlarge,
        *,
        eyes: VGG,
        photos: tuple[list[Path], list[Path]],
        paintings: tuple[list[Path], list[Path]],
        folder: Path,
        provenance: dict[str, Any],
    ) -> None:
        self.options, self.eyes, self.folder, self.provenance = options, eyes, folder, provenance
        self.size = (options.size, options.size)
        self.generator = torch.Generator().manual_seed(options.seed)
        self.pairs = self._pairs(photos[0], paintings[0], self.generator)
        self.held = photos[1], paintings[1]
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(options.seed)
            self.network = Upscaler().to(eyes.input.weight.device)

    def _pairs(
        self, photos: Sequence[Path], paintings: Sequence[Path], generator: torch.Generator
    ) -> Pairs:
        return Pairs(
            photos,
            paintings,
            size=self.options.size,
            paintings_share=0.5,
            generator=generator,
            device=self.eyes.input.weight.device,
        )

    def start(self) -> None:
        """All is ready."""

    def losses(self, step: int) -> dict[str, Tensor]:
        """What a feature network sees, and the pixels."""
        large = self.pairs.styles(self.options.batch)
        device = large.device
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16_is_fast(device)):
            made = self.network(halved(large))
        found = self.eyes(made, LAYERS)
        with torch.no_grad():
            wanted = self.eyes(large, LAYERS)
        each = [
            far(seen(self.eyes, tap, found[tap]), seen(self.eyes, tap, wanted[tap])).mean()
            for tap in LAYERS
        ]
        return {
            "features": torch.stack(each).mean(),
            "pixels": self.options.pixel_weight * (made - large).abs().mean(),
        }

    @torch.no_grad()
    def show(self, step: int) -> None:
        """Write the weights, `report.json` and a sheet of samples.

        The report holds the PSNR of held-out crops, and of bicubic ones. In a column of the sheet a
        crop is above, then what the network made, then what is bicubic.
        """
        pairs = self._pairs(*self.held, torch.Generator().manual_seed(5))
        large = pairs.laid(torch.cat([c.plain(EXAM) for c in (pairs.photos, pairs.paintings)]))
        small = halved(large)
        bicubic = F.interpolate(small, self.size, mode="bicubic", align_corners=False)
        made = self.network(small)
        judged = {
            "psnr": float(psnr(made, large).mean()),
            "bicubic psnr": float(psnr(bicubic, large).mean()),
        }
        said = self.provenance | {"steps": step, "held_out": judged}
        rows = [torch.cat(list(x[::SHOWN].clamp(0, 1)), 2) for x in (large, made, bicubic)]
        publish(self.folder, {FILE: self.network}, said, sheet=torch.cat(rows, 1)[None])
        samples = self.folder / "samples"
        media.write(grown(samples, side=self.options.size), self.folder / "samples.png")

    def state(self) -> dict[str, Tensor]:
        """Nothing but the weights."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """There is nothing to take up."""


def halved(x: Tensor) -> Tensor:
    """Pictures of half the height and width, antialiased."""
    size = (x.shape[2] // 2, x.shape[3] // 2)
    return F.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def learn(
    options: Enlarge,
    *,
    network: str = "petit",
    photos: Sequence[Path],
    paintings: Sequence[Path] = (),
    folder: Path,
    device: torch.device,
    report: Report = silent,
) -> Path:
    """Train from the beginning, or from where a run was broken off.

    Args:
        options: of the recipe.
        network: name or file of the network that the losses look with.
        photos: folders of pictures to learn from.
        paintings: folders of paintings to learn from as well; none means the photos.
        folder: where to write; it is made.
        device: where to compute.
        report: is told of every step.

    Returns:
        The file with the weights.

    Raises:
        ImpastoError: as `train`, or the network or pictures cannot be had.
    """
    found = pictures(photos)
    painted = pictures(paintings) if paintings else found
    eyes = zoo.load(network).to(device)
    origin = {"eyes": zoo.fingerprint(network), "pictures": listed(found + painted)}
    recipe = Enlarging(
        options,
        eyes=eyes.half() if bfloat16_is_fast(device) else eyes,
        photos=split(found),
        paintings=split(painted),
        folder=folder,
        provenance=origin | {"options": options.model_dump()},
    )
    course = Course(
        options.steps, options.rate, averaging=options.averaging, save_every=options.save_every
    )
    train(recipe, course, folder=folder, identity=options.model_dump() | origin, report=report)
    return folder / FILE

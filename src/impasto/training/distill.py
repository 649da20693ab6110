"""Distil `petit` from VGG-19: a student that costs a fifteenth and ranks pictures as it does.

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
   finished, are shown to the teachers and trained on, over and over (`visits.visit`).
5. Teachers are slow, so their answers are kept in a pool that is renewed a little at a time.
6. The weights that are shipped are an exponential average over the last steps.
"""

import json
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from pydantic import Field
from safetensors.torch import save
from torch import Tensor

from impasto.core.options import Options
from impasto.core.progress import Report, silent
from impasto.media import image as media
from impasto.media.place import write_bytes
from impasto.nets import petit, zoo
from impasto.nets.vgg import VGG, bfloat16_is_fast
from impasto.training.data import Crops, listed, pictures, split
from impasto.training.loop import Course, train
from impasto.training.sheet import sheet, squares
from impasto.training.student import Student, components, errors, judged
from impasto.training.teachers import Answers, Pool, Teachers
from impasto.training.visits import stylized, visit

MEASURED, FIRST = 320, 512
"""Crops on which the teachers' coordinates are measured, and crops in the pool at the beginning."""
EXAM, EXAM_VISITS = 64, 8
"""Held-out crops, and held-out pairs, on which the student is examined."""


TAP_WEIGHTS = {
    "relu1_1": 1.0, "relu2_1": 1.0, "relu3_1": 2.0, "relu4_1": 2.0, "relu4_2": 0.5, "relu5_1": 0.5
}  # fmt: skip
"""By how much the student lags behind, and how much the taps decide in a stylization."""


class Distill(Options):
    """Options of the recipe."""

    steps: int = Field(10000, ge=1, description="training steps in all")
    batch: int = Field(16, ge=1, description="crops a step")
    size: int = Field(96, ge=32, multiple_of=16, description="side of a crop in pixels")
    rate: float = Field(2e-3, gt=0, description="peak learning rate of AdamW")
    paintings_share: float = Field(0.4, ge=0, le=1, description="share of paintings among crops")
    pool: int = Field(2560, ge=64, description="crops whose answers are kept; 1.4 MB each at 96 px")
    renew: int = Field(112, ge=1, description="crops that are renewed at a time")
    renew_every: int = Field(100, ge=1, description="steps between two renewals")
    visits: int = Field(12, ge=0, description="descents shown to the teachers at each renewal")
    channels_weight: float = Field(0.3, ge=0, description="weight of the heads' channel loss")
    gram_weight: float = Field(0.3, ge=0, description="weight of the Gram loss")
    averaging: float = Field(0.998, ge=0, lt=1, description="decay of the average over weights")
    save_every: int = Field(1000, ge=1, description="steps between two checkpoints with samples")
    samples: int = Field(3, ge=0, description="held-out pictures across a sheet of samples")
    seed: int = Field(0, ge=0, description="seed of crops and first weights")


class Distillation:
    """The recipe; see `impasto.training.loop.Recipe`.

    Args:
        options: of the recipe.
        networks: the teachers, frozen, all on the device on which to train.
        photos, paintings: pictures to learn from, and those that are held out.
        folder: where results are written.
        provenance: is written into the results.
    """

    def __init__(
        self,
        options: Distill,
        *,
        networks: Sequence[VGG],
        photos: tuple[list[Path], list[Path]],
        paintings: tuple[list[Path], list[Path]],
        folder: Path,
        provenance: dict[str, Any],
    ) -> None:
        self.options, self.folder, self.provenance = options, folder, provenance
        self.size = (options.size, options.size)
        self.generator = torch.Generator().manual_seed(options.seed)
        self.photos = Crops(photos[0], size=options.size, generator=self.generator)
        self.paintings = Crops(paintings[0], size=options.size, generator=self.generator)
        self.held_photos, self.held_paintings = photos[1], paintings[1]
        self.teachers = Teachers(networks, components())
        self.pool = Pool(self.teachers, size=options.pool)
        self.device = self.teachers.device
        self.network = Student(self.teachers, self.generator).to(self.device)

    def start(self) -> None:
        """Measure the teachers and fill the pool."""
        self.teachers.measure(self._mixed(MEASURED))
        self.pool.add(self._mixed(min(FIRST, self.options.pool)))

    def losses(self, step: int) -> dict[str, Tensor]:
        """Three errors a tap, on crops from the pool."""
        options = self.options
        if step % options.renew_every == 0:
            self._renew(step)
        x, true = self.pool.draw(options.batch, self.generator)
        fast = bfloat16_is_fast(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast):
            said = self.network(x.contiguous(memory_format=torch.channels_last))
        weights = {
            "components": 1.0,
            "channels": options.channels_weight,
            "gram": options.gram_weight,
        }
        return {
            f"{name} {tap}": TAP_WEIGHTS[tap] * weight * error
            for tap, found in errors(said, true).items()
            for (name, weight), error in zip(weights.items(), found, strict=True)
        }

    def _renew(self, step: int) -> None:
        self.pool.add(self._mixed(self.options.renew))
        # The first descents of a student that has learnt nothing would only take up room.
        early = step < self.options.steps // 20
        if self.options.visits and not early:
            content = self.photos.plain(self.options.visits).to(self.device)
            style = self.paintings.plain(self.options.visits).to(self.device)
            self.pool.add(visit(self.network.eyes(), content, style, generator=self.generator))

    def show(self, step: int) -> None:
        """Write `petit.safetensors`, `report.json` and a sheet of samples."""
        eyes = self.network.eyes()
        said = {k: json.dumps(v) for k, v in (self.provenance | {"steps": step}).items()}
        weights = {k: v.half().contiguous().cpu() for k, v in self.network.shipped().items()}
        write_bytes(
            self.folder / "petit.safetensors", save(weights, {"pooling": petit.POOLING} | said)
        )
        x, true, content, style = self._exam
        visited = visit(eyes, content, style, generator=torch.Generator().manual_seed(1))
        report = self.provenance | {
            "step": step,
            "held_out": judged(self._said(x), true),
            "visited": judged(self._said(visited), self.teachers.answers(visited)),
        }
        text = json.dumps(report, indent=2) + "\n"
        write_bytes(self.folder / "report.json", text.encode())
        if self.options.samples:
            samples = self.folder / "samples"
            samples.mkdir(exist_ok=True)
            count, side = self.options.samples, 2 * self.options.size
            contents, styles = (
                [square.to(self.device) for square in squares(paths, count=count, side=side)]
                for paths in (self.held_photos, self.held_paintings)
            )
            made = sheet(contents, styles, partial(stylized, eyes, iterations=60))
            media.write(made, samples / f"step-{step:05d}.png")

    def state(self) -> dict[str, Tensor]:
        """The teachers' coordinates and the pool's crops."""
        return self.teachers.state() | self.pool.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave; the teachers answer anew for the crops of the pool."""
        self.teachers.restore(state)
        self.pool.restore(state)

    def _mixed(self, count: int) -> Tensor:
        paintings = round(self.options.paintings_share * count)
        parts = [(self.photos, count - paintings), (self.paintings, paintings)]
        return torch.cat([crops.varied(count) for crops, count in parts if count])

    @cached_property
    def _exam(self) -> tuple[Tensor, Answers, Tensor, Tensor]:
        """Held-out crops with the answers to them, and contents and styles for descents."""
        generator = torch.Generator().manual_seed(5)
        photos = Crops(self.held_photos, size=self.options.size, generator=generator)
        paintings = Crops(self.held_paintings, size=self.options.size, generator=generator)
        x = torch.cat([photos.varied(3 * EXAM // 4), paintings.varied(EXAM // 4)])
        content, style = photos.plain(EXAM_VISITS), paintings.plain(EXAM_VISITS)
        return x, self.teachers.answers(x), content.to(self.device), style.to(self.device)

    @torch.no_grad()
    def _said(self, x: Tensor) -> Answers:
        return self.network(x.to(self.device))


def distill(
    options: Distill,
    *,
    teachers: Sequence[str],
    photos: Sequence[Path],
    paintings: Sequence[Path] = (),
    folder: Path,
    device: torch.device,
    report: Report = silent,
) -> Path:
    """Distil `petit`, from the beginning or from where a run in the folder was broken off.

    Args:
        options: of the recipe.
        teachers: names or files of networks; each tap is asked of the first that has it.
        photos: folders of pictures to learn from and to take contents from.
        paintings: folders of pictures to take styles from as well; none means the photos.
        folder: where to write; it is made.
        device: where to compute.
        report: is told of every step.

    Returns:
        The file with the weights, `petit.safetensors`.

    Raises:
        ImpastoError: as `train`, or teachers or pictures cannot be had.
    """
    found = pictures(photos)
    styles = pictures(paintings) if paintings else found
    networks = [zoo.load(name).to(device) for name in teachers]
    origin = {
        "teachers": {Path(name).name: zoo.fingerprint(name) for name in teachers},
        "pictures": listed(found + styles),
    }
    if bfloat16_is_fast(device):
        networks = [network.half() for network in networks]
    recipe = Distillation(
        options,
        networks=networks,
        photos=split(found),
        paintings=split(styles),
        folder=folder,
        provenance=origin | {"options": options.model_dump()},
    )
    course = Course(
        options.steps, options.rate, averaging=options.averaging, save_every=options.save_every
    )
    train(recipe, course, folder=folder, identity=options.model_dump() | origin, report=report)
    return folder / "petit.safetensors"

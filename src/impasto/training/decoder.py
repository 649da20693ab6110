"""Train decoders: the recipe around what each method trains, and the way to start it."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from impasto.core.errors import OptionError, WeightsError
from impasto.core.progress import Report, silent
from impasto.media import image as media
from impasto.media.place import write_bytes
from impasto.nets import zoo
from impasto.nets.decoder import STATISTICS
from impasto.nets.fetch import digest
from impasto.nets.vgg import VGG, bfloat16_is_fast
from impasto.training.adain import ForAdaIN
from impasto.training.data import Pairs, listed, pictures, split
from impasto.training.distances import far, grams, seen, style_far
from impasto.training.loop import Course, shipped, train
from impasto.training.mirrors import Decode, Mirror
from impasto.training.sheet import sheet, squares
from impasto.training.shelves import DEEP
from impasto.training.wct import TAPS, ForCascade, ForWCT

EXAM, CHUNK = 24, 6
"""Held-out pairs for the examination, and how many are looked at at a time."""


class Decoding:
    """The recipe; see `impasto.training.loop.Recipe`.

    Args:
        options: of the recipe.
        eyes: the encoder, frozen.
        teacher: the network that losses and the examination look with, frozen, on the same device.
        photos, paintings: pictures to learn from, and those that are held out.
        begin: weights of an earlier training to begin with.
        folder: where results are written.
        provenance: is written into the results.
    """

    def __init__(
        self,
        options: Decode,
        *,
        eyes: VGG,
        teacher: VGG,
        photos: tuple[list[Path], list[Path]],
        paintings: tuple[list[Path], list[Path]],
        begin: Path | None = None,
        folder: Path,
        provenance: dict[str, Any],
    ) -> None:
        self.options, self.folder, self.provenance = options, folder, provenance
        self.size = (options.size, options.size)
        self.generator = torch.Generator().manual_seed(options.seed)
        self.teacher, self.device = teacher, eyes.input.weight.device
        self.pairs = self._pairs(photos[0], paintings[0], self.generator)
        self.held = photos[1], paintings[1]
        self.mirror: Mirror
        if options.method == "adain":
            self.mirror = ForAdaIN(options, eyes=eyes, teacher=teacher, generator=self.generator)
        elif options.together:
            self.mirror = ForCascade(options, eyes=eyes, teacher=teacher, generator=self.generator)
        else:
            self.mirror = ForWCT(options, eyes=eyes, generator=self.generator)
        self.network: nn.Module = self.mirror.network.to(self.device)
        self.fresh = begin is None
        if begin:
            _take(self.network, begin)

    def _pairs(
        self, photos: Sequence[Path], paintings: Sequence[Path], generator: torch.Generator
    ) -> Pairs:
        return Pairs(
            photos,
            paintings,
            size=self.options.size,
            paintings_share=self.options.paintings_share,
            generator=generator,
            device=self.device,
        )

    def start(self) -> None:
        """Prepare the first step."""
        self.mirror.start(self.pairs, fresh=self.fresh)

    def losses(self, step: int) -> dict[str, Tensor]:
        """Those of the method."""
        return self.mirror.losses(step, self.pairs)

    @torch.no_grad()
    def show(self, step: int) -> None:
        """Write the weights, `report.json` and a sheet of samples."""
        name = self.options.method
        said = {k: json.dumps(v) for k, v in (self.provenance | {"steps": step}).items()}
        weights = shipped(self.network)
        write_bytes(self.folder / f"{name}.safetensors", save(weights, said))
        report = self.provenance | {"step": step, "held_out": self._judged()}
        text = json.dumps(report, indent=2) + "\n"
        write_bytes(self.folder / "report.json", text.encode())
        if self.options.samples:
            samples = self.folder / "samples"
            samples.mkdir(exist_ok=True)
            count, side = self.options.samples, self.options.size * 3 // 32 * 16
            contents, styles = (
                [square.to(self.device) for square in squares(paths, count=count, side=side)]
                for paths in self.held
            )
            made = sheet(contents, styles, self.mirror.stylized)
            media.write(made, samples / f"step-{step:05d}.png")

    def state(self) -> dict[str, Tensor]:
        """What the method needs beside its weights."""
        return self.mirror.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave."""
        self.mirror.restore(state)

    @cached_property
    def _exam(self) -> tuple[Tensor, Tensor]:
        """Held-out contents and styles, unchanged."""
        pairs = self._pairs(*self.held, torch.Generator().manual_seed(5))
        return pairs.contents(EXAM), pairs.laid(pairs.paintings.plain(EXAM))

    def _judged(self) -> dict[str, Any]:
        """Distances of held-out pairs as the teacher sees them; PSNR in dB of what comes back.

        The style's is over that of the content copied.
        """
        content, style = self._exam
        chunks = zip(content.split(CHUNK), style.split(CHUNK), strict=True)
        made = torch.cat([self.mirror.stylized(*chunk) for chunk in chunks])
        features = [self.teacher(x, STATISTICS) for x in (made, content, style)]
        g = [grams(self.teacher, f, STATISTICS) for f in features]
        ratio = style_far(g[0], g[2]) / style_far(g[1], g[2])
        deep = [seen(self.teacher, DEEP, f[DEEP]) for f in features]
        return {
            "style": float(ratio.median()),
            "worst style": float(ratio.max()),
            "content": float(far(deep[0], deep[1]).median()),
            "returned": self.mirror.returned(content),
        }


def _check(network: VGG, taps: Sequence[str], *, option: str) -> None:
    if missing := [tap for tap in taps if tap not in network.layers]:
        raise OptionError(f"{option} must reach {missing[-1]}; it ends at {network.layers[-1]}")


def _take(network: nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        sentence = " ".join(str(error).split())
        raise WeightsError(f"{path} cannot be begun with: {sentence}") from error


def decode(
    options: Decode,
    *,
    network: str,
    teacher: str | None = None,
    photos: Sequence[Path],
    paintings: Sequence[Path] = (),
    begin: Path | None = None,
    folder: Path,
    device: torch.device,
    report: Report = silent,
) -> Path:
    """Train decoders of an encoder, from the beginning or from where a run was broken off.

    Args:
        options: of the recipe.
        network: name or file of the encoder, of the shape of `petit`.
        teacher: name or file of the network that losses look with; None is the encoder.
        photos: folders of pictures to take contents from.
        paintings: folders of pictures to take styles from as well; none means the photos.
        begin: weights of an earlier training to begin with, of the same method.
        folder: where to write; it is made.
        device: where to compute.
        report: is told of every step.

    Returns:
        The file with the weights, `wct.safetensors` or `adain.safetensors`.

    Raises:
        ImpastoError: as `train`, or networks or pictures cannot be had.
    """
    found = pictures(photos)
    styles = pictures(paintings) if paintings else found
    judge = teacher or network
    networks = [zoo.load(name).to(device) for name in (network, judge)]
    _check(networks[0], TAPS if options.method == "wct" else STATISTICS, option="network")
    _check(networks[1], STATISTICS, option="teacher")
    origin = {
        "eyes": zoo.fingerprint(network),
        "teachers": {Path(judge).name: zoo.fingerprint(judge)},
        "pictures": listed(found + styles),
    }
    if begin:
        origin["begin"] = digest(begin)
    if bfloat16_is_fast(device):
        networks = [each.half() for each in networks]
    recipe = Decoding(
        options,
        eyes=networks[0],
        teacher=networks[1],
        photos=split(found),
        paintings=split(styles),
        begin=begin,
        folder=folder,
        provenance=origin | {"options": options.model_dump()},
    )
    course = Course(
        options.steps, options.rate, averaging=options.averaging, save_every=options.save_every
    )
    train(recipe, course, folder=folder, identity=options.model_dump() | origin, report=report)
    return folder / f"{options.method}.safetensors"

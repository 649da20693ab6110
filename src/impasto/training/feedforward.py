"""Train networks that paint in one pass, for one style or for many.

After Johnson, Alahi and Fei-Fei, ECCV 2016 (perceptual losses), and Dumoulin, Shlens and Kudlur,
ICLR 2017 (many styles in one network). Ours:

1. The losses are those of `gatys` with Gram matrices at four layers, relative to their targets,
   seen by `petit` by default; a network that ends at relu4_1 will do.
2. Strength is learnt. The first row of the network returns the picture; at strength s the gains and
   shifts lie s of the way from there to the style, and the content weighs as for `gatys` at s.
3. Some pictures are painted in a mixture of two styles, whose Gram matrices are mixed alike.
4. Fine detail must not repeat more than it does in the style: else what is flat gets a weave.
5. Nothing may repeat in the grid that enlarging by whole factors leaves (Odena, Dumoulin and Olah,
   "Deconvolution and Checkerboard Artifacts", Distill 2016).
6. No place may stand out in a map: else a spot in which all channels peak takes most of what they
   are normalised by, and shows in the sky (Karras et al., "Analyzing and Improving the Image
   Quality of StyleGAN", CVPR 2020, section 2).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.core.errors import OptionError
from impasto.core.options import Options
from impasto.core.progress import Report, silent
from impasto.core.tensors import Image
from impasto.features import CODE, CONTENT_LAYERS, Network, choose, coded
from impasto.losses.loss import PIXELS
from impasto.losses.pixels import outside, total_variation
from impasto.losses.statistics import Grain
from impasto.media import image as media
from impasto.nets import zoo
from impasto.nets.fetch import digest
from impasto.nets.trained import FILE, MAKER, ROW, load
from impasto.nets.transformer import EPSILON, Norm, Paper, Slim, Transformer
from impasto.nets.vgg import bfloat16_is_fast
from impasto.ops.resample import fit, resize
from impasto.training.data import Crops, anywhere, listed, pictures, split
from impasto.training.distances import far, grams, lattice, rhythm, rhythm_far, seen, style_far
from impasto.training.loop import Course, train
from impasto.training.sheet import grown, squares
from impasto.universal.palette import ENDING, save_style

STAGES = 4
"""In how many the style is seen, as in Johnson et al.: what a network learns of the fifth
it loses in the others."""
CONTENT_WEIGHT, CONTENT_TRACE = 0.055, 0.0275
"""As `gatys` weighs its content: the first times (1 − s) / s, and the second, at strength s."""
WEAKEST = 0.05
"""The weakest strength that is trained, but for 0."""
SHOUT = 10.0
"""Pixels may differ wildly in grain from those of a flat style; one counts no more than so."""
ROWS_FASTER = 5.0
"""A row is seen by a few crops of a batch only, and each of its numbers has to go far."""
SHOWN = 256
"""Side of a picture in a sheet of samples, in pixels."""
WIDER = 2
"""Times the side of a crop: of the picture in which spots are looked for, unseen by the eyes. The
larger a picture, the more of it is flat, and the more a spot can take."""
PEAK = 8.0
"""Deviations from the mean of a map up to which nothing stands out."""
CELL = 4
"""Side of the grid that must not show: both networks make a picture four times as large."""
FADED = 0.1
"""Share of crops with less contrast: skies and walls fill whole pictures."""
APART = 0.3
"""Deviation of first rows: styles that begin alike part late."""


class Feed(Options):
    """Options of the recipe."""

    architecture: Literal["slim", "paper"] = Field("slim", description="our network, or Johnson's")
    steps: int = Field(12000, ge=1, description="training steps in all")
    batch: int = Field(8, ge=1, description="crops a step")
    size: int = Field(160, ge=64, multiple_of=16, description="side of a crop in pixels")
    style_size: int = Field(512, ge=64, description="long side at which styles are measured")
    rate: float = Field(2e-3, gt=0, description="peak learning rate of AdamW")
    half_share: float = Field(0.75, ge=0, le=1, description="share of crops at strength 0.5")
    mixed_share: float = Field(0.15, ge=0, le=1, description="share of crops in two styles")
    content_scale: float = Field(0.5, ge=0, description="weight of the content over that of gatys")
    grain_weight: float = Field(0.1, ge=0, description="weight of the grain loss")
    rhythm_weight: float = Field(0.2, ge=0, description="weight of how fine detail repeats")
    grid_weight: float = Field(5.0, ge=0, description="weight of what repeats in a grid")
    spot_weight: float = Field(0.3, ge=0, description="weight of spots that stand out in maps")
    tv_weight: float = Field(0.0, ge=0, description="weight of total variation: smooths")
    outside_weight: float = Field(10.0, ge=0, description="weight of values beyond black and white")
    averaging: float = Field(0.999, ge=0, lt=1, description="decay of the average over weights")
    save_every: int = Field(500, ge=1, description="steps between two checkpoints with samples")
    samples: int = Field(3, ge=0, description="held-out pictures in a sheet of samples")
    seed: int = Field(0, ge=0, description="seed of crops and first weights")


class Feeding:
    """The recipe; see `impasto.training.loop.Recipe`.

    Args:
        options: of the recipe.
        eyes: the network that the losses look with, frozen.
        network: what to train.
        photos: pictures to learn from, and those that are held out.
        styles: name to picture, in the order of the rows.
        folder: where results are written.
        provenance: is written into the results.
        device: where the eyes are.
    """

    def __init__(
        self,
        options: Feed,
        *,
        eyes: Network,
        network: Transformer,
        photos: tuple[list[Path], list[Path]],
        styles: Mapping[str, Image],
        folder: Path,
        provenance: dict[str, Any],
        device: torch.device,
    ) -> None:
        self.options, self.folder, self.provenance = options, folder, provenance
        self.size = (options.size, options.size)
        self.generator = torch.Generator().manual_seed(options.seed)
        self.eyes, self.device = eyes, device
        self.layers = choose(eyes, None, option="style_layers")[:STAGES]
        (self.kept, *_) = choose(eyes, None, option="content_layers")
        self.crops, self.wide = (
            Crops(photos[0], size=size, generator=self.generator, device=self.device)
            for size in (options.size, WIDER * options.size)
        )
        self.held, self.names = photos[1], tuple(styles)
        self.network = network.to(self.device)
        self.spots: list[Tensor] | None = None
        for norm in (m for m in self.network.modules() if isinstance(m, Norm)):
            norm.register_forward_pre_hook(self._look)
        self.pictures = [self._laid(_scaled(x, options.style_size)) for x in styles.values()]
        self.grams, self.grains, self.rhythms = self._measured()

    def start(self) -> None:
        """All is ready."""

    def losses(self, step: int) -> dict[str, Tensor]:
        """Style, content and grain of crops in their styles."""
        options, eyes = self.options, self.eyes
        x = self._laid(self._faded(self.crops.plain(options.batch)))
        shares, strengths = self._drawn(options.batch)
        made = self._painted(x, shares, strengths, at=self._anywhere())
        wide, spots = self._wide()
        again = eyes(made, [*self.layers, self.kept])
        with torch.no_grad():
            content = eyes(x, [self.kept])[self.kept]
        wanted = {layer: torch.einsum("ns,skl->nkl", shares, g) for layer, g in self.grams.items()}
        weights = content_weights(strengths, scale=options.content_scale)
        unit = 1 / (1 + weights)  # Each crop pulls as much in all.
        moved = far(*(seen(eyes, self.kept, one) for one in (again[self.kept], content)))
        return {
            "style": (unit * style_far(grams(eyes, again, self.layers), wanted)).mean(),
            "content": (unit * weights * moved).mean(),
            "grain": options.grain_weight * (unit * self._grain(made, shares)).mean(),
            "rhythm": options.rhythm_weight * (unit * self._rhythm(made, shares)).mean(),
            "grid": options.grid_weight * (unit * lattice(made, period=CELL)).mean(),
            "spots": options.spot_weight * spots,
            "smooth": options.tv_weight * total_variation(made),
            "outside": options.outside_weight * (outside(made) + outside(wide)),
        }

    @torch.no_grad()
    def show(self, step: int) -> None:
        """Write the weights and a sheet of samples."""
        self._write(step)
        if self.options.samples:
            samples = self.folder / "samples"
            samples.mkdir(exist_ok=True)
            media.write(self._sheet(), samples / f"step-{step:05d}.png")
            media.write(grown(samples, side=SHOWN), self.folder / "samples.png")

    def state(self) -> dict[str, Tensor]:
        """Nothing but the weights."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """There is nothing to take up."""

    def _write(self, step: int) -> None:
        said = self.provenance | {"names": self.names, "steps": step}
        state = {k: v.half().contiguous().cpu() for k, v in self.network.state_dict().items()}
        data = save(state, {key: json.dumps(value) for key, value in said.items()})
        media.write_bytes(self.folder / FILE, data)
        maker = torch.tensor(list(hashlib.sha256(data).digest()), dtype=torch.uint8)
        rows = state["rows"][1:].float()
        for name, row in zip(self.names, rows, strict=True) if len(rows) > 1 else ():
            save_style(self.folder / f"{name}{ENDING}", {ROW: row, MAKER: maker}, name=name)

    @torch.no_grad()
    def _measured(self) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Layer to the Gram matrices of all styles, (S, K, K), those of grain, and rhythms."""
        each = [grams(self.eyes, self.eyes(x, self.layers), self.layers) for x in self.pictures]
        grain = torch.stack([Grain().measure({PIXELS: x}) for x in self.pictures])
        rhythms = torch.cat([rhythm(x) for x in self.pictures])
        found = {layer: torch.cat([one[layer] for one in each]) for layer in self.layers}
        return found, grain, rhythms

    def _faded(self, x: Tensor) -> Tensor:
        """Crops, some with less contrast."""
        chance, left = torch.rand((2, len(x), 1, 1, 1), generator=self.generator).to(x.device)
        level = x.mean((2, 3), keepdim=True)
        return torch.where(chance < FADED, torch.lerp(level, x, left), x)

    def _anywhere(self) -> tuple[int, int]:
        """A place of the noise that the network is shown."""
        down, across = anywhere(self.generator)
        return down * self.network.multiple, across * self.network.multiple

    def _drawn(self, count: int) -> tuple[Tensor, Tensor]:
        """What crops are to be painted in: shares of the styles, (N, S), and strengths, (N,)."""
        options, generator = self.options, self.generator
        styles = len(self.names)

        def chance(*size: int) -> Tensor:
            return torch.rand(size, generator=generator)

        chosen = torch.randint(styles, (2, count), generator=generator)
        first, second = F.one_hot(chosen, styles).float()
        share = torch.where(chance(count, 1) < options.mixed_share, chance(count, 1), 1.0)
        strengths = torch.lerp(torch.tensor(WEAKEST), torch.tensor(1.0), chance(count))
        strengths = torch.where(chance(count) < options.half_share, 0.5, strengths)
        return torch.lerp(second, first, share).to(self.device), strengths.to(self.device)

    def _painted(
        self, x: Tensor, shares: Tensor, strengths: Tensor, *, at: tuple[int, int] = (0, 0)
    ) -> Tensor:
        first, styles = self.network.returning(), self.network.rows[1:]
        rows = torch.lerp(first, shares @ styles, strengths[:, None])
        kind = self.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=bfloat16_is_fast(self.device)):
            return self.network(x, rows, at).float()

    def _grain(self, made: Tensor, shares: Tensor) -> Tensor:
        """`losses.Grain` of every crop, (N,)."""
        wanted = torch.einsum("ns,skl->nkl", shares, self.grains)
        each = [Grain()({PIXELS: x}, g) for x, g in zip(made.split(1), wanted, strict=True)]
        return torch.stack(each).clamp_max(SHOUT)

    def _wide(self) -> tuple[Image, Tensor]:
        """A wide picture, painted, and how much stands out in its maps, over all normalisations."""
        self.spots = []
        x = self._laid(self._faded(self.wide.plain(1)))
        made = self._painted(x, *self._drawn(1), at=self._anywhere())
        spots, self.spots = torch.stack(self.spots).sum(), None
        return made, spots

    def _look(self, _norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        """How far a map that is to be normalised goes beyond `PEAK` deviations."""
        if self.spots is not None:
            x = given[0].float()
            variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
            far_off = (x - mean).abs() - PEAK * (variance + EPSILON).sqrt()
            self.spots.append((far_off.relu().square() / (variance + EPSILON)).mean())

    def _rhythm(self, made: Tensor, shares: Tensor) -> Tensor:
        """`rhythm_far` of every crop, (N,)."""
        return rhythm_far(rhythm(made), torch.einsum("ns,skl->nkl", shares, self.rhythms))

    def _sheet(self) -> Image:
        """Styles above, held-out photographs at the left."""
        side = SHOWN
        contents = squares(self.held, count=self.options.samples, side=side)
        rows = [torch.cat([torch.ones_like(contents[0]), *map(self._corner, self.pictures)], 3)]
        shares = torch.eye(len(self.names), device=self.device)
        half = torch.tensor([0.5], device=self.device)
        for content in contents:
            x = self._laid(content)
            made = [self._painted(x, share[None], half).clamp(0, 1).cpu() for share in shares]
            rows.append(torch.cat([content, *made], 3))
        return torch.cat(rows, 2)

    def _corner(self, picture: Image) -> Image:
        short = min(picture.shape[2:])
        return resize(picture[:, :, :short, :short].cpu(), (SHOWN, SHOWN))

    def _laid(self, x: Tensor) -> Tensor:
        return x.to(self.device).contiguous(memory_format=torch.channels_last)


def content_weights(strengths: Tensor, *, scale: float) -> Tensor:
    """What the content weighs beside a style of 1, for strengths (N,)."""
    odds = (1 - strengths) / strengths.clamp_min(WEAKEST)
    return scale * (CONTENT_WEIGHT * odds + CONTENT_TRACE)


def _scaled(picture: Image, long_side: int) -> Image:
    return resize(picture, fit(*picture.shape[2:], long_side=long_side))


def feed(
    options: Feed,
    *,
    network: str = "petit",
    photos: Sequence[Path],
    styles: Sequence[Path],
    begin: Path | None = None,
    folder: Path,
    device: torch.device,
    report: Report = silent,
) -> Path:
    """Train a network for some styles, from the beginning or from where a run was broken off.

    Args:
        options: of the recipe.
        network: name or file of the network that the losses look with.
        photos: folders of pictures to learn from.
        styles: pictures, one a style, which is named as its file.
        begin: a network of as many styles to begin with.
        folder: where to write; it is made.
        device: where to compute.
        report: is told of every step.

    Returns:
        The file with the weights.

    Raises:
        ImpastoError: as `train`, or networks or pictures cannot be had.
    """
    found = pictures(photos)
    names = [path.stem for path in styles]
    if len(set(names)) < len(names):
        raise OptionError("styles must have different names")
    painter = _begun(options, begin, names)
    eyes = eyes_of(network, device)
    origin = {
        "eyes": zoo.fingerprint(network),
        "pictures": listed(found),
        "styles": {path.stem: digest(path) for path in styles},
    }
    recipe = Feeding(
        options,
        eyes=eyes,
        device=device,
        network=painter,
        photos=split(found),
        styles={path.stem: media.read(path) for path in styles},
        folder=folder,
        provenance=origin | {"options": options.model_dump()},
    )
    run(recipe, options, origin, report=report)
    return folder / FILE


def run(recipe: Feeding, options: Feed, origin: dict[str, Any], *, report: Report) -> None:
    """Train to the end, in the recipe's folder; `origin` must not change within a run."""
    course = Course(
        options.steps,
        options.rate,
        averaging=options.averaging,
        save_every=options.save_every,
        factors={"rows": ROWS_FASTER},
    )
    identity = options.model_dump() | origin
    train(recipe, course, folder=recipe.folder, identity=identity, report=report)


def eyes_of(network: str, device: torch.device) -> Network:
    """The network that the losses look with, by name or as a file of weights or of Python.

    Raises:
        OptionError: it does not reach any layer that holds content, or the file makes no network.
        WeightsError: it cannot be had.
    """
    if network.endswith(CODE):
        return coded(network, device)
    eyes = zoo.load(network).to(device)
    if not any(layer in eyes.layers for layer in CONTENT_LAYERS):
        raise OptionError(f"network must reach {CONTENT_LAYERS[-1]}; it ends at {eyes.layers[-1]}")
    return eyes.half() if bfloat16_is_fast(device) else eyes


def _begun(options: Feed, begin: Path | None, names: Sequence[str]) -> Transformer:
    """The network to train: a new one, or that of a file."""
    if begin:
        trained = load(begin)
        if len(trained.network.rows) != 1 + len(names):
            raise OptionError(f"begin must hold {len(names)} styles; {begin} does not")
        if sorted(trained.names) == sorted(names):
            # A row is of a style, whatever the order in which they are named.
            order = [trained.names.index(name) for name in names]
            trained.network.rows.data[1:] = trained.styles[order]
        return trained.network.requires_grad_(True)
    kind = Slim if options.architecture == "slim" else Paper
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(options.seed)
        network = kind(1 + len(names))
        network.rows.data[1:] += APART * torch.randn_like(network.rows[1:])
    return network

"""Endless crops of pictures, varied the way that stylization varies them.

A feature network that judges pictures under optimisation sees more than photographs: noise, flat
areas, strange colours, blends. So crops are scaled, flipped, recoloured, blended and made noisy.
"""

import hashlib
import logging
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.core.errors import MediaError, OptionError
from impasto.media.image import read

_log = logging.getLogger(__name__)

CPU = torch.device("cpu")
ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
HOLD_OUT = 16
"""One picture in so many, chosen by the digest of its name, is never trained on."""
ENOUGH = 768
"""A larger picture is reduced to about this long side: crops are to show things, not pixels."""
ANYWHERE = 1024
"""Places at which a crop may lie in a picture, along each side."""


def anywhere(generator: torch.Generator) -> tuple[int, int]:
    """A place at which a crop may lie, down and across: it says what noise a network is shown."""
    down, across = torch.randint(ANYWHERE, (2,), generator=generator).tolist()
    return down, across


def held_out(path: Path) -> bool:
    """Whether this picture is kept from training, so that it may judge the result."""
    return hashlib.sha256(path.name.encode()).digest()[0] % HOLD_OUT == 0


def pictures(folders: Sequence[Path]) -> list[Path]:
    """All pictures in some folders and below them, in a fixed order.

    Raises:
        OptionError: a folder is missing or holds no picture.
    """
    found = []
    for folder in folders:
        inside = [path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS]
        if not inside:
            raise OptionError(f"{folder} must be a folder with pictures ({', '.join(ENDINGS)})")
        found += inside
    return sorted(found)


def split(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The pictures to train on and those held out; both are all where one would be empty."""
    held = [path for path in paths if held_out(path)]
    rest = [path for path in paths if not held_out(path)]
    return (rest, held) if rest and held else (list(paths), list(paths))


def listed(paths: Sequence[Path]) -> str:
    """The number of pictures, and a digest of their names."""
    names = "\n".join(path.name for path in paths)
    return f"{len(paths)} of digest {hashlib.sha256(names.encode()).hexdigest()[:16]}"


@lru_cache(maxsize=4096)
def _decoded(path: Path) -> Tensor:
    """(3, H, W) in 8 bits, a quarter of the memory of floats."""
    return read(path, enough=ENOUGH)[0].mul(255).round().byte()


class Crops:
    """Random crops from a list of pictures.

    Args:
        paths: the pictures, decoded once and kept in memory.
        size: side of the crops in pixels.
        generator: source of all randomness, on the CPU.
        device: where they are scaled and varied, and where they are to be.

    Raises:
        MediaError: when crops are drawn, no picture can be read; some may be damaged.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        size: int,
        generator: torch.Generator,
        device: torch.device = CPU,
    ) -> None:
        self.paths, self.size, self.generator, self.device = paths, size, generator, device
        self.damaged: set[Path] = set()

    def plain(self, count: int) -> Tensor:
        """Unchanged crops but for scale and mirror: (count, 3, size, size) in [0, 1]."""
        return torch.stack([self._crop() for _ in range(count)])

    def recoloured(self, count: int) -> Tensor:
        """Crops with jittered colour: as `plain`."""
        return self._jitter(self.plain(count))

    def varied(self, count: int) -> Tensor:
        """Crops with jittered colour, and some of them blended or noisy: as `plain`."""
        x = self.recoloured(count)
        other = x[torch.randperm(count, generator=self.generator)]
        x = torch.where(self._chance(count, 0.15), torch.lerp(x, other, self._mask(count)), x)
        noise = self._noise(*x.shape)
        noise = noise * self._uniform(count, 0.0, 1.0) ** 2 * 0.3
        x = torch.where(self._chance(count, 0.2), x + noise, x)
        return torch.where(self._chance(count, 0.04), 0.5 + 3 * noise, x).clamp(0, 1)

    def _crop(self) -> Tensor:
        picture = self._picture()
        height, width = picture.shape[1:]
        # From true scale up to the whole short side: strokes are met at every size.
        side = int(min(height, width, self.size * 2.5 ** self._float()))
        top, left = self._int(height - side + 1), self._int(width - side + 1)
        crop = picture[None, :, top : top + side, left : left + side].to(self.device).float() / 255
        crop = F.interpolate(
            crop, (self.size, self.size), mode="bilinear", antialias=True, align_corners=False
        )[0]
        return crop.flip(2) if self._float() < 0.5 else crop

    def _picture(self) -> Tensor:
        """Any that can be read; one that cannot is named once, and does not end a long training."""
        while True:
            path = self.paths[self._int(len(self.paths))]
            try:
                return _decoded(path)
            except MediaError as error:
                if self.damaged.issuperset({*self.paths} - {path}):
                    raise
                if path not in self.damaged:
                    self.damaged.add(path)
                    _log.warning("%s; the training goes on without it", error)

    def _jitter(self, x: Tensor) -> Tensor:
        """Gain, gamma, saturation and a slight turn of the colour axes, each per picture."""
        count = len(x)
        turn = torch.linalg.qr(
            torch.eye(3, device=self.device)
            + 0.35 * self._uniform(count, 0.0, 1.0)[:, :, 0] * self._noise(count, 3, 3)
        ).Q
        turn = turn * torch.diagonal(turn, dim1=1, dim2=2).sign()[:, None]
        mean = x.mean((2, 3), keepdim=True)
        varied = mean + torch.einsum("nij,njhw->nihw", turn, x - mean)
        grey = varied.mean(1, keepdim=True)
        varied = grey + (varied - grey) * self._uniform(count, 0.0, 1.8)
        contrast = torch.exp(0.6 * self._uniform(count, -1.0, 1.0))
        shift = 0.25 * (self._even(count, 3, 1, 1) - 0.5)
        varied = (mean + (varied - mean) * contrast + shift).clamp(0, 1)
        varied = varied ** torch.exp(0.4 * self._uniform(count, -1.0, 1.0))
        return torch.where(self._chance(count, 0.6), varied, x)

    def _mask(self, count: int) -> Tensor:
        """Even blends, or blobs with soft edges, as often: (count, 1, size, size)."""
        coarse = self._even(count, 1, 4, 4)
        blobs = F.interpolate(coarse, (self.size, self.size), mode="bicubic", align_corners=False)
        blobs = ((blobs - 0.5) * 12 + 0.5).clamp(0, 1)
        even = self._uniform(count, 0.2, 0.8).expand_as(blobs)
        return torch.where(self._chance(count, 0.5), even, blobs)

    def _uniform(self, count: int, low: float, high: float) -> Tensor:
        return low + (high - low) * self._even(count, 1, 1, 1)

    def _chance(self, count: int, probability: float) -> Tensor:
        return self._uniform(count, 0.0, 1.0) < probability

    def _even(self, *size: int) -> Tensor:
        """Random numbers between 0 and 1."""
        return torch.rand(size, generator=self.generator).to(self.device)

    def _noise(self, *size: int) -> Tensor:
        """Random numbers of deviation 1 around 0."""
        return torch.randn(size, generator=self.generator).to(self.device)

    def _float(self) -> float:
        return float(torch.rand((), generator=self.generator))

    def _int(self, below: int) -> int:
        return math.floor(self._float() * below)


class Pairs:
    """Crops of photographs to be stylized, and of paintings and photographs to be imitated.

    Args:
        photos, paintings: pictures of both kinds.
        size: side of the crops in pixels.
        paintings_share: share of paintings among the styles.
        generator: source of all randomness, on the CPU.
        device: where the crops are to be; they lie there with their channels last.
    """

    def __init__(
        self,
        photos: Sequence[Path],
        paintings: Sequence[Path],
        *,
        size: int,
        paintings_share: float,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self.photos, self.paintings = (
            Crops(paths, size=size, generator=generator, device=device)
            for paths in (photos, paintings)
        )
        self.share, self.generator, self.device = paintings_share, generator, device

    def contents(self, count: int) -> Tensor:
        """Plain crops of photographs."""
        return self.laid(self.photos.plain(count))

    def styles(self, count: int) -> Tensor:
        """Crops in jittered colours, because no collection has all that a user may choose."""
        paintings = int((torch.rand(count, generator=self.generator) < self.share).sum())
        parts = [(self.paintings, paintings), (self.photos, count - paintings)]
        return self.laid(torch.cat([crops.recoloured(n) for crops, n in parts if n]))

    def mixed(self, count: int) -> Tensor:
        """Varied crops, half of photographs and half of paintings, in any order."""
        parts = [self.photos.varied(count - count // 2), self.paintings.varied(count // 2)]
        order = torch.randperm(count, generator=self.generator)
        return self.laid(torch.cat(parts)[order])

    def laid(self, x: Tensor) -> Tensor:
        """Crops as these are: on the device, channels last."""
        return x.to(self.device).contiguous(memory_format=torch.channels_last)

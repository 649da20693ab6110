"""What is known of styles: measured of pictures, blended, kept in small files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.core.contract import Frame, Style, together
from impasto.core.errors import MediaError, WeightsError
from impasto.core.tensors import Image
from impasto.media.place import write_bytes
from impasto.nets import petit, zoo
from impasto.nets.trained import MAKER, ROW
from impasto.nets.vgg import VGG
from impasto.ops.resample import fit, resize
from impasto.ops.stats import Moments, moments, products, second

MULTIPLE = 16
"""Pixels along a side of a position of the deepest tap."""
ENDING = ".style"
"""Of files that hold what was measured of a style."""
_LARGEST = 1 << 20

Scale = Literal[1, 2]
"""Pixels along a side that are seen as one."""
HALF: Scale = 2
SCALES: tuple[Scale, ...] = get_args(Scale)

Measured = Mapping[str, Tensor]
"""`relu1_1.mean` (C,), `relu1_1.covariance` (C, C) and so on for every tap of `petit`; and with
`half.` before it the same of the picture at half its size."""


@dataclass(frozen=True)
class Palette:
    """What is known of some styles.

    Attributes:
        shares: (K,), of each style, summing to one.
        moments: tap to the moments of all styles: (K, C) and (K, C, C).
    """

    shares: Tensor
    moments: Mapping[str, Moments]

    def mixed(self, values: Tensor, *, regions: int) -> Tensor:
        """One value a region from (K, …), one a style: its own, or all blended where there is one.

        Returns:
            (R, …), R the number of regions.
        """
        if regions == len(values):
            return values
        return torch.tensordot(self.shares.to(values), values, 1)[None]

    def wanted(
        self, own: Mapping[str, Moments], taps: Sequence[str], *, alpha: float
    ) -> dict[str, Tensor]:
        """Tap to the Gram matrices (R, C, C) that are asked of each region.

        Args:
            own: of the content; nothing is read of it at full strength but the number of regions.
            taps: where.
            alpha: the share of the style, 0 to 1.
        """
        found = {}
        for tap in taps:
            goal = self.mixed(second(self.moments[tap]), regions=len(own[tap].mean))
            found[tap] = goal if alpha == 1 else torch.lerp(second(own[tap]), goal, alpha)
        return found

    def places(self, frame: Frame, *, stride: int) -> Tensor:
        """The share of each style at each position, (K, 1, h, w).

        Beyond all regions the styles go on, blended: what is there is seen from within, and
        `confined` takes it away.

        Args:
            frame: the regions are in the size of its content.
            stride: pixels along a side of a position.
        """
        masks = F.avg_pool2d(torch.cat(list(frame.regions)), stride) + 1e-6
        masks = masks * self.shares.to(masks).view(-1, 1, 1, 1)
        return masks / masks.sum(0, keepdim=True)


def known(
    network: VGG,
    styles: Sequence[Style],
    taps: Sequence[str],
    *,
    long_sides: Sequence[int],
    scale: Scale = 1,
) -> list[dict[str, Moments]]:
    """Tap to the moments of each style, its picture brought to this long side.

    What has many regions is looked at once.

    Args:
        network: what to look with.
        styles: pictures, or what was measured of them.
        taps: where to look.
        long_sides: of each style, in pixels.
        scale: pixels along a side that are seen as one then.
    """
    found: dict[int, dict[str, Moments]] = {}
    for side, places in together([style.image for style in styles], long_sides):
        parts = [styles[i] for i in places]
        kept = [_kept(part.measured or {}, taps, scale) for part in parts]
        seen = kept if all(kept) else _seen(network, parts, taps, long_side=side, scale=scale)
        found |= zip(places, seen, strict=True)
    return [found[i] for i in range(len(styles))]


def _kept(measured: Measured, taps: Sequence[str], scale: Scale) -> dict[str, Moments]:
    """What was measured before; nothing if that is something else."""
    if key(taps[0], "mean", scale) not in measured:
        return {}
    parts = {
        tap: [measured[key(tap, part, scale)][None].double() for part in Moments._fields]
        for tap in taps
    }
    return {tap: Moments(*found) for tap, found in parts.items()}


@torch.no_grad()
def _seen(
    network: VGG, parts: Sequence[Style], taps: Sequence[str], *, long_side: int, scale: Scale
) -> list[dict[str, Moments]]:
    """Of the regions of one picture."""
    picture = parts[0].image
    assert picture is not None  # `eyes` has looked.
    image = scaled(picture, long_side)
    features = network(reduced(grown(image, scale), scale), taps)
    found: list[dict[str, Moments]] = []
    for region in (part.region for part in parts):
        if region is not None:
            region = grown(F.interpolate(region, image.shape[2:], mode="area"), scale)
        found.append({tap: moments(products(f, pooled(region, f))) for tap, f in features.items()})
    return found


def scaled(image: Image, long_side: int) -> Image:
    """The picture with this long side, or that of one position."""
    return resize(image, fit(*image.shape[2:], long_side=max(MULTIPLE, long_side)))


def reduced(picture: Tensor, scale: Scale) -> Tensor:
    """So many pixels along a side as one."""
    if scale == 1:
        return picture
    # Of few channels far quicker than to pool.
    rows = picture[:, :, ::2] + picture[:, :, 1::2]
    return (rows[..., ::2] + rows[..., 1::2]) / 4


def grown(picture: Tensor, scale: Scale = 1) -> Tensor:
    """The picture with its right and bottom mirrored to whole positions, as tiles have it."""
    (height, width), multiple = picture.shape[2:], scale * MULTIPLE
    pads = (0, -width % multiple, 0, -height % multiple)
    mode = "reflect" if pads[1] < width and pads[3] < height else "replicate"
    return F.pad(picture, pads, mode=mode)


def pooled(masks: Tensor | None, features: Tensor) -> Tensor | None:
    """Masks in the size of features."""
    return None if masks is None else F.avg_pool2d(masks, masks.shape[2] // features.shape[2])


def device_of(style: Style) -> torch.device:
    """Where a style lies."""
    tensors = [style.image] if style.measured is None else style.measured.values()
    return next((tensor.device for tensor in tensors if tensor is not None), torch.device("cpu"))


def save_style(path: str | Path, measured: Measured, *, name: str = "") -> None:
    """Write what `measure` gave of a picture, at once or not at all.

    Args:
        path: the file; safetensors inside.
        measured: see `Measured`; or the row of a network that paints, see `nets.transformer`.
        name: of the picture, for people.

    Raises:
        MediaError: the file cannot be written.
    """
    from safetensors.torch import save

    tensors = {key: value.detach().cpu().contiguous() for key, value in measured.items()}
    said = {"petit": zoo.models()["petit"].sha256} if fits(measured) else {}
    write_bytes(path, save(tensors, said | {"name": name}))


def load_style(path: str | Path) -> dict[str, Tensor]:
    """What `save_style` wrote: statistics, or the row of a network; `Style.measured` takes it.

    Raises:
        MediaError: the file cannot be read, or is none of these.
        WeightsError: it was measured by another version, or with another `petit`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        with Path(path).open("rb") as file:
            data = file.read(_LARGEST + 1)
        measured = load(data) if len(data) <= _LARGEST else {}
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror or error}") from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise MediaError(f"{path} is no .style file, or damaged") from error
    learnt = {ROW, MAKER} <= measured.keys() and measured[ROW].isfinite().all()
    if learnt:
        return measured
    if not fits(measured, (1,)):
        raise MediaError(f"{path} does not hold the statistics of a style")
    # Earlier versions looked at styles in full alone.
    if not fits(measured) or _metadata(data).get("petit") != zoo.models()["petit"].sha256:
        raise WeightsError(f"{path} was measured by another version of impasto; measure it again")
    return measured


def _metadata(data: bytes) -> dict[str, str]:
    """The words in the header of a safetensors file, whose length its first eight bytes tell."""
    import json

    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return header.get("__metadata__", {})


def key(tap: str, part: str, scale: Scale) -> str:
    """Under which the mean or the covariance of a tap are kept."""
    return f"{'half.' * (scale == HALF)}{tap}.{part}"


def fits(measured: Measured, scales: Sequence[Scale] = SCALES) -> bool:
    """Whether mean and covariance of every tap are there, in their shapes, and finite."""
    for tap, scale in product(petit.TAPS, scales):
        width = petit.WIDTHS[tap.replace("relu", "conv")]
        for part, shape in (("mean", (width,)), ("covariance", (width, width))):
            value = measured.get(key(tap, part, scale))
            if value is None or tuple(value.shape) != shape or not value.isfinite().all():
                return False
    return True

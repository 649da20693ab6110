"""Pixels as a file stores them, upright: grey, RGB or CMYK, 8 or 16 bits, alpha apart."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageCms
from torch.nn import functional as F

from impasto.core.tensors import Image
from impasto.media.alpha import filled
from impasto.media.profiles import fitting, to_srgb
from impasto.media.vips import from_array, put, to_array, vips

_DEEP = ("RGB", "RGBA", "RGBX", "LA")
"""Modes that Pillow gives to what has 16 bits a channel, which it cuts to 8."""
_BITS_PER_SAMPLE = 258
_TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""What makes a picture upright, by the orientation that EXIF says."""


@dataclass(frozen=True)
class Stored:
    """Pixels of a file.

    Attributes:
        values: (H, W, C) of 8 or 16 bits; one channel is grey, three are RGB, four are CMYK.
        alpha: (H, W), as deep; None is nowhere transparent.
        icc: what profile the values are meant by; None is sRGB.
    """

    values: np.ndarray
    alpha: np.ndarray | None
    icc: bytes | None

    def picture(self) -> Any:
        """The same for libvips, with the profile."""
        return put(from_array(self.values, self.alpha), "icc-profile-data", self.icc)

    def seen(self) -> Image:
        """(1, 3, H, W) in sRGB; what is hidden has the colours of its surroundings."""
        values = self.values
        if self.icc:
            values = to_array(to_srgb(replaced(self).picture()))
        image = _tensor(values).expand(1, 3, -1, -1).contiguous()
        return image if self.alpha is None else filled(image, _tensor(self.alpha[..., None]))


def replaced(stored: Stored) -> Stored:
    """The same without transparency."""
    return Stored(stored.values, None, stored.icc)


def bits(picture: Pillow.Image) -> int:
    """Of a channel, 8 or 16, as far as the header that Pillow has opened tells."""
    deep = is_deep(picture) or picture.mode.startswith(("I", "F"))
    return 16 if deep else 8


def is_deep(picture: Pillow.Image) -> bool:
    """Whether Pillow would cut more bits a channel to 8."""
    if picture.format == "PNG":
        tile: Any = getattr(picture, "tile", ())
        raw = str(tile[0].args) if tile else ""
        return "16" in raw and (picture.mode in _DEEP or "transparency" in picture.info)
    if picture.format == "TIFF":
        tags: Any = getattr(picture, "tag_v2", {})
        return picture.mode in _DEEP and set(tags.get(_BITS_PER_SAMPLE, (8,))) == {16}
    if picture.format == "AVIF":
        return _avif_bits(getattr(picture, "filename", "")) > 8
    return picture.format == "HEIF" and picture.info.get("bit_depth", 8) > 8


def read_deep(picture: Pillow.Image, path: str | Path) -> Stored:
    """A picture of more than 8 bits a channel; Pillow has opened it, others decode it."""
    if picture.format == "HEIF":
        return _heif(path)
    return from_vips(vips().Image.new_from_file(str(path), fail_on="error").autorot())


def from_vips(image: Any) -> Stored:
    """The pixels of a picture of libvips; what is neither grey nor RGB nor CMYK becomes RGB."""
    icc = image.get("icc-profile-data") if "icc-profile-data" in image.get_fields() else None
    channels = image.bands - image.hasalpha()
    icc = fitting(icc, channels)
    if image.interpretation not in ("srgb", "rgb16", "b-w", "grey16"):
        image, icc = to_srgb(image), None
        channels = 3
    values = to_array(image)
    alpha = values[..., channels] if values.shape[2] > channels else None
    return Stored(values[..., :channels], alpha, icc)


def from_pillow(picture: Pillow.Image, *, enough: int | None = None) -> Stored:
    """The pixels of a picture that Pillow has opened; see `media.image.read` for `enough`."""
    turned = orientation(picture)
    picture.load()
    # Pillow turns TIFF by itself.
    if turned in _TURNS and picture.format != "TIFF":
        picture = picture.transpose(_TURNS[turned])
    if picture.mode.startswith(("I", "F")):
        return Stored(_deep(picture), None, fitting(picture.info.get("icc_profile"), 1))
    profile = picture.info.get("icc_profile")
    picture = _plain(picture)
    if enough and max(picture.size) >= 2 * enough:
        picture = picture.reduce(max(picture.size) // enough)
    channels = {"L": 1, "LA": 1, "CMYK": 4}.get(picture.mode, 3)
    icc = fitting(profile, channels)
    if picture.mode == "CMYK" and icc is None:
        picture, channels = picture.convert("RGB"), 3
    values = np.atleast_3d(np.asarray(picture))
    alpha = values[..., channels] if values.shape[2] > channels else None
    return Stored(values[..., :channels], alpha, icc)


def shrunk(image: Image, enough: int | None) -> Image:
    """Averaged by the whole factor that leaves a long side of at least `enough`."""
    factor = max(image.shape) // enough if enough else 1
    return F.avg_pool2d(image, factor) if factor > 1 else image


def _plain(picture: Pillow.Image) -> Pillow.Image:
    """L, LA, RGB, RGBA or CMYK."""
    if picture.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB") or picture
    grey = picture.mode in ("1", "L", "LA", "La")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return picture.convert("LA") if grey else picture
    if picture.mode == "CMYK":
        return picture
    return picture.convert("L" if grey else "RGB")


def _deep(picture: Pillow.Image) -> np.ndarray:
    """Grey of more than 8 bits as 16; floats by the range that holds them."""
    values = np.nan_to_num(np.asarray(picture, np.float32), nan=0)
    tops = (1, 255, 65535) if picture.mode == "F" else (65535,)
    top = next((top for top in tops if values.max() <= top), tops[-1])
    levels = np.clip(values * np.float32(65535 / top), 0, 65535)
    return np.rint(levels).astype(np.uint16)[..., None]


def orientation(picture: Pillow.Image) -> int:
    """How the picture is stored, as EXIF says; 1 is upright."""
    try:
        # That of a PNG would decode the picture first.
        return Pillow.Image.getexif(picture).get(0x0112, 1)
    except Exception:  # A broken block of EXIF must not cost the picture.
        return 1


def _heif(path: str | Path) -> Stored:
    import pi_heif

    file = pi_heif.open_heif(path, convert_hdr_to_8bit=False)
    values = np.asarray(file)
    channels = 3 if values.shape[2] > 2 else 1
    alpha = values[..., channels] if values.shape[2] > channels else None
    return Stored(values[..., :channels], alpha, fitting(file.info.get("icc_profile"), channels))


def _avif_bits(path: str) -> int:
    """Bits a channel, as the box of the pixels' properties says."""
    with Path(path).open("rb") as file:
        head = file.read(1 << 16)
    at = head.find(b"pixi")
    return head[at + 9] if 0 <= at < len(head) - 9 else 8


def _tensor(values: np.ndarray) -> torch.Tensor:
    """(H, W, C) as (1, C, H, W) in [0, 1]."""
    top = np.float32(np.iinfo(values.dtype).max)
    scaled = np.ascontiguousarray(values.transpose(2, 0, 1)[None], np.float32)
    scaled /= top
    return torch.from_numpy(scaled)

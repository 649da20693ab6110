"""Pictures larger than memory, read and written strip by strip: libvips outside, tensors inside.

The only file that knows libvips. What it does not read as a plain picture of 8 or 16 bits (floats,
CMYK, BMP) is decoded whole by `media.image`, within the limit there.
"""

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import ImageCms

from impasto.core.errors import MediaError
from impasto.core.tensors import Image
from impasto.media import image as small

LIMIT = 2_000_000_000
"""Pixels of the largest picture that is read or written."""
LONGEST = 300_000
"""Pixels of its longest side: whole rows are held."""

_STEP = 64
"""Rows that are asked of libvips at once."""
_LOADERS = ("jpegload", "pngload", "webpload", "tiffload", "heifload")
_PLAIN = {("uchar", "srgb"), ("uchar", "b-w"), ("ushort", "rgb16"), ("ushort", "grey16")}
_SPACES = {"RGB": 3, "GRAY": 1}
"""Colour space of a profile to the bands that it describes, alpha not counted."""
_QUALITY = 95
_SAVED: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("pngsave", {"compression": 6, "filter": "all"}),
    ".jpg": ("jpegsave", {"Q": _QUALITY, "subsample_mode": "off"}),
    ".jpeg": ("jpegsave", {"Q": _QUALITY, "subsample_mode": "off"}),
    ".webp": ("webpsave", {"Q": _QUALITY}),
}
"""Ending to operation and settings, as in `media.image`."""
_DOTS = 72 / 25.4
"""Pixels a millimetre, which libvips writes in any case: 72 dots an inch say nothing."""


def measure(path: str | Path) -> tuple[int, int]:
    """Height and width of the upright picture in a file, from its header alone.

    Raises:
        MediaError: as `media.image.measure`, but for pictures of up to `LIMIT` pixels.
    """
    try:
        return small.measure(path)
    except MediaError:
        header = _header(path)
        if header is None or header.width * header.height <= small.LIMIT:
            raise
        return _upright(header, str(path))


class Reader:
    """A picture in a file as a source of strips, prepared as `media.image.read` does.

    It is upright, in sRGB, transparency on white. Every run through it decodes the file anew; only
    a picture that is stored sideways or upside down is first unpacked into a temporary file. A
    progressive JPEG and an interlaced PNG are held whole by their decoders.

    Args:
        path: a picture of at most `LIMIT` pixels.
        size: height and width to which it is brought while it is read; None is its own.

    Raises:
        MediaError: it cannot be read, is too small or too large. Damage further down is found when
            it is read.
    """

    def __init__(self, path: str | Path, *, size: tuple[int, int] | None = None) -> None:
        self.path = path
        header = _header(path)
        # What libvips has no use for, Pillow refuses, or reads.
        own = measure(path) if header is None else _upright(header, str(path))
        self.height, self.width = size or own
        # For one row of a reduced picture many are held.
        self.step = max(1, min(_STEP, _STEP * self.height // own[0]))
        # libvips does not keep what it is shown.
        self.kept = None if header is not None else np.asarray(small.to_pillow(small.read(path)))
        self.turned = header is not None and _orientation(header) > 2
        self._rows: Any = None

    def strip(self, top: int, height: int) -> Image:
        """Rows as (1, 3, height, W) in [0, 1]; they follow those before, or begin again at 0.

        Raises:
            MediaError: the file is cut short or damaged.
        """
        if top == 0:
            self._rows = None
        values = np.empty((height, self.width, 3), np.float32)
        try:
            self._rows = self._rows or _vips().Region.new(self._pipeline())
            for start in range(0, height, self.step):
                part = values[start : start + self.step]
                part[...] = _fetched(self._rows, top + start, part.shape)
        except _vips().Error as error:
            self._rows = None
            raise MediaError(f"{self.path} is cut short or damaged") from error
        if top + height == self.height:
            self._rows = None
        return torch.from_numpy(values.transpose(2, 0, 1)[None])

    def _pipeline(self) -> Any:
        vips = _vips()
        if self.kept is None:
            access = "random" if self.turned else "sequential"
            image = vips.Image.new_from_file(str(self.path), access=access, fail_on="error")
        else:
            height, width, bands = self.kept.shape
            image = vips.Image.new_from_memory(self.kept.data, width, height, bands, "uchar")
            image = image.copy(interpretation="srgb")
        image = _srgb(image.autorot())
        if image.hasalpha():
            white = 65535 if image.format == "ushort" else 255
            image = image.flatten(background=[white] * 3)
        return _resized(image, self.height, self.width)


class Writer:
    """Takes the strips of a picture; see `writing`."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def write(self, rows: Image) -> None:
        """Put rows (1, 3, h, W) in [0, 1] below those before, in 8 bits, rounded to nearest."""
        # A few at a time: what lies between floats and bytes is larger than both.
        for part in rows.split(_STEP, dim=2):
            values = part[0].permute(1, 2, 0).mul(255).nan_to_num_(0, 255, 0).clamp_(0, 255)
            self.file.write(values.round_().byte().contiguous().numpy().data)


@contextmanager
def writing(path: str | Path, *, height: int, width: int) -> Iterator[Writer]:
    """A sink for a picture; the file appears at the end, whole, or not at all.

    The strips lie next to it as they are, three bytes a pixel, until the last has come.

    Args:
        path: ends as `media.image.ENDINGS`.
        height: of the picture.
        width: of the picture.

    Raises:
        MediaError: the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    hidden = target.with_name(f".{uuid.uuid4().hex}")
    raw, part = hidden.with_suffix(".raw"), hidden.with_suffix(".part")
    try:
        with raw.open("xb") as file:
            yield Writer(file)
        _save(raw, part, ending=target.suffix.lower(), size=(height, width))
        part.replace(target)
    except OSError as error:
        raise MediaError(f"{path} cannot be written: {error.strerror or error}") from error
    except _vips().Error as error:
        words = error.detail.strip().splitlines() or ["unknown reason"]
        raise MediaError(f"{path} cannot be written: {words[-1]}") from error
    finally:
        raw.unlink(missing_ok=True)
        part.unlink(missing_ok=True)


def _save(raw: Path, part: Path, *, ending: str, size: tuple[int, int]) -> None:
    operation, settings = _SAVED[ending]
    height, width = size
    image = _vips().Image.rawload(str(raw), width, height, 3, access="sequential")
    image = image.copy(interpretation="srgb", xres=_DOTS, yres=_DOTS)
    # In a thread of its own, so that Ctrl-C is heard before the end.
    with ThreadPoolExecutor(1) as pool:
        saved = pool.submit(getattr(image, operation), str(part), keep="none", **settings)
        try:
            saved.result()
        except BaseException:
            image.set_kill(True)
            raise


@cache
def _vips() -> Any:
    """The library, asked for by those who need it: it takes a while to load."""
    import pyvips

    # A file that was opened before may have changed, and a stream can be read only once.
    pyvips.cache_set_max(0)
    pyvips.block_untrusted_set(True)
    pyvips.operation_block_set("VipsForeignLoadRaw", False)
    return pyvips


def _header(path: str | Path) -> Any:
    """The picture before it is decoded; None if libvips has no use for it."""
    vips = _vips()
    try:
        image = vips.Image.new_from_file(str(path), access="sequential")
    except vips.Error:
        return None
    known = image.get("vips-loader").startswith(_LOADERS)
    return image if known and (image.format, image.interpretation) in _PLAIN else None


def _upright(header: Any, name: str) -> tuple[int, int]:
    width, height = header.width, header.height
    if width * height > LIMIT:
        raise MediaError(
            f"{name} has {width} × {height} pixels; "
            f"at most {LIMIT // 1_000_000} million are accepted"
        )
    if max(width, height) > LONGEST:
        raise MediaError(f"{name} has {width} × {height} pixels; a side can have {LONGEST} at most")
    if min(width, height) < small.SMALLEST:
        raise MediaError(
            f"{name} has {width} × {height} pixels; each side must have at least {small.SMALLEST}"
        )
    return (width, height) if _orientation(header) > 4 else (height, width)


def _orientation(header: Any) -> int:
    return header.get("orientation") if "orientation" in header.get_fields() else 1


def _fetched(rows: Any, top: int, shape: tuple[int, ...]) -> np.ndarray:
    height, width, bands = shape
    data = rows.fetch(0, top, width, height)
    kind, most = (np.uint8, 255) if len(data) == height * width * bands else (np.uint16, 65535)
    return np.frombuffer(data, kind).reshape(shape).astype(np.float32) / np.float32(most)


def _srgb(image: Any) -> Any:
    """Three bands as the embedded profile means them; a broken or useless one is ignored."""
    vips = _vips()
    deep = image.format == "ushort"
    plain = image.colourspace("rgb16" if deep else "srgb")
    if "icc-profile-data" not in image.get_fields():
        return plain
    try:
        profile: Any = ImageCms.ImageCmsProfile(BytesIO(image.get("icc-profile-data")))
        # sRGB stays as it is, bit for bit.
        known = "srgb" in ImageCms.getProfileDescription(profile).lower()
        bands = _SPACES.get(profile.profile.xcolor_space.strip())
        if known or bands != image.bands - image.hasalpha():
            return plain
        return image.icc_transform(
            "srgb", embedded=True, intent="perceptual", pcs="xyz", depth=16 if deep else 8
        )
    except (ImageCms.PyCMSError, OSError, ValueError, vips.Error):
        return plain


def _resized(image: Any, height: int, width: int) -> Any:
    down, across = height / image.height, width / image.width
    image = image.resize(min(1, across), vscale=min(1, down), kernel="cubic")
    down, across = height / image.height, width / image.width
    if (down, across) == (1, 1):
        return image
    # Growing by `resize` moves the picture by half a pixel: its corners meet, not the middles of
    # its pixels.
    return image.affine(
        [across, 0, 0, down],
        interpolate=_vips().Interpolate.new("bicubic"),
        idx=0.5,
        idy=0.5,
        odx=-0.5,
        ody=-0.5,
        oarea=[0, 0, width, height],
        extend="copy",
    )

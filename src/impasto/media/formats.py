"""The formats that are written: their endings, limits and settings, and how pixels become bytes."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL import TiffImagePlugin

from impasto.core.errors import MediaError, OptionError
from impasto.media.metadata import Metadata, packet, save_settings
from impasto.media.vips import from_array, put, vips

QUALITY = 95
"""Of formats with loss, unless said."""
_LOSSLESS = 100
_BIG = 3e9
"""Bytes from which a TIFF gets 64-bit offsets."""
_INCH = 25.4
_NO_DPI = 72 / _INCH
"""Pixels a millimetre, which libvips writes in any case: 72 dots an inch say nothing."""


@dataclass(frozen=True)
class Format:
    """How a format is written.

    Attributes:
        kind: Pillow's name of it.
        save: operation of libvips.
        longest: pixels of the longest side.
        bits: of a channel at most.
        alpha, grey: whether it has transparency, and pictures without colour.
        lossy: whether it takes a quality.
        pillow, vips: further settings of either writer.
    """

    kind: str
    save: str
    longest: int
    bits: int = 8
    alpha: bool = True
    grey: bool = True
    lossy: bool = True
    pillow: Mapping[str, Any] = field(default_factory=dict[str, Any])
    vips: Mapping[str, Any] = field(default_factory=dict[str, Any])


_PNG = Format(
    "PNG", "pngsave", 1 << 31, bits=16, lossy=False, vips={"compression": 6, "filter": "all"}
)
_JPEG = Format(
    "JPEG",
    "jpegsave",
    65_500,
    alpha=False,
    pillow={"subsampling": "4:4:4"},
    vips={"subsample_mode": "off"},
)
_TIFF = Format(
    "TIFF",
    "tiffsave",
    1 << 31,
    bits=16,
    lossy=False,
    vips={"compression": "deflate", "predictor": "horizontal"},
)
_WEBP = Format("WEBP", "webpsave", 16_383, grey=False, pillow={"exact": True}, vips={"exact": True})
_AVIF = Format(
    "AVIF",
    "heifsave",
    16_384,
    grey=False,
    pillow={"subsampling": "4:4:4", "speed": 6, "max_threads": 1},
    vips={"compression": "av1", "subsample_mode": "off", "effort": 3, "bitdepth": 8},
)
FORMATS = {
    ".png": _PNG,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": _WEBP,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".avif": _AVIF,
}
ENDINGS = tuple(FORMATS)

_HEADS = {"PNG": slice(33, 54), "JPEG": slice(0, 2)}
"""What libvips begins with, the dots an inch of PNG at most, that Pillow says as well, and more."""


def of(path: str | Path) -> Format:
    """The format of a path's ending.

    Raises:
        MediaError: it is none that is written.
    """
    try:
        return FORMATS[Path(path).suffix.lower()]
    except KeyError:
        raise MediaError(wrong_ending(path, ENDINGS)) from None


def wrong_ending(path: str | Path, endings: tuple[str, ...]) -> str:
    """What to say of a path with another ending than these."""
    listed = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
    return f"{path} must end in {listed}"


def checked_quality(quality: int | None) -> int:
    """The quality of formats with loss.

    Raises:
        OptionError: it is not a whole number from 1 to 100.
    """
    if quality is None:
        return QUALITY
    if type(quality) is not int or not 1 <= quality <= _LOSSLESS:
        raise OptionError(f"file_quality must be a whole number from 1 to 100; got {quality!r}")
    return quality


def encoded(values: np.ndarray, form: Format, said: Metadata, *, quality: int | None) -> bytes:
    """The bytes of a file; equal pixels give equal bytes.

    Args:
        values: (H, W, C) of 8 or 16 bits: grey, grey and alpha, RGB, or RGBA.
        form: the format, which takes so many bits and channels.
        said: what it says beside the pixels.
        quality: from 1 to 100, of formats with loss.
    """
    file = io.BytesIO()
    if values.dtype == np.uint16 or form is _TIFF:
        save(_picture(values), file, form, said, quality=quality)
        return file.getvalue()
    picture = Pillow.fromarray(values if values.shape[2] > 1 else values[..., 0])
    try:
        picture.save(file, form.kind, **_pillow(form, said, quality))
    except (OSError, ValueError, RuntimeError) as error:
        raise MediaError(f"the picture cannot be encoded: {error}") from error
    return file.getvalue()


def save(
    image: Any, file: Any, form: Format, said: Metadata, *, quality: int | None = None
) -> None:
    """Encode a picture of libvips into a file, row by row where the format allows it.

    Raises:
        OSError: the file cannot be written.
        MediaError: the picture cannot be read or encoded.
    """
    image, keep = _tagged(image, form, said)
    settings = {"keep": keep, **form.vips, **_vips_quality(form, quality)}
    sink = None if form is _TIFF else _Spliced(file, form, said)
    try:
        if sink:
            target = vips().TargetCustom()
            target.on_write(sink.write)
            getattr(image, f"{form.save}_target")(target, **settings)
        else:
            _save_tiff(image, file, said, settings)
    except vips().Error as error:
        if sink and sink.failed:
            raise sink.failed from None
        words = error.detail.strip().splitlines() or ["unknown reason"]
        raise MediaError(f"the picture cannot be encoded: {words[-1]}") from error


def _save_tiff(image: Any, file: Any, said: Metadata, settings: Mapping[str, Any]) -> None:
    # Its writer goes back and forth in the file, so it gets a name or memory.
    big = image.width * image.height * image.bands * 2 > _BIG
    if isinstance(file, io.BytesIO):
        file.write(image.tiffsave_buffer(**settings))
    else:
        image.tiffsave(name_of(file), bigtiff=big, **settings)
    if said.exif and not big:
        _append_exif(file, said.exif)


def name_of(file: Any) -> str:
    """By which libvips can open a file that has no name of its own."""
    return file.name if isinstance(file.name, str) else f"/dev/fd/{file.fileno()}"


def _picture(values: np.ndarray) -> Any:
    bands = values.shape[2]
    if bands in (1, 3):
        return from_array(values)
    return from_array(values[..., : bands - 1], values[..., bands - 1])


def _pillow(form: Format, said: Metadata, quality: int | None) -> dict[str, Any]:
    known = {**form.pillow, **save_settings(said, form.kind)}
    if form.lossy:
        known["quality"] = checked_quality(quality)
        if form is _WEBP and known["quality"] == _LOSSLESS:
            known["lossless"] = True
    return known


def _vips_quality(form: Format, quality: int | None) -> dict[str, Any]:
    if not form.lossy:
        return {}
    lossless = {"lossless": True} if form is _WEBP and quality == _LOSSLESS else {}
    return {"Q": checked_quality(quality), **lossless}


def _tagged(image: Any, form: Format, said: Metadata) -> tuple[Any, str]:
    """The picture with what libvips itself writes faithfully, and the names of that."""
    across, down = said.dpi or (72.0, 72.0)
    image = image.copy(xres=across / _INCH, yres=down / _INCH)
    blocks: dict[str, bytes | None] = {"icc-profile": None, "xmp": None, "exif": None}
    if form.kind not in _HEADS:
        blocks["icc-profile"], blocks["xmp"] = said.icc, packet(said)
    if form in (_WEBP, _AVIF):
        blocks["exif"] = said.exif
    for name, data in blocks.items():
        image = put(image, f"{name}-data", data)
    kept = [name.partition("-")[0] for name, data in blocks.items() if data]
    return image, ":".join(kept) or "none"


def _blocks(form: Format, said: Metadata) -> bytes:
    """What Pillow writes to say this, at the place of the head of libvips."""
    whole, bare = io.BytesIO(), io.BytesIO()
    small = Pillow.new("L", (1, 1))
    small.save(whole, form.kind, **save_settings(said, form.kind))
    small.save(bare, form.kind)
    start = _HEADS[form.kind].start
    # What follows is the same in both files: the pixels.
    pixels = len(bare.getvalue()) - (20 if form is _JPEG else 33)
    return whole.getvalue()[start:-pixels]


class _Spliced:
    """A file for libvips to write to, in which other bytes take the place of a part of the head."""

    def __init__(self, file: Any, form: Format, said: Metadata) -> None:
        self.file, self.start = file, b""
        self.place = _HEADS.get(form.kind)
        self.blocks = _blocks(form, said) if self.place else b""
        self.failed: BaseException | None = None

    def write(self, data: Any) -> int:
        try:
            self.file.write(self._with_blocks(bytes(data)) if self.place else data)
        except BaseException as error:  # libvips would swallow it, Ctrl-C included.
            self.failed = error
            return -1
        return len(data)

    def _with_blocks(self, data: bytes) -> bytes:
        self.start += data
        if not self.place or len(self.start) < self.place.stop:
            return b""
        head, tail = self.start[: self.place.start], self.start[self.place.stop :]
        self.place = None
        return head + self.blocks + tail


def _append_exif(file: Any, exif: bytes) -> None:
    """Add the tags of a block of EXIF to a TIFF: a new directory at the end takes in the old one.

    What the entries of the old point at stays where it is.
    """
    file.seek(0)
    head = file.read(8)
    order: Any = "little" if head[:2] == b"II" else "big"
    end = file.seek(0, io.SEEK_END)
    end += file.write(b"\0" * (end % 2))
    # For Pillow's directory, which is only a place for the values of its entries.
    added = _directory(head, exif).tobytes(end)
    file.write(added + b"\0" * (len(added) % 2))
    entries = {**_entries(added, order), **_entries(_at(file, head, order), order)}
    place = file.seek(0, io.SEEK_END)
    table = b"".join(entry for _, entry in sorted(entries.items()))
    file.write(len(entries).to_bytes(2, order) + table + bytes(4))
    file.seek(4)
    file.write(place.to_bytes(4, order))


def _directory(head: bytes, exif: bytes) -> TiffImagePlugin.ImageFileDirectory_v2:
    block, tags = Pillow.Exif(), TiffImagePlugin.ImageFileDirectory_v2(head)
    block.load(exif)
    for tag in block:
        inner = tag in (0x8769, 0x8825)
        tags[tag] = block.get_ifd(tag) if inner else block[tag]
    return tags


def _at(file: Any, head: bytes, order: Any) -> bytes:
    file.seek(int.from_bytes(head[4:8], order))
    return file.read(2 + 12 * 0xFFFF)


def _entries(directory: bytes, order: Any) -> dict[int, bytes]:
    """Number of a tag to its entry, as it is written."""
    count = int.from_bytes(directory[:2], order)
    parts = [directory[2 + 12 * i : 14 + 12 * i] for i in range(count)]
    return {int.from_bytes(part[:2], order): part for part in parts}

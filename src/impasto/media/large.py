"""Pictures larger than memory, read and written strip by strip: libvips outside, tensors inside.

What libvips does not read as a plain picture of 8 or 16 bits (floats, CMYK, BMP, HEIC) is decoded
whole by `media.image`, within the limit there.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import torch

from impasto.core.errors import MediaError
from impasto.core.tensors import Image
from impasto.media import formats
from impasto.media import image as small
from impasto.media.alpha import filled
from impasto.media.finish import finished
from impasto.media.metadata import Metadata
from impasto.media.place import placed
from impasto.media.profiles import deepened, fitting, to_srgb
from impasto.media.vips import failures, from_array, resized, to_array, vips

LIMIT = 2_000_000_000
"""Pixels of the largest picture that is read or written."""
LONGEST = 300_000
"""Pixels of its longest side: whole rows are held."""

_STEP = 64
"""Rows that are asked of libvips at once."""
_LOADERS = ("jpegload", "pngload", "webpload", "tiffload", "heifload")
_PLAIN = {("uchar", "srgb"), ("uchar", "b-w"), ("ushort", "rgb16"), ("ushort", "grey16")}
_WHOLE = {
    "jpeg-multiscan": "is a progressive JPEG",
    "interlaced": "is an interlaced PNG",
    "heif-compression": "is an AVIF file",
}
"""What a header may say of pictures that their decoders hold whole."""
_THUMBNAIL = 512
"""Long side at which it is looked for colours to go where nothing can be seen."""


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

    It is upright, in sRGB, what is hidden has about the colours of its surroundings. Every run
    through it decodes the file anew; only a picture that is stored sideways or upside down is first
    unpacked into a temporary file. A progressive JPEG, an interlaced PNG, and AVIF are held whole
    by their decoders.

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
        self.stored = _Stored(path, header)
        self._rows: Any = None
        self._picture: Any = None
        self._cover: np.ndarray | None = None

    def strip(self, top: int, height: int) -> Image:
        """Rows as (1, 3, height, W) in [0, 1]; they follow those before, or begin again at 0.

        Raises:
            MediaError: the file is cut short or damaged.
        """
        if top == 0:
            self._rows = None
        values = np.empty((height, self.width, 3), np.float32)
        try:
            self._rows = self._rows or self._begun()
            for start in range(0, height, self.step):
                part = values[start : start + self.step]
                part[...] = _fetched(self._rows, top + start, part.shape)
        except failures() as error:
            self._rows = None
            raise MediaError(f"{self.path} is cut short or damaged") from error
        if top + height == self.height:
            self._rows = None
        return torch.from_numpy(values.transpose(2, 0, 1)[None])

    def _begun(self) -> Any:
        # A region does not keep what it is part of, nor pixels in memory behind that.
        self._picture = self._pipeline()
        return vips().Region.new(self._picture)

    def _pipeline(self) -> Any:
        image = to_srgb(self.stored.opened())
        if image.hasalpha():
            hidden = image[3] == 0
            cover = resized(from_array(self._thumbnail()), image.height, image.width, linear=True)
            image = image.extract_band(0, n=3)
            bits = 16 if image.format == "ushort" else 8
            image = hidden.ifthenelse(deepened(cover, bits=bits), image)
        return resized(image, self.height, self.width)

    def _thumbnail(self) -> np.ndarray:
        """Colours for what is hidden, (h, w, 3) of 16 bits."""
        if self._cover is None:
            image = deepened(to_srgb(self.stored.opened()), bits=16)
            scale = min(1.0, _THUMBNAIL / max(image.height, image.width))
            size = (max(1, round(side * scale)) for side in (image.height, image.width))
            shrunk = resized(image.premultiply(), *size, linear=True)
            pixels = to_array(shrunk.unpremultiply().rint().cast("ushort"))
            seen = torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32))
            self._cover = filled(seen[:, :3], seen[:, 3:])[0].permute(1, 2, 0).numpy()
            self._cover = self._cover.clip(0, 65535).astype(np.uint16)
        return self._cover


class _Stored:
    """A file as it is stored, upright, opened as often as needed."""

    def __init__(self, path: str | Path, header: Any) -> None:
        self.path = path
        self.turned = header is not None and _orientation(header) > 2
        # libvips does not keep what it is shown.
        self.kept = small.pixels_of(path) if header is None else None

    def opened(self) -> Any:
        if self.kept is not None:
            return self.kept.picture()
        access = "random" if self.turned else "sequential"
        image = vips().Image.new_from_file(str(self.path), access=access, fail_on="error")
        return image.autorot()


class Writer:
    """Takes the strips of a picture; see `writing`."""

    def __init__(self, file: Any, *, bits: int) -> None:
        self.file, self.bits = file, bits

    def write(self, rows: Image) -> None:
        """Put rows (1, 3, h, W) in [0, 1] below those before, rounded to nearest."""
        # A few at a time: what lies between floats and bytes is larger than both.
        for part in rows.split(_STEP, dim=2):
            self.file.write(small.levels(part, bits=self.bits).data)


@contextmanager
def writing(
    path: str | Path,
    *,
    height: int,
    width: int,
    metadata: Metadata | None = None,
    original: small.Source | None = None,
    quality: int | None = None,
) -> Iterator[Writer]:
    """A sink for a picture; the file appears at the end, whole, or not at all.

    The strips lie next to it as they are, three or six bytes a pixel, in a file without a name,
    until the last has come. A grey picture is written as RGB.

    Args:
        path: ends as `media.formats.ENDINGS`.
        height: of the picture.
        width: of the picture.
        metadata: as for `media.image.write`.
        original: as there.
        quality: as there.

    Raises:
        MediaError: the file cannot be written.
    """
    form = formats.of(path)
    said = small.possible(metadata or Metadata(), form, grey=False).sized(width, height)
    deep = fitting(said.icc, 3) is not None or said.bits == 16
    with placed(path) as file, TemporaryFile(dir=Path(path).parent) as raw:
        try:
            yield Writer(raw, bits=16 if deep else 8)
            raw.flush()
            image = _strips(raw, height, width, deep=deep)
            needed = said.alpha or fitting(said.icc, 3)
            image = _finished(image, said, _opened(original) if needed else None)
            if image.hasalpha() and not form.alpha:
                white = 65535 if image.format == "ushort" else 255
                image = image.flatten(background=[white] * 3)
            _save(image, file, form, said, quality=quality)
        except vips().Error as error:
            words = error.detail.strip().splitlines() or ["unknown reason"]
            raise MediaError(f"{path} cannot be written: {words[-1]}") from error


def _strips(raw: Any, height: int, width: int, *, deep: bool) -> Any:
    kind, meant = ("ushort", "rgb16") if deep else ("uchar", "srgb")
    image = vips().Image.rawload(
        formats.name_of(raw),
        width,
        height,
        3,
        format=kind,
        interpretation=meant,
        access="sequential",
    )
    return image.copy(interpretation=meant)


def _opened(original: small.Source | None) -> Any:
    if isinstance(original, str | Path):
        return _Stored(original, _header(original)).opened()
    if original is None or isinstance(original, np.ndarray | torch.Tensor):
        return None
    return small.pixels_of(original).picture()


def _finished(made: Any, said: Metadata, original: Any) -> Any:
    return finished(made, icc=fitting(said.icc, 3), bits=said.bits, original=original)


def _save(
    image: Any, file: Any, form: formats.Format, said: Metadata, *, quality: int | None
) -> None:
    # In a thread of its own, so that Ctrl-C is heard before the end.
    with ThreadPoolExecutor(1) as pool:
        saved = pool.submit(formats.save, image, file, form, said, quality=quality)
        try:
            saved.result()
        except BaseException:
            image.set_kill(True)
            raise


def _header(path: str | Path) -> Any:
    """The picture before it is decoded; None if libvips has no use for it."""
    try:
        image = vips().Image.new_from_file(str(path), access="sequential")
    except failures():
        return None
    # The header of HEIC is told as well, but there is nothing to decode its pixels.
    hevc = _says(image, "heif-compression") == "hevc"
    known = image.get("vips-loader").startswith(_LOADERS) and not hevc
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
    kind = next((kind for name, kind in _WHOLE.items() if _says(header, name)), None)
    if kind and width * height > small.LIMIT:
        raise MediaError(
            f"{name} {kind} of {width} × {height} pixels, which must be decoded whole; "
            f"at most {small.LIMIT // 1_000_000} million are accepted"
        )
    if min(width, height) < small.SMALLEST:
        raise MediaError(
            f"{name} has {width} × {height} pixels; each side must have at least {small.SMALLEST}"
        )
    return (width, height) if _orientation(header) > 4 else (height, width)


def _orientation(header: Any) -> int:
    return _says(header, "orientation") or 1


def _says(header: Any, name: str) -> Any:
    """What a header holds under a name; 0 and none are the same to those who ask."""
    return header.get(name) if name in header.get_fields() else None


def _fetched(rows: Any, top: int, shape: tuple[int, ...]) -> np.ndarray:
    height, width, bands = shape
    data = rows.fetch(0, top, width, height)
    kind, most = (np.uint8, 255) if len(data) == height * width * bands else (np.uint16, 65535)
    return np.frombuffer(data, kind).reshape(shape).astype(np.float32) / np.float32(most)

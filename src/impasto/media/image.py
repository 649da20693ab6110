"""The only file that opens and writes pictures: Pillow and libvips outside, tensors inside."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from impasto.core.errors import ExtraError, MediaError
from impasto.core.tensors import Image
from impasto.media import formats, stored
from impasto.media.finish import finished
from impasto.media.formats import ENDINGS as ENDINGS
from impasto.media.metadata import Metadata, found
from impasto.media.place import check_writable as check_writable
from impasto.media.place import write_bytes
from impasto.media.profiles import fitting, space
from impasto.media.stored import Stored
from impasto.media.vips import from_array as vips_from_array
from impasto.media.vips import to_array

LIMIT = 256_000_000
"""Pixels of the largest picture that is decoded."""
SMALLEST = 16
"""Pixels of the shortest side that is accepted."""

Source = str | Path | Pillow.Image | np.ndarray | torch.Tensor
"""A picture: a file, a Pillow picture, an array (H, W, 3) or (H, W), a tensor (1, 3, H, W)."""

_READ = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM")
_SIDEWAYS = range(5, 9)
_PROMISES = {"PNG": 9_000, "JPEG": 2_000, "GIF": 9_000, "BMP": 9_000, "PPM": 9}
"""Pixels that one byte of a file can hold at the very most: deflate shrinks zeros 1032-fold."""
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_GREY = 1e-3
"""By how much the channels of a picture without colour may differ."""

# Pillow's limit on pixels and Python's filters of warnings are global, so one picture is decoded
# at a time.
_ALONE = threading.RLock()


def measure(source: Source) -> tuple[int, int]:
    """Height and width of the upright picture, of a file from its header alone.

    Raises:
        MediaError: as `load`, as far as a header tells.
    """
    if isinstance(source, str | Path):
        with _opened(source) as picture:
            return _upright_size(picture, str(source))
    if isinstance(source, Pillow.Image):
        return _upright_size(source, "the picture")
    height, width = load(source).shape[2:]
    return height, width


def load(source: Source, *, enough: int | None = None) -> Image:
    """A picture of any kind as (1, 3, H, W) in [0, 1]; see `read` for `enough`.

    Raises:
        MediaError: it cannot be read, is too small or too large, or is of no such kind.
    """
    match source:
        case str() | Path():
            return read(source, enough=enough)
        case Pillow.Image():
            return from_pillow(source, enough=enough)
        case np.ndarray():
            return from_array(source)
        case torch.Tensor():
            return checked(source)
    raise MediaError(
        "a picture must be a path, a Pillow picture, an array or a tensor; "
        f"got {type(source).__name__}"
    )


def read(path: str | Path, *, enough: int | None = None) -> Image:
    """The picture in a file: upright, in sRGB, of the first frame.

    Where it is fully transparent it has the colours of its surroundings.

    Args:
        path: a PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF, HEIC or PPM file.
        enough: a long side in pixels that is enough; a larger picture is averaged by whole factors
            while its long side stays at least this, which saves time and memory.

    Returns:
        (1, 3, H, W) in [0, 1].

    Raises:
        MediaError: the file is missing, no picture, damaged or cut short, too small, or too large.
    """
    with _opened(path) as picture:
        height, width = _upright_size(picture, str(path))
        _check_promise(picture, Path(path))
        if enough:
            shrink = max(1.0, max(height, width) / enough)
            wide, high = picture.size
            # A JPEG can be decoded at a half, quarter or eighth for a fraction of the time.
            picture.draft(None, (int(wide / shrink), int(high / shrink)))
        return stored.shrunk(_stored(picture, path, enough=enough).seen(), enough)


def from_pillow(picture: Pillow.Image, *, enough: int | None = None) -> Image:
    """A Pillow picture, treated as `read` treats a file."""
    with _door("the picture"):
        _upright_size(picture, "the picture")
        return stored.shrunk(stored.from_pillow(picture, enough=enough).seen(), enough)


def from_array(array: np.ndarray) -> Image:
    """An array (H, W, 3) or (H, W): 8 or 16 bit unsigned, or floats in [0, 1].

    Raises:
        MediaError: another shape or kind of numbers, a side under 16 pixels, or a value outside.
    """
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise MediaError(f"an array must be (H, W, 3) or (H, W); got {array.shape}")
    if array.dtype not in (np.uint8, np.uint16) and array.dtype.kind != "f":
        raise MediaError(f"an array must hold uint8, uint16 or floats; got {array.dtype}")
    top = 1 if array.dtype.kind == "f" else np.iinfo(array.dtype).max
    values = np.atleast_3d(array).astype(np.float32) / top
    return checked(torch.from_numpy(values.transpose(2, 0, 1)[None]).expand(1, 3, -1, -1))


def checked(image: torch.Tensor) -> Image:
    """A tensor (1, 3, H, W) or (3, H, W) as a picture in float32.

    Raises:
        MediaError: another shape, a side under 16 pixels, or a value outside [0, 1].
    """
    image = image[None] if image.ndim == 3 else image
    if image.ndim != 4 or image.shape[:2] != (1, 3) or not image.is_floating_point():
        raise MediaError(f"a tensor must be (1, 3, H, W) of floats; got {tuple(image.shape)}")
    check_size(image.shape[3], image.shape[2], "the picture")
    low, high = (value.item() for value in image.aminmax())
    if not (low >= 0 and high <= 1):
        raise MediaError(f"a picture must hold numbers from 0 to 1; got {low:g} to {high:g}")
    return image.float().contiguous()


def describe(source: Source) -> Metadata:
    """What a picture says beside its pixels, from its header alone.

    Raises:
        MediaError: as `measure`.
    """
    if isinstance(source, str | Path):
        with _opened(source) as picture:
            return found(picture, bits=stored.bits(picture))
    if isinstance(source, Pillow.Image):
        with _door("the picture"):
            return found(source, bits=stored.bits(source))
    load(source)
    deep = isinstance(source, np.ndarray) and source.dtype == np.uint16
    return Metadata(bits=16 if deep else 8)


def read_recipe(path: str | Path) -> str | None:
    """The text from which Impasto made a picture, if it holds one; see `Metadata.recipe`.

    Raises:
        MediaError: as `measure`.
    """
    return describe(path).recipe


def pixels_of(source: str | Path | Pillow.Image) -> Stored:
    """The pixels of a picture as they are stored.

    Raises:
        MediaError: as `load`.
    """
    if isinstance(source, Pillow.Image):
        with _door("the picture"):
            return stored.from_pillow(source)
    with _opened(source) as picture:
        _upright_size(picture, str(source))
        _check_promise(picture, Path(source))
        return _stored(picture, source)


def to_pillow(image: Image, *, original: Source | None = None) -> Pillow.Image:
    """The picture in 8 bits of sRGB, rounded to nearest; what is not finite becomes black.

    Args:
        image: (1, 3, H, W).
        original: what it was made from, whose transparency it gets.
    """
    alpha = isinstance(original, str | Path | Pillow.Image) and describe(original).alpha
    said = Metadata(alpha=alpha)
    return Pillow.fromarray(_pixels(image, said, original=original))


def write(
    image: Image,
    path: str | Path,
    *,
    metadata: Metadata | None = None,
    original: Source | None = None,
    quality: int | None = None,
) -> None:
    """Write a picture in the format of the path's ending; the same picture gives the same bytes.

    The file appears at once or not at all: it is written under another name and then renamed.

    Args:
        image: (1, 3, H, W) in [0, 1], sRGB.
        path: ends as `ENDINGS`.
        metadata: what the file shall say beside its pixels, and its profile, to which the pixels
            are converted, its depth, and whether it is grey and has transparency, as far as the
            format can.
        original: what the picture was made from. It has the alpha; where it is hidden or the
            picture does not differ from it, its own pixels stay.
        quality: from 1 to 100, of formats with loss; 95 by default. 100 is WebP without loss.

    Raises:
        MediaError: the file cannot be written, or the recipe is too long.
        OptionError: the quality is not accepted.
    """
    form = formats.of(path)
    said = possible(metadata or Metadata(), form, grey=_is_grey(image))
    if not isinstance(original, str | Path | Pillow.Image):
        said = replace(said, alpha=False)
    values = _pixels(image, said, original=original)
    if said.alpha and not form.alpha:
        values = _on_white(values)
    said = said.sized(values.shape[1], values.shape[0])
    try:
        data = formats.encoded(values, form, said, quality=quality)
    except MediaError as error:
        raise MediaError(f"{path} cannot be written: {error}") from error
    write_bytes(path, data)


def possible(said: Metadata, form: formats.Format, *, grey: bool) -> Metadata:
    """As much as the format allows, of a picture that has colours or not."""
    grey = grey and said.grey and form.grey
    icc = said.icc if said.icc and space(said.icc) == (1 if grey else 3) else None
    return replace(said, bits=min(said.bits, form.bits), grey=grey, icc=icc)


def _is_grey(image: Image) -> bool:
    return bool((image.amax(1) - image.amin(1) <= _GREY).all())


def _pixels(image: Image, said: Metadata, *, original: Source | None) -> np.ndarray:
    """(H, W, C) of 8 or 16 bits in the profile that is said, with alpha if that is said."""
    icc = fitting(said.icc, 1 if said.grey else 3)
    values = levels(image, bits=16 if icc else said.bits)
    if icc is None and not said.alpha:
        return values[..., 1:2] if said.grey else values
    source = None
    if isinstance(original, str | Path | Pillow.Image):
        source = pixels_of(original).picture()
    made = vips_from_array(values)
    out = finished(made, icc=icc, bits=said.bits, grey=said.grey, original=source)
    return to_array(out)


def levels(image: Image, *, bits: int) -> np.ndarray:
    """A picture as (H, W, 3) of 8 or 16 bits; what is not finite becomes black or white."""
    clean = image[0].detach().nan_to_num(0, 1, 0).clamp(0, 1).permute(1, 2, 0)
    levels = clean.mul(2**bits - 1).round_().cpu().contiguous().numpy()
    return levels.astype(np.uint16 if bits == 16 else np.uint8)


def _on_white(values: np.ndarray) -> np.ndarray:
    share = values[..., -1:] / np.float32(np.iinfo(values.dtype).max)
    white = np.iinfo(values.dtype).max * (1 - share)
    return np.rint(values[..., :-1] * share + white).astype(values.dtype)


def _stored(picture: Pillow.Image, path: str | Path, *, enough: int | None = None) -> Stored:
    if stored.is_deep(picture):
        return stored.read_deep(picture, path)
    return stored.from_pillow(picture, enough=enough)


@contextmanager
def _opened(path: str | Path) -> Iterator[Pillow.Image]:
    path = Path(path)
    with _door(str(path)):
        if path.is_dir():
            raise MediaError(f"{path} is a folder, not a picture")
        kinds = (*_READ, "HEIF") if _is_heic(path) else _READ
        with Pillow.open(path, formats=kinds) as picture:
            yield picture


def _is_heic(path: Path) -> bool:
    """Whether it is a HEIC picture; then the package that reads it is made known to Pillow."""
    with path.open("rb") as file:
        head = file.read(32)
    if head[4:8] != b"ftyp" or head[8:12] not in _HEIC or b"avif" in head:
        return False
    try:
        from pi_heif import register_heif_opener
    except ImportError:
        raise ExtraError(
            f"{path} is a HEIC picture; reading it needs pi-heif: pip install 'impasto[heic]'"
        ) from None
    register_heif_opener()
    return True


def _check_promise(picture: Pillow.Image, path: Path) -> None:
    """Refuse a header that promises far more than so short a file can hold."""
    most = _PROMISES.get(picture.format or "")
    size = path.stat().st_size
    if most and picture.width * picture.height > most * size:
        raise MediaError(
            f"{path} is cut short or damaged: it promises {picture.width} × {picture.height} "
            f"pixels and has only {size} bytes"
        )


@contextmanager
def _door(name: str) -> Iterator[None]:
    """Inside, Pillow may raise and warn as it likes; outside there is only `MediaError`."""
    with _ALONE, warnings.catch_warnings(action="ignore"):
        limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
        try:
            yield
        except (MediaError, ExtraError, MemoryError):
            raise
        except UnidentifiedImageError:
            accepted = "PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF, HEIC and PPM"
            raise MediaError(
                f"{name} is not a picture that can be read; accepted are {accepted}"
            ) from None
        except FileNotFoundError:
            raise MediaError(f"{name} does not exist") from None
        except Exception as error:  # OSError, SyntaxError, ValueError, EOFError, struct.error, …
            # Only the system's own errors have these words.
            words = getattr(error, "strerror", None)
            said = f"cannot be read: {words}" if words else "is cut short or damaged"
            raise MediaError(f"{name} {said}") from error
        finally:
            Pillow.MAX_IMAGE_PIXELS = limit


def _upright_size(picture: Pillow.Image, name: str) -> tuple[int, int]:
    width, height = picture.size
    check_size(width, height, name)
    # Pillow turns TIFF by itself.
    sideways = picture.format != "TIFF" and stored.orientation(picture) in _SIDEWAYS
    return (width, height) if sideways else (height, width)


def check_size(width: int, height: int, name: str) -> None:
    """Refuse a picture that is too large to be decoded whole, or too small.

    Raises:
        MediaError: it is.
    """
    if width * height > LIMIT:
        raise MediaError(
            f"{name} has {width} × {height} pixels; "
            f"at most {LIMIT // 1_000_000} million are accepted"
        )
    if min(width, height) < SMALLEST:
        raise MediaError(
            f"{name} has {width} × {height} pixels; each side must have at least {SMALLEST}"
        )

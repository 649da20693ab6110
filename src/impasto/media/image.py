"""The only file that opens and writes pictures: Pillow outside, tensors inside."""

import os
import threading
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps, UnidentifiedImageError

from impasto.core.errors import MediaError
from impasto.core.tensors import Image
from impasto.media.metadata import Metadata, found, save_settings

LIMIT = 256_000_000
"""Pixels of the largest picture that is decoded."""
SMALLEST = 16
"""Pixels of the shortest side that is accepted."""

Source = str | Path | Pillow.Image | np.ndarray | torch.Tensor
"""A picture: a file, a Pillow picture, an array (H, W, 3) or (H, W), a tensor (1, 3, H, W)."""

_READ = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM")
_JPEG = ("JPEG", {"quality": 95, "subsampling": "4:4:4"}, 65_500)
_WRITTEN = {
    ".png": ("PNG", {}, 1 << 31),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": ("WEBP", {"quality": 95}, 16_383),
}
"""Ending to format, settings and longest side."""
ENDINGS = tuple(_WRITTEN)

_ORIENTATION = 0x0112
_SIDEWAYS = range(5, 9)
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Colour space of a profile to the mode of the pictures that it describes."""

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
    """The picture in a file: upright, in sRGB, transparency on white, of the first frame.

    Args:
        path: a PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF or PPM file.
        enough: a long side in pixels that is enough; a larger picture is averaged by whole factors
            while its long side stays at least this, which saves time and memory.

    Returns:
        (1, 3, H, W) in [0, 1]. RGB of 16 bits a channel is cut to 8, grey of 16 bits is not.

    Raises:
        MediaError: the file is missing, no picture, damaged or cut short, too small, or too large.
    """
    with _opened(path) as picture:
        height, width = _upright_size(picture, str(path))
        if enough:
            shrink = max(1.0, max(height, width) / enough)
            wide, high = picture.size
            # A JPEG can be decoded at a half, quarter or eighth for a fraction of the time.
            picture.draft(None, (int(wide / shrink), int(high / shrink)))
        return _tensor(picture, enough)


def from_pillow(picture: Pillow.Image, *, enough: int | None = None) -> Image:
    """A Pillow picture, treated as `read` treats a file."""
    with _door("the picture"):
        _upright_size(picture, "the picture")
        return _tensor(picture, enough)


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
    _check_size(image.shape[3], image.shape[2], "the picture")
    low, high = (value.item() for value in image.aminmax())
    if not (low >= 0 and high <= 1):
        raise MediaError(f"a picture must hold numbers from 0 to 1; got {low:g} to {high:g}")
    return image.float().contiguous()


def to_pillow(image: Image) -> Pillow.Image:
    """The picture in 8 bits, rounded to nearest; what is not finite becomes black."""
    clean = image[0].detach().nan_to_num(0, 1, 0).clamp(0, 1)
    pixels = clean.mul(255).round().to(torch.uint8).permute(1, 2, 0)
    return Pillow.fromarray(pixels.cpu().contiguous().numpy())


def describe(source: Source) -> Metadata:
    """What a picture says beside its pixels, from its header alone.

    Raises:
        MediaError: as `measure`.
    """
    if isinstance(source, str | Path):
        with _opened(source) as picture:
            return found(picture, bits=8)
    if isinstance(source, Pillow.Image):
        with _door("the picture"):
            return found(source, bits=8)
    load(source)
    return Metadata()


def read_recipe(path: str | Path) -> str | None:
    """The text from which Impasto made a picture, if it holds one; see `Metadata.recipe`.

    Raises:
        MediaError: as `measure`.
    """
    return describe(path).recipe


def write(image: Image, path: str | Path, *, metadata: Metadata | None = None) -> None:
    """Write a picture in the format of the path's ending; the same picture gives the same bytes.

    The file appears at once or not at all: it is written under another name and then renamed.

    Args:
        image: (1, 3, H, W) in [0, 1].
        path: ends in .png, .jpg, .jpeg or .webp.
        metadata: what the file shall say beside its pixels.

    Raises:
        MediaError: the file cannot be written, or the recipe is too long.
    """
    kind, settings, _ = _written(path)
    # The pixels are sRGB.
    said = save_settings(replace(metadata or Metadata(), icc=None), kind)
    encoded = BytesIO()
    try:
        to_pillow(image).save(encoded, kind, **settings, **said)
    except (OSError, ValueError) as error:
        raise MediaError(f"{path} cannot be written: {error}") from error
    write_bytes(path, encoded.getvalue())


def write_bytes(path: str | Path, data: bytes) -> None:
    """Put a file in its place at once or not at all.

    Raises:
        MediaError: the file cannot be written.
    """
    # A link stays a link: what it points at is replaced.
    target = Path(os.path.realpath(path))
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
        part.replace(target)
    except OSError as error:
        raise MediaError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def check_writable(
    path: str | Path, *, endings: Sequence[str] = ENDINGS, long_side: int = 0
) -> None:
    """Refuse now what would fail after the work.

    Args:
        path: where a file shall be written.
        endings: the endings that are accepted, in lower case.
        long_side: of the picture to be written, in pixels; some formats have a limit.

    Raises:
        MediaError: an unknown ending, a folder that is missing or not writable, a picture that is
            too large for the format.
    """
    path = Path(path)
    if path.suffix.lower() not in endings:
        raise MediaError(_ending(path, endings))
    try:
        if path.is_dir():
            raise MediaError(f"{path} is a folder; the name of a file is needed")
        if not path.parent.is_dir():
            raise MediaError(f"the folder {path.parent} does not exist")
    except OSError as error:
        raise MediaError(f"{path} cannot be written: {error.strerror}") from None
    try:
        # Asking the system for permission is unreliable; trying is not.
        TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise MediaError(f"the folder {path.parent} is not writable: {error.strerror}") from None
    longest = _WRITTEN.get(path.suffix.lower(), _WRITTEN[".png"])[2]
    if long_side > longest:
        raise MediaError(f"{path} can be {longest} pixels long at most; .png has no such limit")


def _written(path: str | Path) -> tuple[str, dict[str, object], int]:
    try:
        return _WRITTEN[Path(path).suffix.lower()]
    except KeyError:
        raise MediaError(_ending(path, ENDINGS)) from None


def _ending(path: str | Path, endings: Sequence[str]) -> str:
    listed = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
    return f"{path} must end in {listed}"


@contextmanager
def _opened(path: str | Path) -> Iterator[Pillow.Image]:
    path = Path(path)
    with _door(str(path)):
        if path.is_dir():
            raise MediaError(f"{path} is a folder, not a picture")
        with Pillow.open(path, formats=_READ) as picture:
            yield picture


@contextmanager
def _door(name: str) -> Iterator[None]:
    """Inside, Pillow may raise and warn as it likes; outside there is only `MediaError`."""
    with _ALONE, warnings.catch_warnings(action="ignore"):
        limit, Pillow.MAX_IMAGE_PIXELS = Pillow.MAX_IMAGE_PIXELS, None
        try:
            yield
        except (MediaError, MemoryError):
            raise
        except UnidentifiedImageError:
            accepted = "PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF and PPM"
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
    _check_size(width, height, name)
    # Pillow turns TIFF by itself.
    sideways = picture.format != "TIFF" and _orientation(picture) in _SIDEWAYS
    return (width, height) if sideways else (height, width)


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > LIMIT:
        raise MediaError(
            f"{name} has {width} × {height} pixels; "
            f"at most {LIMIT // 1_000_000} million are accepted"
        )
    if min(width, height) < SMALLEST:
        raise MediaError(
            f"{name} has {width} × {height} pixels; each side must have at least {SMALLEST}"
        )


def _orientation(picture: Pillow.Image) -> int:
    try:
        return picture.getexif().get(_ORIENTATION, 1)
    except Exception:  # A broken block of EXIF must not cost the picture.
        return 1


def _tensor(picture: Pillow.Image, enough: int | None) -> Image:
    picture.load()
    if _orientation(picture) != 1:
        picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):
        values = _deep(picture)
    else:
        picture = _rgb(picture)
        if enough and max(picture.size) >= 2 * enough:
            picture = picture.reduce(max(picture.size) // enough)
        values = np.asarray(picture, np.float32) / 255
    return torch.from_numpy(values.transpose(2, 0, 1)[None].copy())


def _deep(picture: Pillow.Image) -> np.ndarray:
    """Grey of more than 8 bits as (H, W, 3) in [0, 1]; floats by the range that holds them."""
    values = np.nan_to_num(np.asarray(picture, np.float32), nan=0)
    tops = (1, 255, 65535) if picture.mode == "F" else (65535,)
    top = next((top for top in tops if values.max() <= top), tops[-1])
    return np.repeat(np.clip(values / np.float32(top), 0, 1)[..., None], 3, axis=2)


def _rgb(picture: Pillow.Image) -> Pillow.Image:
    profile, alpha = picture.info.get("icc_profile"), None
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        alpha = picture.getchannel("A")
    if picture.mode in ("P", "RGBA"):
        picture = picture.convert("RGB")
    picture = _srgb(picture, profile)
    if alpha:
        picture = Pillow.composite(picture, Pillow.new("RGB", picture.size, "white"), alpha)
    return picture


def _srgb(picture: Pillow.Image, profile: bytes | None) -> Pillow.Image:
    """RGB as the embedded profile means it; a profile that is broken or of no use is ignored."""
    if not profile:
        return picture.convert("RGB")
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        # sRGB stays as it is, bit for bit.
        known = "srgb" in ImageCms.getProfileDescription(source).lower()
        core: Any = source.profile
        if known or _MODES.get(core.xcolor_space.strip()) != picture.mode:
            return picture.convert("RGB")
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB") or picture
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture.convert("RGB")

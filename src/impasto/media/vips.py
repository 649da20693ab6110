"""libvips, and the only way to it: 16 bits a channel, colour profiles, pictures above memory."""

from functools import cache
from typing import Any

import numpy as np

from impasto.core.errors import ExtraError

_KINDS = {"uint8": "uchar", "uint16": "ushort"}
_MEANT = {"uint8": ("", "b-w", "", "srgb", "cmyk"), "uint16": ("", "grey16", "", "rgb16", "cmyk")}


@cache
def vips() -> Any:
    """The library, asked for by those who need it: it takes a while to load.

    Raises:
        ExtraError: it is not installed.
    """
    try:
        import pyvips
    except (ImportError, OSError):  # The second: there is no libvips for it.
        raise ExtraError(
            "16 bits a channel, TIFF, colour profiles and pictures larger than memory need pyvips; "
            "pip install pyvips pyvips-binary"
        ) from None

    # A file that was opened before may have changed, and a stream can be read only once.
    pyvips.cache_set_max(0)
    pyvips.block_untrusted_set(True)
    pyvips.operation_block_set("VipsForeignLoadRaw", False)
    return pyvips


def failures() -> tuple[type[Exception], ...]:
    """What libvips raises, also where a damaged file has put bytes that are no text into its words.

    Such words stay and would spoil those of every later failure, so they are forgotten here.
    """
    vips().vips_lib.vips_error_clear()
    return vips().Error, UnicodeDecodeError


def from_array(values: np.ndarray, alpha: np.ndarray | None = None) -> Any:
    """Values (H, W, C) of 8 or 16 bits, with alpha (H, W), as a picture of libvips.

    One channel is grey, three are RGB, four are CMYK.
    """
    height, width, bands = values.shape
    kind = values.dtype.name
    meant = _MEANT[kind][bands]
    if alpha is not None:
        values, bands = np.dstack([values, alpha]), bands + 1
    data = np.ascontiguousarray(values)
    image = vips().Image.new_from_memory(data.data, width, height, bands, _KINDS[kind])
    return image.copy(interpretation=meant)


def to_array(image: Any) -> np.ndarray:
    """The pixels of a picture of 8 or 16 bits, (H, W, C)."""
    kind = {"uchar": np.uint8, "ushort": np.uint16}[image.format]
    return np.frombuffer(image.write_to_memory(), kind).reshape(
        image.height, image.width, image.bands
    )


def put(image: Any, name: str, data: bytes | None) -> Any:
    """The picture with a block of bytes under a name, or without it."""
    image = image.copy()
    if data is not None:
        image.set_type(vips().GValue.blob_type, name, data)
    elif name in image.get_fields():
        image.remove(name)
    return image


def resized(image: Any, height: int, width: int, *, linear: bool = False) -> Any:
    """The picture in another size; cubic, which may ring, or linear, which never does."""
    down, across = height / image.height, width / image.width
    kernel = "linear" if linear else "cubic"
    image = image.resize(min(1, across), vscale=min(1, down), kernel=kernel)
    down, across = height / image.height, width / image.width
    if (down, across) == (1, 1):
        return image
    # Growing by `resize` moves the picture by half a pixel: its corners meet, not the middles of
    # its pixels.
    return image.affine(
        [across, 0, 0, down],
        interpolate=vips().Interpolate.new("bilinear" if linear else "bicubic"),
        idx=0.5,
        idy=0.5,
        odx=-0.5,
        ody=-0.5,
        oarea=[0, 0, width, height],
        extend="copy",
    )

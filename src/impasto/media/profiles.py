"""Colour profiles: from what a file means to sRGB and back, in 16 bits a channel.

All work with pictures of libvips. Outside the small gamut of sRGB colours are cut to its border.
"""

from functools import lru_cache
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageCms

from impasto.core.errors import MediaError, OptionError
from impasto.media.vips import from_array, put, to_array, vips

_SPACES = {"RGB": 3, "GRAY": 1, "CMYK": 4}
"""Colour space of a profile to the channels that it describes."""
_FIELD = "icc-profile-data"
_INTENT = {"intent": "perceptual", "pcs": "xyz"}
_NEAR = 1.0
"""Levels of 8 bits by which no colour may move for a profile to be one of sRGB."""
_NAMED = ("srgb", "p3")
_ACCEPTED = "profile must be keep, srgb, p3 or an RGB .icc file"


def fitting(icc: bytes | None, channels: int) -> bytes | None:
    """The profile if it says something of pictures with so many channels: not if it is sRGB."""
    if not icc or space(icc) != channels or (channels == 3 and _is_srgb(icc)):
        return None
    return icc


def named(words: str) -> bytes | None:
    """The profile of a name or a file; None is sRGB.

    Raises:
        OptionError: it is neither, or not one of RGB.
    """
    if words == "srgb":
        return None
    try:
        known = words in _NAMED
        icc = bytes(vips().Operation.call("profile_load", words)) if known else _file(words)
    except OSError as error:
        raise OptionError(f"profile {words} cannot be read: {error.strerror}") from None
    if space(icc) != 3:
        raise OptionError(f"{_ACCEPTED}; got {words!r}")
    return icc


def to_srgb(image: Any) -> Any:
    """Three bands, and alpha if there is any; with a profile of use, of 16 bits, else as deep."""
    deep = image.format == "ushort"
    icc = image.get(_FIELD) if _FIELD in image.get_fields() else None
    plain = image.colourspace("rgb16" if deep else "srgb")
    if fitting(icc, image.bands - image.hasalpha()) is None:
        return plain
    try:
        return image.icc_transform("srgb", embedded=True, depth=16, **_INTENT)
    except vips().Error:
        return plain


def from_srgb(image: Any, icc: bytes | None, *, bits: int) -> Any:
    """Three bands of sRGB as the profile says them, with the profile, in 8 or 16 bits a channel.

    A profile of grey gives one band.

    Raises:
        MediaError: the profile cannot be used for writing.
    """
    if icc is None:
        return put(deepened(image, bits=bits), _FIELD, None)
    try:
        space = deepened(image, bits=16).icc_import(input_profile="srgb", **_INTENT)
        return put(space, _FIELD, icc).icc_export(depth=bits, **_INTENT)
    except vips().Error:
        raise MediaError("the colour profile cannot be used for writing") from None


def deepened(image: Any, *, bits: int) -> Any:
    """The same picture in 8 or 16 bits a channel, rounded to nearest."""
    if image.format == ("ushort" if bits == 16 else "uchar"):
        return image
    meant = {"srgb": "rgb16", "rgb16": "srgb", "b-w": "grey16", "grey16": "b-w"}
    image = (image * 257).cast("ushort") if bits == 16 else (image / 257).rint().cast("uchar")
    return image.copy(interpretation=meant.get(image.interpretation, image.interpretation))


def _file(path: str) -> bytes:
    if Path(path).suffix.lower() not in (".icc", ".icm"):
        raise OptionError(f"{_ACCEPTED}; got {path!r}")
    return Path(path).read_bytes()


@lru_cache(16)
def space(icc: bytes) -> int | None:
    """How many channels a profile describes; None if it is damaged, or of another kind."""
    try:
        profile: Any = ImageCms.ImageCmsProfile(BytesIO(icc)).profile
        return _SPACES.get(profile.xcolor_space.strip())
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


@lru_cache(16)
def _is_srgb(icc: bytes) -> bool:
    """Whether colours are what they would be without the profile: sRGB stays bit for bit."""
    levels = np.array(list(product(range(0, 256, 51), repeat=3)), np.uint8)[None]
    table = put(from_array(levels), _FIELD, icc)
    try:
        seen = to_array(table.icc_transform("srgb", embedded=True, depth=16, **_INTENT))
    except vips().Error:
        # What cannot be used says nothing.
        return True
    return bool(np.abs(seen / 257 - levels).max() <= _NEAR)

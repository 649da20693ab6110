"""From the picture that a method made to the pixels of a file.

It gets the profile and the depth of the file, and the transparency of the picture that it was made
from. Where that is fully transparent its own pixels stay, and so do those that the method did not
change: the way to sRGB and back would lose colours outside sRGB.
"""

from typing import Any

from impasto.media.profiles import deepened, fitting, from_srgb, to_srgb
from impasto.media.vips import resized


def finished(
    made: Any, *, icc: bytes | None, bits: int, grey: bool = False, original: Any = None
) -> Any:
    """The pixels of the file, with alpha if the original has it.

    Args:
        made: three bands of sRGB, 8 or 16 bits; a picture of libvips, as all here.
        icc: what the file's values mean, None is sRGB; a profile of grey if `grey`.
        bits: of a channel, 8 or 16.
        grey: whether there is only lightness; all bands are about equal then.
        original: what it was made from, upright, as it is stored, with its profile.
    """
    values = _said(made, icc=icc, bits=bits, grey=grey)
    if original is None:
        return values
    same_size = (original.width, original.height) == (made.width, made.height)
    if not same_size:
        original = resized(original, made.height, made.width, linear=True)
    alpha = original[original.bands - 1] if original.hasalpha() else None
    if alpha is not None:
        original = original.extract_band(0, n=original.bands - 1)
    seen = to_srgb(original)
    if _icc(original) == icc and original.bands == values.bands:
        stored = deepened(original, bits=bits)
        if same_size:
            values = _unchanged(made, seen).ifthenelse(stored, values)
    else:
        stored = _said(seen, icc=icc, bits=bits, grey=grey)
    if alpha is None:
        return values
    values = (alpha == 0).ifthenelse(stored, values)
    return values.bandjoin(deepened(alpha, bits=bits))


def _said(image: Any, *, icc: bytes | None, bits: int, grey: bool) -> Any:
    values = from_srgb(image, icc, bits=bits)
    if grey and values.bands == 3:
        return values[1].copy(interpretation="grey16" if bits == 16 else "b-w")
    return values


def _unchanged(made: Any, seen: Any) -> Any:
    bits = 16 if made.format == "ushort" else 8
    return (made == deepened(seen, bits=bits)).bandand()


def _icc(image: Any) -> bytes | None:
    name = "icc-profile-data"
    return fitting(image.get(name) if name in image.get_fields() else None, image.bands)

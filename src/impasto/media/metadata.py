"""What a file says beside its pixels: colour profile, EXIF, XMP, dots an inch, and our recipe.

A recipe is the text from which a picture can be made again. In a PNG file it is a text of its own;
other formats hold it in their XMP packet, as the property `impasto:recipe`.
"""

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from PIL import ExifTags
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from impasto.core.errors import MediaError

RECIPE_LIMIT = 48_000
"""Bytes of the longest recipe: with the rest of an XMP packet it must fit a block of JPEG's."""

_BLOCK = 65_000
"""Bytes that are sure to fit one block of JPEG's."""
_PACKET_LIMIT = 16_000_000
"""Bytes of the longest XMP packet that is looked at or kept."""
_HEAD = b"Exif\0\0"
_KEY = "impasto"
_SPACE = "urn:impasto:recipe:1#"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}">'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
).encode()
_OURS = re.compile(
    rb'<rdf:Description rdf:about="" xmlns:impasto="[^"]*"><impasto:recipe>[^<]*'
    rb"</impasto:recipe></rdf:Description>"
)
_TURNED = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|>\s*))[2-8]""")
_STORAGE = {
    *range(0x0FE, 0x10D),
    *(0x111, 0x115, 0x116, 0x117, 0x118, 0x119, 0x11C, 0x13D, 0x140, 0x142, 0x143, 0x144, 0x145),
    *(0x14A, 0x152, 0x153, 0x15B, *range(0x1FF, 0x20A), *range(0x211, 0x215)),
    *(0x2BC, 0x83BB, 0x8649, 0x8773),
}
"""Tags of TIFF that say how its pixels are stored, or hold what is carried otherwise."""


@dataclass(frozen=True)
class Metadata:
    """What a file says beside its pixels.

    Attributes:
        icc: colour profile, as it is embedded; none means sRGB.
        exif: EXIF block; of an upright picture, and without a thumbnail.
        xmp: XMP packet, without a recipe of ours.
        dpi: dots an inch, across and down.
        bits: of a channel, 8 or 16.
        grey: whether there is only lightness.
        alpha: whether there is transparency.
        recipe: text from which Impasto made the picture, as it was found: anybody may have written
            it. `RECIPE_LIMIT` bytes at most.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    bits: int = 8
    grey: bool = False
    alpha: bool = False
    recipe: str | None = None

    def sized(self, width: int, height: int) -> "Metadata":
        """The same of a picture of this size, which EXIF may hold, too."""
        if not self.exif:
            return self
        block = Pillow.Exif()
        block.load(self.exif)
        inner = block.get_ifd(ExifTags.IFD.Exif)
        said = {ExifTags.Base.ExifImageWidth: width, ExifTags.Base.ExifImageHeight: height}
        if all(inner.get(tag, value) == value for tag, value in said.items()):
            return self
        inner.update({tag: value for tag, value in said.items() if tag in inner})
        return replace(self, exif=block.tobytes())


def found(picture: Pillow.Image, *, bits: int) -> Metadata:
    """What is said by a picture that Pillow has opened; damaged blocks are left out."""
    packet = _packet(picture)
    return Metadata(
        icc=picture.info.get("icc_profile") or None,
        exif=_exif(picture),
        xmp=_without_recipe(packet) if packet else None,
        dpi=_dpi(picture),
        bits=bits,
        grey=_is_grey(picture),
        alpha=picture.has_transparency_data,
        recipe=_recipe(picture, packet),
    )


def save_settings(metadata: Metadata, kind: str) -> dict[str, Any]:
    """What Pillow's `save` is told, so that a file of this format says the same.

    Blocks that are too long for the format are left out, the recipe never.

    Raises:
        MediaError: the recipe is longer than `RECIPE_LIMIT`.
    """
    if metadata.recipe is not None and len(metadata.recipe.encode()) > RECIPE_LIMIT:
        raise MediaError(f"a recipe can have {RECIPE_LIMIT} bytes at most")
    known: dict[str, Any] = {"icc_profile": metadata.icc, "exif": metadata.exif}
    if kind in ("PNG", "JPEG"):
        known["dpi"] = metadata.dpi
    if kind == "PNG":
        known["pnginfo"] = _texts(metadata)
    else:
        known["xmp"] = packet(metadata, most=_BLOCK if kind == "JPEG" else _PACKET_LIMIT)
    if kind == "JPEG" and len(metadata.exif or b"") > _BLOCK:
        known["exif"] = None
    return {name: value for name, value in known.items() if value}


def packet(metadata: Metadata, *, most: int = _PACKET_LIMIT) -> bytes | None:
    """The XMP packet with the recipe in it, of at most so many bytes."""
    own = metadata.xmp if len(metadata.xmp or b"") <= most else None
    if metadata.recipe is None:
        return own
    words = escape(metadata.recipe)
    element = (
        f'<rdf:Description rdf:about="" xmlns:impasto="{_SPACE}">'
        f"<impasto:recipe>{words}</impasto:recipe></rdf:Description>"
    ).encode()
    for base in (own, _EMPTY):
        head, end, tail = (base or b"").rpartition(b"</rdf:RDF>")
        if end and len(base or b"") + len(element) <= most:
            return head + element + end + tail
    raise MediaError(f"a recipe can have {RECIPE_LIMIT} bytes at most")


def _is_grey(picture: Pillow.Image) -> bool:
    tile: Any = getattr(picture, "tile", ())
    # Pillow makes RGBA of grey with alpha in 16 bits.
    deep = picture.format == "PNG" and tile and str(tile[0].args).startswith("LA")
    return deep or picture.mode in ("1", "L", "LA", "La", "F") or picture.mode.startswith("I")


def _texts(metadata: Metadata) -> PngInfo | None:
    texts = PngInfo()
    if metadata.recipe is not None:
        texts.add_itxt(_KEY, metadata.recipe)
    if metadata.xmp:
        # A packet is UTF-8 by its standard; what is not would be damaged on the way.
        with suppress(UnicodeDecodeError):
            texts.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode())
    return texts if texts.chunks else None


def _packet(picture: Pillow.Image) -> bytes | None:
    found = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp")
    if isinstance(found, str):
        found = found.encode()
    return found if isinstance(found, bytes) and len(found) <= _PACKET_LIMIT else None


def _without_recipe(packet: bytes) -> bytes | None:
    rest = _TURNED.sub(rb"\g<1>1", _OURS.sub(b"", packet))
    return None if rest == _EMPTY else rest


def _recipe(picture: Pillow.Image, packet: bytes | None) -> str | None:
    text = picture.info.get(_KEY) if picture.format == "PNG" else None
    if text is None and packet and _SPACE.encode() in packet:
        text = _property(packet)
    known = isinstance(text, str) and len(text.encode(errors="replace")) <= RECIPE_LIMIT
    return str(text) if known else None


def _property(packet: bytes) -> str | None:
    """The recipe in a packet, as an element or as an attribute; none if the packet is damaged."""
    # Without a document type there are no entities that could grow.
    if len(packet) > 4 * _BLOCK or b"<!" in packet:
        return None
    with suppress(ElementTree.ParseError, ValueError):
        root = ElementTree.fromstring(packet.strip(b"\0 "))
        name = f"{{{_SPACE}}}recipe"
        for node in root.iter():
            text = node.text if node.tag == name else node.get(name)
            if text is not None:
                return text
    return None


def _dpi(picture: Pillow.Image) -> tuple[float, float] | None:
    tags: Any = getattr(picture, "tag_v2", None)
    if tags is not None and 0x11A not in tags:
        return None  # Pillow would say 1.
    with suppress(TypeError, ValueError, ZeroDivisionError, OverflowError):
        across, down = (float(each) for each in picture.info.get("dpi", ()))
        if 0 < across < 1e5 and 0 < down < 1e5:
            return across, down
    return None


def _exif(picture: Pillow.Image) -> bytes | None:
    """The block as it is if it may stay; else without orientation, thumbnail and pixels' tags."""
    try:
        block = Pillow.Image.getexif(picture)
        raw = picture.info.get("exif")
        turned = block.get(ExifTags.Base.Orientation, 1) != 1
        thumbnail = block.get_ifd(ExifTags.IFD.IFD1)
        if picture.format != "TIFF" and raw and not turned and not thumbnail:
            # What cannot be read again would be carried in vain.
            known = len(block) and block.tobytes()
            return _HEAD + raw.removeprefix(_HEAD) if known else None
        return _rewritten(block, dropped=_STORAGE if picture.format == "TIFF" else set())
    except Exception:  # A broken block of EXIF must not cost the picture.
        return None


def _rewritten(block: Pillow.Exif, *, dropped: set[int]) -> bytes | None:
    for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        block.get_ifd(ifd)
    for tag in dropped & set(block):
        del block[tag]
    if ExifTags.Base.Orientation in block:
        block[ExifTags.Base.Orientation] = 1
    return block.tobytes() if len(block) else None

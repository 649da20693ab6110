from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from impasto.core.errors import MediaError
from impasto.media import image as media
from impasto.media.metadata import RECIPE_LIMIT, Metadata

RECIPE = '{"method": "gatys", "styles": ["<a & b>.jpg", "größe \\u0041"], "seed": 3}'
XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:creator="Jörg"/></rdf:RDF>'
    '</x:xmpmeta><?xpacket end="w"?>'
).encode()
ENDINGS = ("png", "jpg", "webp")


@pytest.fixture
def image():
    return torch.rand((1, 3, 20, 30), generator=torch.Generator().manual_seed(0))


def exif(**tags: object) -> bytes:
    block = Image.Exif()
    block[ExifTags.Base.Make], block[ExifTags.Base.Artist] = "Camera", "Somebody"
    for name, value in tags.items():
        block[ExifTags.Base[name]] = value
    inner = block.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.DateTimeOriginal] = "2020:01:01 00:00:00"
    inner[ExifTags.Base.MakerNote] = b"secret of the maker"
    block.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return block.tobytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_recipe_comes_back_and_nothing_else_changes(tmp_path, image, ending):
    path = tmp_path / f"a.{ending}"
    said = Metadata(exif=exif(), xmp=XMP, dpi=(300.0, 300.0))
    for recipe in (RECIPE, "x" * RECIPE_LIMIT, None):
        media.write(image, path, metadata=replace(said, recipe=recipe))
        assert media.read_recipe(path) == recipe
        seen = media.describe(path)
        assert (seen.exif, seen.xmp) == (said.exif, said.xmp)
    media.write(image, path, metadata=Metadata(recipe=RECIPE))
    assert media.describe(path) == Metadata(recipe=RECIPE, bits=8)
    with Image.open(path) as picture:
        assert np.array_equal(np.asarray(picture).shape, (20, 30, 3))


@pytest.mark.parametrize("ending", ["jpg", "webp"])
def test_a_packet_without_room_gives_way_to_the_recipe(tmp_path, image, ending):
    path = tmp_path / f"a.{ending}"
    long = XMP.replace(b"J", b"J" * 60_000)
    media.write(image, path, metadata=Metadata(xmp=long, recipe="y" * RECIPE_LIMIT))
    seen = media.describe(path)
    assert seen.recipe == "y" * RECIPE_LIMIT
    assert seen.xmp == (None if ending == "jpg" else long)
    media.write(image, path, metadata=Metadata(xmp=b"no packet at all", recipe=RECIPE))
    assert media.read_recipe(path) == RECIPE


@pytest.mark.parametrize("ending", ENDINGS)
def test_too_long_a_recipe_is_refused(tmp_path, image, ending):
    with pytest.raises(MediaError, match="a recipe can have 48000 bytes at most"):
        media.write(
            image, tmp_path / f"a.{ending}", metadata=Metadata(recipe="ö" * (RECIPE_LIMIT // 2 + 1))
        )
    assert list(tmp_path.iterdir()) == []


def test_hostile_recipes_are_not_seen(tmp_path, image):
    bomb = (
        b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
        b'<x xmlns:i="urn:impasto:recipe:1#"><i:recipe>&b;</i:recipe></x>'
    )
    for packet in (bomb, b'<x xmlns:i="urn:impasto:recipe:1#"><i:recipe>cut', b"\xff\xfe\0\1"):
        media.write(image, tmp_path / "a.jpg", metadata=Metadata(xmp=packet))
        assert media.read_recipe(tmp_path / "a.jpg") is None
    for length in (RECIPE_LIMIT + 1, 2_000_000):
        texts = PngInfo()
        texts.add_itxt("impasto", "z" * length, zip=True)
        Image.new("RGB", (20, 20)).save(tmp_path / "a.png", pnginfo=texts)
        try:
            assert media.read_recipe(tmp_path / "a.png") is None
        except MediaError:
            assert length > 1_000_000


def test_a_recipe_that_another_program_rewrote_is_found(tmp_path, image):
    attribute = XMP.replace(b"dc:creator=", b'xmlns:me="urn:impasto:recipe:1#" me:recipe="{}" a=')
    media.write(image, tmp_path / "a.jpg", metadata=Metadata(xmp=attribute))
    assert media.read_recipe(tmp_path / "a.jpg") == "{}"


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tiff"])
def test_orientation_and_thumbnail_do_not_stay(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    turned = XMP.replace(b"dc:creator", b'xmlns:tiff="t" tiff:Orientation="6" dc:creator')
    block = with_thumbnail(exif(Orientation=6))
    options = {} if ending in ("png", "tiff") else {"xmp": turned}
    Image.new("RGB", (40, 30)).save(path, exif=block, **options)
    seen = media.describe(path)
    kept = Image.Exif()
    kept.load(seen.exif or b"")
    assert kept[ExifTags.Base.Orientation] == 1
    assert kept[ExifTags.Base.Artist] == "Somebody"
    inner = kept.get_ifd(ExifTags.IFD.Exif)
    assert inner[ExifTags.Base.MakerNote] == b"secret of the maker"
    assert kept.get_ifd(ExifTags.IFD.GPSInfo) == {1: "N"}
    assert kept.get_ifd(ExifTags.IFD.IFD1) == {}
    assert b"THUMB" not in (seen.exif or b"")
    if options:
        assert seen.xmp == turned.replace(b'"6"', b'"1"')


def with_thumbnail(block: bytes) -> bytes:
    """A block of EXIF with a second directory that holds a small picture."""
    tiff = block[6:]
    start = int.from_bytes(tiff[4:8], "big")
    end = start + 2 + 12 * int.from_bytes(tiff[start : start + 2], "big")
    picture, at = b"\xff\xd8THUMB\xff\xd9", len(tiff)
    entries = b"\2\1\0\4\0\0\0\1" + (at + 30).to_bytes(4, "big")
    entries += b"\2\2\0\4\0\0\0\1" + len(picture).to_bytes(4, "big")
    second = b"\0\2" + entries + b"\0\0\0\0" + picture
    whole = block[:6] + tiff[:end] + at.to_bytes(4, "big") + tiff[end + 4 :] + second
    check = Image.Exif()
    check.load(whole)
    assert check.get_ifd(ExifTags.IFD.IFD1)
    return whole


def test_a_broken_block_is_left_out(tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png", exif=b"Exif\0\0II*\0\xff\xff\xff\xff no")
    assert media.describe(tmp_path / "a.png").exif is None

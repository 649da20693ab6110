"""What comes out of a run that changes nothing is what went in: pixels, profile, EXIF, DPI."""

from functools import cache
from itertools import product

import numpy as np
import pytest
import pyvips
import torch
from PIL import ExifTags, Image, ImageCms

from impasto.jobs.output import Output
from impasto.jobs.perform import carry, stylize
from impasto.jobs.spec import Job
from impasto.media import image as media
from impasto.media import large
from impasto.media.vips import from_array, to_array

SHAPE = (90, 130)
RED = Image.new("RGB", (16, 16), "red")
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'
)


@cache
def profile(name: str) -> bytes:
    """Display P3 and CMYK of libvips, sRGB of Pillow, and Adobe RGB by its published numbers."""
    if name == "srgb":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if name == "adobe":
        return adobe()
    return bytes(pyvips.Operation.call("profile_load", name))


# Adobe RGB (1998), section 4.3: primaries adapted to D50, gamma 2.19921875.
ADOBE = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.7141]]
)


def adobe() -> bytes:
    fixed = lambda v: round(v * 65536).to_bytes(4, "big", signed=True)  # noqa: E731
    xyz = lambda v: b"XYZ \0\0\0\0" + b"".join(map(fixed, v))  # noqa: E731
    about = b"desc\0\0\0\0\0\0\0\x06Adobe\0" + b"\0" * 80
    curve = b"curv\0\0\0\0" + (1).to_bytes(4, "big") + b"\x02\x33\0\0"
    parts = {b"desc": about, b"wtpt": xyz((0.9642, 1, 0.82491)), b"cprt": b"text\0\0\0\0none\0"}
    parts |= {f"{c}XYZ".encode(): xyz(ADOBE[:, i]) for i, c in enumerate("rgb")}
    parts |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table, blocks, offset = b"", b"", 132 + 12 * len(parts)
    for tag, block in parts.items():
        table += tag + (offset + len(blocks)).to_bytes(4, "big") + len(block).to_bytes(4, "big")
        blocks += block + b"\0" * (-len(block) % 4)
    head = bytearray(128)
    head[0:4], head[8:12] = (offset + len(blocks)).to_bytes(4, "big"), b"\x02\x40\0\0"
    head[12:24], head[36:40] = b"mntrRGB XYZ ", b"acsp"
    head[68:80] = b"".join(map(fixed, (0.9642, 1, 0.82491)))
    return bytes(head) + len(parts).to_bytes(4, "big") + table + blocks


def exif(**tags: object) -> bytes:
    block = Image.Exif()
    block[ExifTags.Base.Make] = "Camera"
    for name, value in tags.items():
        block[ExifTags.Base[name]] = value
    block.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:01 00:00:00"
    block.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (48.0, 8.0, 30.0)
    return block.tobytes()


def as_dict(block: bytes | None) -> dict[object, object]:
    read = Image.Exif()
    read.load(block or b"")
    kept = {tag: value for tag, value in read.items() if tag not in (0x8769, 0x8825)}
    # The size of pixels has its own place, too.
    kept = {tag: value for tag, value in kept.items() if tag not in (0x11A, 0x11B, 0x128)}
    inner = (read.get_ifd(ExifTags.IFD.Exif), read.get_ifd(ExifTags.IFD.GPSInfo))
    return {**kept, "exif": dict(inner[0]), "gps": dict(inner[1])}


def pixels(channels: int, bits: int) -> np.ndarray:
    rng = np.random.default_rng(channels)
    return rng.integers(0, 2**bits, (*SHAPE, channels), np.uint16 if bits == 16 else np.uint8)


def store(path, values: np.ndarray, *, icc: bytes | None = None, **said: object) -> None:
    """A file by libvips alone, which then is given its words by Pillow where it can."""
    bands = values.shape[2]
    colours = values if bands in (1, 3) else values[..., :-1]
    image = from_array(colours, None if colours is values else values[..., -1]).copy()
    if icc:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
    image = image.copy(xres=300 / 25.4, yres=300 / 25.4)
    if said:
        block = exif()
        image.set_type(pyvips.GValue.blob_type, "exif-data", block)
        image.set_type(pyvips.GValue.blob_type, "xmp-data", XMP)
    image.write_to_file(
        str(path), **({"lossless": True, "exact": True} if "webp" in path.suffix else {})
    )


def loaded(path) -> np.ndarray:
    return to_array(pyvips.Image.new_from_file(str(path)))


@pytest.fixture
def nothing(tint):
    """A method that returns the content."""
    return {"method": "tint", "options": {"strength": 0.0}}


@pytest.mark.parametrize("icc", [None, "srgb", "p3", "adobe"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(("ending", "bits"), [("png", 8), ("png", 16), ("tiff", 8), ("tiff", 16)])
def test_nothing_is_lost_where_nothing_is_painted(tmp_path, nothing, ending, bits, channels, icc):
    path, out = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    values = pixels(channels, bits)
    if channels == 4:
        values[10:40, 20:50, 3] = 0
    store(path, values, icc=icc and profile(icc), xmp=True)
    carry(Job(path, [(RED, 1.0)], **nothing), out)
    assert np.array_equal(loaded(out), values)
    before, after = media.describe(path), media.describe(out)
    assert (after.icc, after.xmp, after.bits) == (icc and profile(icc), XMP, bits)
    assert after.dpi == pytest.approx((300, 300), rel=1e-4)
    assert as_dict(after.exif) == as_dict(before.exif)


@pytest.mark.parametrize(
    ("ending", "bits", "channels"),
    [("png", 8, 1), ("png", 8, 2), ("png", 16, 1), ("png", 16, 2), ("tiff", 8, 1), ("tiff", 16, 1)],
)
def test_grey_stays_grey(tmp_path, nothing, ending, bits, channels):
    path, out = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    values = pixels(channels, bits)
    store(path, values)
    carry(Job(path, [(RED, 1.0)], **nothing), out)
    assert np.array_equal(loaded(out), values)


@pytest.mark.parametrize("channels", [3, 4])
def test_webp_without_loss_keeps_its_pixels(tmp_path, nothing, channels):
    path, out = tmp_path / "a.webp", tmp_path / "b.webp"
    values = pixels(channels, 8)
    store(path, values, icc=profile("p3"))
    job = Job(path, [(RED, 1.0)], **nothing, output=Output(quality=100))
    carry(job, out)
    assert np.array_equal(loaded(out), values)
    assert media.describe(out).icc == profile("p3")


@pytest.mark.parametrize("ending", ["jpg", "webp", "avif"])
def test_formats_with_loss_keep_what_they_say(tmp_path, nothing, ending):
    path, out = tmp_path / "a.jpg", tmp_path / f"b.{ending}"
    smooth = np.linspace(0, 255, 90 * 130 * 3).astype(np.uint8).reshape((*SHAPE, 3))
    Image.fromarray(smooth).save(
        path, quality=98, icc_profile=profile("p3"), exif=exif(), xmp=XMP, dpi=(300, 300)
    )
    carry(Job(path, [(RED, 1.0)], **nothing), out)
    before, after = media.describe(path), media.describe(out)
    assert (after.icc, after.exif, after.xmp) == (before.icc, before.exif, before.xmp)
    assert after.dpi == (before.dpi if ending == "jpg" else None)
    assert (media.read(out) - media.read(path)).abs().mean() < 0.03


@pytest.mark.parametrize(("name", "matrix"), [("adobe", ADOBE)])
def test_a_wide_profile_is_what_its_numbers_say(tmp_path, name, matrix):
    values = (pixels(3, 16) // 4 + 24_000).astype(np.uint16)
    store(tmp_path / "a.png", values, icc=profile(name))
    seen = media.read(tmp_path / "a.png")[0].permute(1, 2, 0).numpy()
    linear = (values / 65535) ** (563 / 256) @ matrix.T @ np.linalg.inv(SRGB).T
    expected = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clip(0) ** (1 / 2.4) - 0.055
    )
    inside = ((expected > 0.1) & (expected < 0.95)).all(-1)
    assert inside.mean() > 0.7
    error = np.abs(seen - expected)[inside]
    assert np.median(error) < 2e-4
    assert error.max() < 2 / 255


def test_cmyk_is_read_through_its_profile(tmp_path):
    inks = np.zeros((20, 30, 4), np.uint8)
    inks[..., 0], inks[10:, :, 3] = 255, 120
    path = tmp_path / "a.tiff"
    Image.fromarray(inks, "CMYK").save(path, icc_profile=profile("cmyk"))
    seen = media.read(path)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    source = ImageCms.getOpenProfile(__import__("io").BytesIO(profile("cmyk")))
    expected = ImageCms.profileToProfile(
        Image.fromarray(inks, "CMYK"), source, lab, outputMode="RGB"
    )
    assert (seen - media.from_array(np.asarray(expected))).abs().max() < 1.5 / 255
    # Printed cyan is no (0, 1, 1).
    assert seen[0, 2, 0, 0] < 0.97
    media.write(seen, tmp_path / "b.tiff", metadata=media.describe(path), original=path)
    assert media.describe(tmp_path / "b.tiff").icc is None


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("strips", [False, True])
def test_what_is_hidden_is_neither_seen_nor_changed(tmp_path, tint, monkeypatch, bits, strips):
    values = pixels(4, bits)
    values[..., 3] |= 1
    values[20:60, 30:90, 3] = 0
    path, out = tmp_path / "a.png", tmp_path / "b.png"
    store(path, values, icc=profile("p3"))
    red = torch.zeros((1, 3, *SHAPE))
    red[:, 0] = 1
    if strips:
        with large.writing(
            out, height=90, width=130, metadata=media.describe(path), original=path
        ) as sink:
            sink.write(red)
    else:
        media.write(red, out, metadata=media.describe(path), original=path)
    seen = loaded(out)
    hidden = values[..., 3] == 0
    assert np.array_equal(seen[hidden], values[hidden])
    assert np.array_equal(seen[..., 3], values[..., 3])
    assert (seen[~hidden][:, 0] > seen[~hidden][:, 1] * 2).all()
    spoiled = values.copy()
    spoiled[hidden, :3] = 0
    store(tmp_path / "c.png", spoiled, icc=profile("p3"))
    assert torch.equal(media.read(path), media.read(tmp_path / "c.png"))


def test_alpha_goes_with_another_size(tmp_path, nothing):
    values = pixels(4, 8)
    values[..., 3] = 255
    values[:, :65, 3] = 0
    store(tmp_path / "a.png", values)
    carry(Job(tmp_path / "a.png", [(RED, 1.0)], size=65, **nothing), tmp_path / "b.png")
    seen = loaded(tmp_path / "b.png")
    assert seen.shape == (45, 65, 4)
    assert (seen[:, :32, 3] == 0).all()
    assert (seen[:, 33:, 3] == 255).all()
    carry(Job(tmp_path / "a.png", [(RED, 1.0)], **nothing), tmp_path / "b.jpg")
    assert (loaded(tmp_path / "b.jpg")[:, :60] > 250).all()


def test_python_gets_transparency_too(tmp_path, tint):
    values = pixels(4, 8)
    values[:20, :, 3] = 0
    picture = stylize(Image.fromarray(values), RED, method="tint", strength=0.0)
    assert np.array_equal(np.asarray(picture), values)


def test_palettes_and_first_frames_are_read(tmp_path, nothing):
    frames = [Image.fromarray(pixels(3, 8)).quantize(16) for _ in range(2)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.png", transparency=3)
    expected = np.asarray(frames[0].convert("RGB"))
    for name in ("a.gif", "a.png"):
        carry(Job(tmp_path / name, [(RED, 1.0)], **nothing), tmp_path / "b.png")
        seen = loaded(tmp_path / "b.png")
        assert np.array_equal(seen[..., :3], expected)
    assert np.array_equal(seen[..., 3] == 0, np.asarray(frames[0]) == 3)


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_deep_pictures_come_out_upright(tmp_path, nothing, orientation):
    values = pixels(3, 16)
    image = from_array(values).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    for ending in ("png", "tiff"):
        path, out = tmp_path / f"a{orientation}.{ending}", tmp_path / f"b.{ending}"
        image.write_to_file(str(path))
        carry(Job(path, [(RED, 1.0)], **nothing), out)
        expected = to_array(pyvips.Image.new_from_file(str(path)).autorot())
        assert np.array_equal(to_array(pyvips.Image.new_from_file(str(out)).autorot()), expected)
        assert np.array_equal(loaded(out), expected)


@pytest.mark.parametrize(("ending", "bits"), list(product(["png", "tiff"], [8, 16])))
def test_the_depth_is_that_which_is_asked_for(tmp_path, nothing, ending, bits):
    store(tmp_path / "a.png", pixels(3, 24 - bits))
    job = Job(tmp_path / "a.png", [(RED, 1.0)], **nothing, output=Output(bits=bits))
    carry(job, tmp_path / f"b.{ending}")
    assert media.describe(tmp_path / f"b.{ending}").bits == bits


def test_a_profile_may_be_asked_for_and_words_left_out(tmp_path, nothing):
    store(tmp_path / "a.png", pixels(3, 8) // 2 + 60, icc=profile("adobe"), xmp=True)
    (tmp_path / "my.icc").write_bytes(profile("p3"))
    for words in ("p3", str(tmp_path / "my.icc"), "srgb"):
        output = Output(profile=words, metadata=False)
        job = Job(tmp_path / "a.png", [(RED, 1.0)], **nothing, output=output)
        carry(job, tmp_path / "b.png")
        said = media.describe(tmp_path / "b.png")
        assert (said.icc is None) == (words == "srgb")
        assert (said.exif, said.xmp) == (None, None)
        difference = media.read(tmp_path / "b.png") - media.read(tmp_path / "a.png")
        assert difference.abs().mean() < 1 / 255
        assert difference.abs().max() < 5 / 255


@pytest.mark.parametrize("ending", ["png", "jpg", "tiff", "webp"])
@pytest.mark.parametrize("bits", [8, 16])
def test_strips_keep_the_same_promises(tmp_path, ending, bits):
    path, out = tmp_path / "a.png", tmp_path / f"b.{ending}"
    store(path, pixels(3, bits), icc=profile("p3"), xmp=True)
    reader = large.Reader(path)
    said = media.describe(path)
    with large.writing(out, height=90, width=130, metadata=said, original=path) as sink:
        sink.write(reader.strip(0, 90))
    after = media.describe(out)
    assert (after.icc, after.xmp) == (profile("p3"), XMP)
    words, others = as_dict(after.exif), as_dict(said.exif)
    assert {tag: words.get(tag) for tag in others if tag != "exif"} == {
        tag: others[tag] for tag in others if tag != "exif"
    }
    if ending in ("png", "tiff"):
        assert np.array_equal(loaded(out), pixels(3, bits))
        assert after.dpi == pytest.approx((300, 300), rel=1e-4)
        assert words == others

import os
import stat
import threading
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from impasto.core.errors import MediaError
from impasto.media import image as media

SHAPE = (20, 32)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 / width, y * 255 / height, 128 + 0 * x], -1).astype(np.uint8)


def bytes_of(image: torch.Tensor) -> np.ndarray:
    return (image[0] * 255).round().byte().permute(1, 2, 0).numpy()


@pytest.mark.parametrize("ending", ["png", "bmp", "tiff", "ppm"])
def test_lossless_pictures_are_read_exactly(tmp_path, pixels, ending):
    Image.fromarray(pixels).save(tmp_path / f"a.{ending}")
    image = media.read(tmp_path / f"a.{ending}")
    assert image.shape == (1, 3, *SHAPE)
    assert image.dtype == torch.float32
    expected = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]
    assert torch.equal(image, expected)


def test_png_is_written_and_read_back_bit_for_bit(tmp_path, pixels):
    image = media.from_array(pixels)
    media.write(image, tmp_path / "a.png")
    assert torch.equal(media.read(tmp_path / "a.png"), image)


@pytest.mark.parametrize("ending", ["jpg", "jpeg", "webp", "PNG", "avif"])
def test_formats_by_ending(tmp_path, ending):
    image = media.from_array(smooth(48, 64))
    path = tmp_path / f"a.{ending}"
    if ending == "avif":
        media.to_pillow(image).save(path, quality=95)
    else:
        media.write(image, path)
    assert (media.read(path) - image).abs().max() < 0.05
    kind = {"jpg": "JPEG"}.get(ending, ending.upper())
    with Image.open(path) as picture:
        assert picture.format == kind


def test_jpeg_keeps_full_colour_resolution(tmp_path):
    media.write(media.from_array(smooth(32, 32)), tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as picture:
        assert [layer[1:3] for layer in picture.layer] == [(1, 1)] * 3


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_equal_pictures_give_equal_bytes(tmp_path, pixels, ending):
    for name in "ab":
        media.write(media.from_array(pixels), tmp_path / f"{name}.{ending}")
    first, second = ((tmp_path / f"{name}.{ending}").read_bytes() for name in "ab")
    assert first == second


# What has to be done to an upright picture so that EXIF's orientation turns it back.
TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("ending", ["png", "tiff"])
def test_exif_orientation(tmp_path, pixels, orientation, ending):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.ascontiguousarray(TURNS[orientation](pixels))).save(path, exif=exif)
    assert media.measure(path) == SHAPE
    assert np.array_equal(bytes_of(media.read(path)), pixels)


def test_broken_exif_does_not_cost_the_picture(tmp_path, pixels):
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path, exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    assert np.array_equal(bytes_of(media.read(path)), pixels)


def test_grey_of_16_bits_keeps_its_depth(tmp_path):
    values = np.arange(20 * 32, dtype=np.uint16).reshape(SHAPE) + 300
    Image.fromarray(values).save(tmp_path / "a.png")
    image = media.read(tmp_path / "a.png")
    assert torch.equal(image[0, 0], image[0, 2])
    np.testing.assert_allclose(image[0, 1].numpy(), values / 65535, rtol=1e-6)


def test_rgb_of_16_bits_keeps_its_depth(tmp_path):
    # Pillow cannot write such a file, so it is put together by hand.
    values = np.random.default_rng(1).integers(0, 65536, (*SHAPE, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    header = SHAPE[1].to_bytes(4, "big") + SHAPE[0].to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    (tmp_path / "a.png").write_bytes(png((b"IHDR", header), (b"IDAT", zlib.compress(rows))))
    image = media.read(tmp_path / "a.png")
    expected = values.astype(np.float64).transpose(2, 0, 1) / 65535
    np.testing.assert_allclose(image[0].numpy(), expected, rtol=1e-6)


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for kind, data in [*chunks, (b"IEND", b"")]:
        parts += [len(data).to_bytes(4, "big"), kind, data]
        parts.append(zlib.crc32(kind + data).to_bytes(4, "big"))
    return b"".join(parts)


@pytest.mark.parametrize("top", [1, 255, 65535])
def test_floats_are_read_by_the_range_that_holds_them(tmp_path, top):
    values = np.linspace(0, top, 20 * 32, dtype=np.float32).reshape(SHAPE)
    values[0, 0] = np.nan
    Image.fromarray(values).save(tmp_path / "a.tiff")
    image = media.read(tmp_path / "a.tiff")
    expected = np.nan_to_num(values) / top
    np.testing.assert_allclose(image[0, 0].numpy(), expected, atol=1e-5)


def test_grey_and_bilevel_become_rgb(tmp_path, pixels):
    grey = Image.fromarray(pixels[..., 0])
    for mode in ("L", "1"):
        grey.convert(mode).save(tmp_path / "a.png")
        expected = np.repeat(np.asarray(grey.convert(mode).convert("L"))[..., None], 3, 2)
        assert np.array_equal(bytes_of(media.read(tmp_path / "a.png")), expected)


def test_palette_becomes_rgb(tmp_path):
    index = np.arange(20 * 32, dtype=np.uint8).reshape(SHAPE) % 4
    colors = np.array([[9, 8, 7], [200, 0, 30], [0, 255, 4], [77, 66, 250]], np.uint8)
    picture = Image.frombytes("P", SHAPE[::-1], index.tobytes())
    picture.putpalette(colors.ravel().tolist())
    for ending in ("png", "gif"):
        picture.save(tmp_path / f"a.{ending}")
        assert np.array_equal(bytes_of(media.read(tmp_path / f"a.{ending}")), colors[index])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_shows_is_seen_as_it_is_and_what_is_hidden_as_its_surroundings(tmp_path, mode):
    colors = np.full((40, 60, len(mode) - 1), 200, np.uint8)
    colors[:, :30] = 100
    alpha = np.full((40, 60), 255, np.uint8)
    alpha[10:30, 5:12], alpha[:5] = 0, 1
    colors[alpha == 0] = 7
    Image.fromarray(np.dstack([colors, alpha]), mode).save(tmp_path / "a.png")
    seen = bytes_of(media.read(tmp_path / "a.png"))
    assert np.array_equal(seen, np.where(np.arange(60) < 30, 100, 200)[None, :, None] + seen * 0)
    # Nothing of what is hidden steers the method.
    colors[alpha == 0] = 250
    Image.fromarray(np.dstack([colors, alpha]), mode).save(tmp_path / "b.png")
    assert torch.equal(media.read(tmp_path / "a.png"), media.read(tmp_path / "b.png"))


def test_a_picture_that_is_hidden_everywhere_is_white(tmp_path):
    Image.new("RGBA", (20, 20), (9, 8, 7, 0)).save(tmp_path / "a.png")
    assert (media.read(tmp_path / "a.png") == 1).all()


def test_a_transparent_palette_colour_is_not_seen(tmp_path):
    picture = Image.new("P", (20, 20), 1)
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.paste(0, (0, 0, 10, 20))
    picture.save(tmp_path / "a.png", transparency=0)
    assert (bytes_of(media.read(tmp_path / "a.png")) == [200, 100, 50]).all()


def test_cmyk_becomes_rgb(tmp_path):
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[:, :, 0], inks[8:, :, 3] = 255, 128
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.tiff")
    seen = bytes_of(media.read(tmp_path / "a.tiff")).astype(int)
    # Cyan takes away red; black takes away of all.
    assert (seen[:8] == [0, 255, 255]).all()
    assert (np.abs(seen[8:] - [0, 127, 127]) <= 1).all()


# D50-adapted primaries of Display P3 as in its ICC profile, and sRGB's transfer curve.
P3_TO_XYZ = np.array(
    [[0.51512, 0.29198, 0.1571], [0.2412, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
SRGB_TO_XYZ = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.7141]]
)


def p3_profile() -> bytes:
    """A minimal matrix profile with the primaries of Display P3 and a gamma of 2.2."""
    fixed = lambda v: round(v * 65536).to_bytes(4, "big", signed=True)  # noqa: E731
    xyz = lambda v: b"XYZ \0\0\0\0" + b"".join(map(fixed, v))  # noqa: E731
    text = b"wide colours"
    about = b"desc\0\0\0\0" + (len(text) + 1).to_bytes(4, "big") + text + b"\0" * 80
    curve = b"curv\0\0\0\0" + (1).to_bytes(4, "big") + round(2.2 * 256).to_bytes(2, "big") + b"\0\0"
    white = xyz((0.9642, 1, 0.82491))
    columns = [xyz(P3_TO_XYZ[:, i]) for i in range(3)]
    tags = [b"desc", b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"cprt"]
    rights = b"text\0\0\0\0none\0\0\0\0"
    blocks = [about, white, *columns, curve, curve, curve, rights]
    blocks = [block + b"\0" * (-len(block) % 4) for block in blocks]
    offset, table = 128 + 4 + 12 * len(tags), b""
    for tag, block in zip(tags, blocks, strict=True):
        table += tag + offset.to_bytes(4, "big") + len(block).to_bytes(4, "big")
        offset += len(block)
    head = bytearray(128)
    head[0:4], head[8:12] = offset.to_bytes(4, "big"), b"\x02\x40\0\0"
    head[12:24], head[36:40] = b"mntrRGB XYZ ", b"acsp"
    head[68:80] = b"".join(map(fixed, (0.9642, 1, 0.82491)))
    return bytes(head) + len(tags).to_bytes(4, "big") + table + b"".join(blocks)


def p3_in_srgb(pixels: np.ndarray) -> np.ndarray:
    linear = (pixels / 255) ** (563 / 256) @ P3_TO_XYZ.T @ np.linalg.inv(SRGB_TO_XYZ).T
    linear = linear.clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return curved * 255


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_wide_profile_is_converted_to_srgb(tmp_path, mode):
    pixels = smooth(24, 24) // 2 + 60
    picture = Image.fromarray(pixels).convert(mode)
    picture.save(tmp_path / "a.png", icc_profile=p3_profile())
    seen = bytes_of(media.read(tmp_path / "a.png")).astype(float)
    assert np.abs(seen - pixels).max() > 5
    assert np.abs(seen - p3_in_srgb(pixels)).max() <= 2


@pytest.mark.parametrize(
    "profile",
    [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"no profile at all"],
    ids=["srgb", "broken"],
)
def test_an_srgb_or_broken_profile_changes_nothing(tmp_path, pixels, profile):
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=profile)
    assert np.array_equal(bytes_of(media.read(tmp_path / "a.png")), pixels)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_enough_shrinks_by_whole_factors_and_keeps_the_picture(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    Image.fromarray(smooth(600, 1000)).save(path, quality=95)
    assert media.read(path).shape == (1, 3, 600, 1000)
    small = media.read(path, enough=240)
    assert small.shape == (1, 3, 150, 250)
    whole = torch.nn.functional.avg_pool2d(media.read(path), 4)
    assert (small - whole).abs().max() < 0.02


def refusal(path: Path) -> str:
    with pytest.raises(MediaError) as caught:
        media.read(path)
    return str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    assert "a.png does not exist" in refusal(tmp_path / "a.png")
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.parametrize("data", [b"", b"dear diary", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_picture_is_refused(tmp_path, data):
    (tmp_path / "notes.jpg").write_bytes(data)
    assert "notes.jpg is not a picture that can be read; accepted are PNG, JPEG, WebP" in refusal(
        tmp_path / "notes.jpg"
    )


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "gif", "tiff", "bmp", "avif"])
def test_a_picture_that_is_cut_short_is_refused(tmp_path, pixels, ending):
    encoded = BytesIO()
    kind = {"jpg": "JPEG"}.get(ending, ending.upper())
    Image.fromarray(pixels.repeat(8, 0)).save(encoded, kind)
    whole = encoded.getvalue()
    path = tmp_path / f"a.{ending}"
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        assert "cut short" in (said := refusal(path)) or "not a picture" in said


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_never_leaks_anything_but_a_media_error(tmp_path_factory, data):
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "PPM"]))
    encoded = BytesIO()
    Image.fromarray(smooth(24, 24)).save(encoded, kind)
    spoiled = bytearray(encoded.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "spoiled"
    path.write_bytes(spoiled)
    try:
        image = media.read(path)
    except MediaError:
        return
    assert image.shape[1] == 3
    assert 0 <= image.min() <= image.max() <= 1


def test_a_tiny_picture_is_refused_and_the_smallest_is_not(tmp_path):
    for width, height in ((15, 40), (40, 15)):
        Image.new("RGB", (width, height)).save(tmp_path / "a.png")
        said = refusal(tmp_path / "a.png")
        assert f"{width} × {height} pixels; each side must have at least 16" in said
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    assert media.read(tmp_path / "a.png").shape == (1, 3, 16, 16)


@pytest.mark.parametrize("side", [16_001, 40_000])
def test_a_huge_picture_is_refused_by_its_header(tmp_path, side):
    # 16,001² is above our limit, 40,000² is what Pillow takes for an attack.
    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    (tmp_path / "a.png").write_bytes(png((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 99))))
    assert f"{side} × {side} pixels; at most 256 million are accepted" in refusal(
        tmp_path / "a.png"
    )


def test_what_pillow_warns_of_but_we_accept_is_measured(tmp_path):
    header = (15_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    (tmp_path / "a.png").write_bytes(png((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 99))))
    before = Image.MAX_IMAGE_PIXELS
    assert media.measure(tmp_path / "a.png") == (15_000, 15_000)
    assert before == Image.MAX_IMAGE_PIXELS


def test_reading_in_threads_leaves_pillow_as_it_was(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    before, found = Image.MAX_IMAGE_PIXELS, []
    read = lambda: found.append(media.read(tmp_path / "a.png"))  # noqa: E731
    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert before == Image.MAX_IMAGE_PIXELS
    assert all(torch.equal(found[0], other) for other in found)
    assert len(found) == 8


def test_arrays(pixels):
    image = media.from_array(pixels)
    assert torch.equal(media.from_array(pixels.astype(np.float32) / 255), image)
    assert torch.equal(media.from_array(pixels.astype(np.uint16) * 257), image)
    grey = media.from_array(pixels[..., 0])
    assert torch.equal(grey[0, 0], image[0, 0])
    assert torch.equal(grey[0, 2], image[0, 0])


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((20, 20, 4), np.uint8), r"\(H, W, 3\)"),
        (np.zeros((20, 20), np.int64), "uint8"),
        (np.zeros((20, 15), np.uint8), "at least 16"),
        (np.full((20, 20), 255.0), "from 0 to 1"),
        (np.full((20, 20), np.nan), "from 0 to 1"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(array, words):
    with pytest.raises(MediaError, match=words):
        media.from_array(array)


def test_tensors(pixels):
    image = media.from_array(pixels)
    assert torch.equal(media.checked(image[0].double()), image)
    for wrong in (image[:, :2], image.byte(), image * 255, image[..., :3]):
        with pytest.raises(MediaError):
            media.checked(wrong)


def test_numbers_are_cleaned_when_written():
    image = torch.tensor([float("nan"), float("inf"), -1.0, 2.0, 0.5]).expand(1, 3, 16, 5)
    assert np.asarray(media.to_pillow(image))[0, :, 0].tolist() == [0, 255, 0, 255, 128]


def test_a_pillow_picture_is_treated_like_a_file(pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(pixels)))
    turned.info["exif"] = exif.tobytes()
    assert media.measure(turned) == SHAPE
    assert np.array_equal(bytes_of(media.from_pillow(turned)), pixels)
    assert turned.size == SHAPE


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, pixels, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(MediaError, match=r"a\.png cannot be written: No space left on device"):
        media.write(media.from_array(pixels), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.png"]  # noqa: PTH208


def test_an_interrupted_write_leaves_no_part(tmp_path, pixels, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        media.write(media.from_array(pixels), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="no file modes")
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_the_mode_of_a_file_follows_the_umask(tmp_path, pixels, mask):
    before = os.umask(mask)
    try:
        media.write(media.from_array(pixels), tmp_path / "a.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o666 & ~mask


@pytest.mark.skipif(os.name == "nt", reason="links need rights")
def test_a_link_stays_a_link(tmp_path, pixels):
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "a.png").symlink_to("real.png")
    media.write(media.from_array(pixels), tmp_path / "a.png")
    assert (tmp_path / "a.png").is_symlink()
    assert np.array_equal(bytes_of(media.read(tmp_path / "real.png")), pixels)


def test_what_cannot_be_written_is_known_before(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name, words in {
        "a.gif": "must end in .png, .jpg, .jpeg, .webp, .tif, .tiff or .avif",
        "a": "must end in",
        "folder.png": "is a folder",
        "none/a.png": "none does not exist",
    }.items():
        with pytest.raises(MediaError, match=words):
            media.check_writable(tmp_path / name)
    with pytest.raises(MediaError, match="16383 pixels long at most"):
        media.check_writable(tmp_path / "a.webp", long_side=20_000)
    media.check_writable(tmp_path / "a.png", long_side=20_000)
    media.check_writable(tmp_path / "a.csv", endings=(".csv",))
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(MediaError, match="is not writable"):
        media.check_writable(tmp_path / "a.png")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no folder that refuses root too")
def test_a_folder_that_takes_no_files_is_refused():
    with pytest.raises(MediaError, match="/proc is not writable"):
        media.check_writable("/proc/a.png")


@pytest.mark.skipif(os.name == "nt", reason="links need rights")
def test_a_link_that_leads_nowhere_is_no_trap(tmp_path, pixels):
    (tmp_path / "a.png").symlink_to("a.png")
    assert "a.png cannot be read: " in refusal(tmp_path / "a.png")
    media.write(media.from_array(pixels), tmp_path / "a.png")
    assert np.array_equal(bytes_of(media.read(tmp_path / "a.png")), pixels)

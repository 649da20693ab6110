import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from impasto.core.errors import MediaError
from impasto.media import image as small
from impasto.media import large
from impasto.ops.resample import resize

SHAPE = (150, 90)
"""More rows than are read at once."""


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    wave = 128 + 100 * np.sin(x / 9) * np.cos(y / 7)
    return np.stack([x * 255 / width, y * 255 / height, wave], -1).astype(np.uint8)


def all_of(reader: large.Reader, *, step: int = 64) -> torch.Tensor:
    tops = range(0, reader.height, step)
    return torch.cat([reader.strip(y, min(step, reader.height - y)) for y in tops], 2)


@pytest.mark.parametrize("ending", ["png", "tiff", "bmp", "webp", "gif", "ppm", "jpg"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_a_picture_is_read_as_when_it_is_read_whole(tmp_path, pixels, ending, mode):
    path = tmp_path / f"a.{ending}"
    if (ending, mode) in {("jpg", "P"), ("jpg", "1"), ("ppm", "P")}:
        pytest.skip("no such files")
    picture = Image.fromarray(pixels).convert(mode)
    picture.save(path, **({"lossless": True} if ending == "webp" else {}))
    reader, whole = large.Reader(path), small.read(path)
    assert (reader.height, reader.width) == large.measure(path) == SHAPE
    strip = reader.strip(0, 64)
    assert (strip.dtype, strip.shape) == (torch.float32, (1, 3, 64, 90))
    # Two libraries of JPEG may round differently.
    assert (all_of(reader) - whole).abs().max() <= (3.01 / 255 if ending == "jpg" else 0)


def test_it_is_read_as_often_as_needed_in_strips_of_any_height(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    reader = large.Reader(tmp_path / "a.png")
    runs = [all_of(reader, step=step) for step in (64, 1, 150, 37)]
    reader.strip(0, 10)
    runs.append(all_of(reader))
    assert all(torch.equal(run, runs[0]) for run in runs)


def test_a_file_that_changed_is_read_anew(tmp_path, pixels):
    path = tmp_path / "a.png"
    for turned in (pixels, pixels[::-1]):
        Image.fromarray(turned).save(path)
        assert torch.equal(all_of(large.Reader(path)), small.read(path))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "tiff", "jpg", "webp"])
def test_it_is_upright(tmp_path, orientation, ending):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{ending}"
    options = {"lossless": True} if ending == "webp" else {}
    Image.fromarray(smooth(*SHAPE)).save(path, exif=exif, **options)
    whole = small.read(path)
    for step in (64, 7):
        assert (all_of(large.Reader(path), step=step) - whole).abs().max() <= 3.01 / 255
    assert large.measure(path) == tuple(whole.shape[2:])


@pytest.mark.parametrize(("ending", "mode"), [("png", "RGBA"), ("png", "LA"), ("gif", "RGBA")])
def test_what_is_hidden_has_about_the_colours_of_its_surroundings(tmp_path, mode, ending):
    colours = np.full((*SHAPE, len(mode) - 1), 200, np.uint8)
    colours[:75] = 100
    alpha = np.full(SHAPE, 255, np.uint8)
    alpha[10:40, 20:50] = 0
    colours[alpha == 0] = 7
    Image.fromarray(np.dstack([colours, alpha]), mode).save(tmp_path / f"a.{ending}")
    seen = all_of(large.Reader(tmp_path / f"a.{ending}"))
    assert (seen - small.read(tmp_path / f"a.{ending}")).abs().max() <= 0.51 / 255
    assert (seen[:, :, :75] * 255 - 100).abs().max() <= 0.51


def deep_png(path: Path, values: np.ndarray) -> None:
    """Pillow cannot write 16 bits a channel."""
    import pyvips

    height, width, bands = values.shape
    made = pyvips.Image.new_from_memory(values.tobytes(), width, height, bands, "ushort")
    made.copy(interpretation="rgb16").pngsave(str(path))


def test_16_bits_keep_their_depth(tmp_path):
    values = np.random.default_rng(1).integers(0, 65536, (*SHAPE, 4), dtype=np.uint16)
    deep_png(tmp_path / "a.png", values[..., :3])
    seen = all_of(large.Reader(tmp_path / "a.png"))
    expected = values[..., :3].transpose(2, 0, 1) / 65535
    assert np.abs(seen[0].numpy() - expected).max() < 1e-6
    deep_png(tmp_path / "a.png", values)
    seen = all_of(large.Reader(tmp_path / "a.png"))
    shown = values[..., 3] > 0
    assert np.abs(seen[0].numpy() - expected)[:, shown].max() < 1e-6
    Image.fromarray(values[..., 0]).save(tmp_path / "a.png")
    seen = all_of(large.Reader(tmp_path / "a.png"))
    assert torch.equal(seen, small.read(tmp_path / "a.png"))


def p3() -> bytes:
    """A profile that libvips brings along: Display P3."""
    import pyvips

    return bytes(pyvips.Operation.call("profile_load", "p3"))


def test_a_wide_profile_is_converted_to_srgb(tmp_path):
    pixels = smooth(*SHAPE) // 2 + 60
    for mode in ("RGB", "RGBA"):
        Image.fromarray(pixels).convert(mode).save(tmp_path / "a.png", icc_profile=p3())
        seen, whole = all_of(large.Reader(tmp_path / "a.png")), small.read(tmp_path / "a.png")
        assert (whole - small.from_array(pixels)).abs().max() > 5 / 255
        assert (seen - whole).abs().max() <= 2.01 / 255


@pytest.mark.parametrize(
    "profile",
    [ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(), b"no profile at all"],
    ids=["srgb", "broken"],
)
def test_an_srgb_or_broken_profile_changes_nothing(tmp_path, pixels, profile):
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=profile)
    assert torch.equal(all_of(large.Reader(tmp_path / "a.png")), small.from_array(pixels))


@pytest.mark.parametrize("profile", [None, "p3"])
def test_what_libvips_reads_otherwise_is_read_by_pillow(tmp_path, profile):
    inks = np.zeros((*SHAPE, 4), np.uint8)
    inks[:, :, 0], inks[80:, :, 3] = 255, 128
    extra = {"icc_profile": p3()} if profile else {}
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.tiff", **extra)
    values = np.linspace(0, 1, SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
    Image.fromarray(values).save(tmp_path / "b.tiff")
    for name in ("a.tiff", "b.tiff"):
        whole = small.read(tmp_path / name)
        assert (all_of(large.Reader(tmp_path / name)) - whole).abs().max() <= 0.51 / 255


@pytest.mark.parametrize("size", [(75, 45), (37, 22), (300, 180), (151, 89), (40, 90)])
def test_it_is_brought_to_a_size_on_the_way(tmp_path, size):
    Image.fromarray(smooth(*SHAPE)).save(tmp_path / "a.png")
    reader = large.Reader(tmp_path / "a.png", size=size)
    assert (reader.height, reader.width) == size
    seen = all_of(reader, step=16)
    assert seen.shape == (1, 3, *size)
    expected = resize(small.from_array(smooth(*SHAPE)), size)
    difference = (seen - expected).abs()
    # A shift by half a pixel would be 0.008.
    assert difference.mean() < 0.0025
    assert difference[:, :, 2:-2, 2:-2].max() < 0.01


def test_refusals_are_those_of_any_picture(tmp_path):
    (tmp_path / "notes.jpg").write_text("Dear diary")
    (tmp_path / "drawing.png").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="99"/>')
    Image.new("RGB", (15, 200)).save(tmp_path / "thin.png")
    words = {
        "none.png": "none.png does not exist",
        "": "is a folder, not a picture",
        "notes.jpg": "notes.jpg is not a picture that can be read",
        "drawing.png": "drawing.png is not a picture that can be read",
        "thin.png": "each side must have at least 16",
    }
    for name, said in words.items():
        for work in (large.Reader, large.measure):
            with pytest.raises(MediaError, match=said):
                work(tmp_path / name)


def header_of(path: Path, width: int, height: int) -> None:
    """A PNG that says to have so many pixels."""
    import zlib

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    data = b"\x89PNG\r\n\x1a\n"
    for kind, part in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")):
        data += len(part).to_bytes(4, "big") + kind + part
        data += zlib.crc32(kind + part).to_bytes(4, "big")
    path.write_bytes(data)


def test_the_limit_is_higher_than_for_pictures_that_are_decoded_whole(tmp_path):
    path = tmp_path / "a.png"
    header_of(path, 40_000, 30_000)
    with pytest.raises(MediaError):
        small.measure(path)
    assert large.measure(path) == (30_000, 40_000)
    reader = large.Reader(path)
    assert (reader.height, reader.width) == (30_000, 40_000)
    header_of(path, 50_000, 40_001)
    with pytest.raises(MediaError, match="50000 × 40001 pixels; at most 2000 million are accepted"):
        large.measure(path)
    header_of(path, 299_999, 15 + 1000)
    assert large.measure(path) == (1015, 299_999)
    for width, height in ((300_001, 16), (16, 100_000_000)):
        header_of(path, width, height)
        with pytest.raises(MediaError, match="a side can have 300000 at most"):
            large.Reader(path)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("turned", [False, True])
def test_a_picture_that_is_cut_short_is_refused_when_it_is_read(tmp_path, capfd, ending, turned):
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    path = tmp_path / f"a.{ending}"
    noise = np.random.default_rng(0).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, exif=exif)
    data = path.read_bytes()
    for share in (0.3, 0.6, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(MediaError, match=r"cut short|not a picture"):
            all_of(large.Reader(path))
    assert capfd.readouterr() == ("", "")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_never_leaks_anything_but_a_media_error(tmp_path_factory, data):
    from io import BytesIO

    kind = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF"]))
    encoded = BytesIO()
    Image.fromarray(smooth(24, 24)).save(encoded, kind)
    spoiled = bytearray(encoded.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "spoiled"
    path.write_bytes(spoiled)
    try:
        seen = all_of(large.Reader(path, size=(20, 20)))
    except MediaError:
        return
    assert seen.shape == (1, 3, 20, 20)
    assert 0 <= seen.min() <= seen.max() <= 1


def write(image: torch.Tensor, path: Path, *, step: int = 40) -> None:
    with large.writing(path, height=image.shape[2], width=image.shape[3]) as sink:
        for rows in image.split(step, 2):
            sink.write(rows)


def test_it_writes_what_the_small_writer_writes(tmp_path, pixels):
    image = small.from_array(pixels)
    for ending, kind in {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}.items():
        write(image, tmp_path / f"a.{ending}")
        small.write(image, tmp_path / f"b.{ending}")
        seen, other = small.read(tmp_path / f"a.{ending}"), small.read(tmp_path / f"b.{ending}")
        with Image.open(tmp_path / f"a.{ending}") as picture:
            assert (picture.format, picture.mode) == (kind, "RGB")
            assert not {"icc_profile", "exif", "xmp"} & set(picture.info)
            if kind == "JPEG":
                assert [layer[1:3] for layer in picture.layer] == [(1, 1)] * 3
        # Neither should be nearer to the picture than the other.
        loss, usual = ((each - image).square().mean().sqrt() for each in (seen, other))
        assert loss <= 1.1 * usual
    assert torch.equal(small.read(tmp_path / "a.png"), image)


def test_numbers_are_rounded_and_cleaned_as_by_the_small_writer(tmp_path):
    image = torch.rand((1, 3, 70, 40)) * 1.4 - 0.2
    for i, wrong in enumerate((torch.nan, torch.inf, -torch.inf)):
        image[0, i, i] = wrong
    write(image, tmp_path / "a.png", step=9)
    small.write(image, tmp_path / "b.png")
    assert torch.equal(small.read(tmp_path / "a.png"), small.read(tmp_path / "b.png"))


def test_equal_pictures_give_equal_bytes(tmp_path, pixels):
    image = small.from_array(pixels)
    for ending in ("png", "jpg", "webp"):
        for name, step in (("a", 40), ("b", 7)):
            write(image, tmp_path / f"{name}.{ending}", step=step)
        first, second = ((tmp_path / f"{name}.{ending}").read_bytes() for name in "ab")
        assert first == second


@pytest.mark.parametrize("wrong", [KeyboardInterrupt, MediaError, ZeroDivisionError])
def test_a_failure_on_the_way_leaves_the_old_file_and_nothing_else(tmp_path, pixels, wrong):
    image, path = small.from_array(pixels), tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail() -> None:
        with large.writing(path, height=SHAPE[0], width=SHAPE[1]) as sink:
            sink.write(image[:, :, :100])
            raise wrong

    with pytest.raises(wrong):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_too_few_rows_and_a_missing_folder_are_refused(tmp_path, pixels):
    image = small.from_array(pixels)

    def too_few() -> None:
        with large.writing(tmp_path / "a.png", height=SHAPE[0], width=SHAPE[1]) as sink:
            sink.write(image[:, :, :100])

    with pytest.raises(MediaError, match=r"a\.png cannot be written"):
        too_few()
    with pytest.raises(MediaError, match=r"a\.png cannot be written: No such file or directory"):
        write(image, tmp_path / "none" / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk to write to")
def test_a_full_disk_is_said(tmp_path, pixels, monkeypatch):
    monkeypatch.setattr(large, "TemporaryFile", lambda **_: open("/dev/full", "wb", buffering=0))  # noqa: PTH123, SIM115
    with pytest.raises(MediaError, match=r"a\.png cannot be written: No space left on device"):
        write(small.from_array(pixels), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link(tmp_path, pixels):
    (tmp_path / "real.png").write_bytes(b"old")
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    write(small.from_array(pixels), tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert torch.equal(small.read(tmp_path / "real.png"), small.from_array(pixels))


@pytest.mark.skipif(os.name == "nt", reason="no signals to send")
def test_ctrl_c_is_heard_while_the_file_is_encoded(tmp_path, monkeypatch):
    # Tests that a shell runs in its background begin with this signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    rows = torch.rand((1, 3, 64, 2000))
    started = time.monotonic()
    encoding = threading.Event()
    real = large.formats.save
    monkeypatch.setattr(large.formats, "save", lambda *a, **k: (encoding.set(), real(*a, **k))[1])

    def interrupt() -> None:
        assert encoding.wait(20)
        os.kill(os.getpid(), 2)

    thread = threading.Thread(target=interrupt)

    def run() -> None:
        with large.writing(tmp_path / "a.png", height=1920, width=2000) as sink:
            for _ in range(30):
                sink.write(rows)
            thread.start()

    try:
        with pytest.raises(KeyboardInterrupt):
            run()
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - started < 30

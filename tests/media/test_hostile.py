"""Thousands of damaged and lying files, and a matrix of good ones that must be read."""

import random
import resource
import struct
import subprocess
import sys
import time
import zlib
from io import BytesIO
from itertools import product

import numpy as np
import pytest
from PIL import Image

from impasto.core.errors import MediaError
from impasto.media import formats, large
from impasto.media import image as media
from impasto.media.metadata import Metadata

SECONDS = 2
SIDE = 16
KINDS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM")


MODES = {"JPEG": ("RGB", "L", "CMYK"), "PPM": ("RGB", "L"), "GIF": ("P",), "BMP": ("RGB", "P")}
LIES = (b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\0\0\xff\xff")


def chunk(kind: bytes, data: bytes) -> bytes:
    whole = kind + data
    return len(data).to_bytes(4, "big") + whole + zlib.crc32(whole).to_bytes(4, "big")


def passes(interlaced: bool) -> list[tuple[int, int, int, int]]:
    """First column and row and steps of the passes of PNG; section 8.2 of its standard."""
    if not interlaced:
        return [(0, 0, 1, 1)]
    return [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]


def packed(row: np.ndarray, bits: int) -> bytes:
    if bits == 16:
        return row.astype(">u2").tobytes()
    if bits == 8:
        return row.astype(np.uint8).tobytes()
    per = 8 // bits
    padded = np.zeros(-(-row.size // per) * per, np.uint16)
    padded[: row.size] = row.ravel()
    shifts = np.arange(per)[::-1] * bits
    return (padded.reshape(-1, per) << shifts).sum(1).astype(np.uint8).tobytes()


def png(
    samples: np.ndarray, *, color: int, bits: int, interlaced: bool = False, more: bytes = b""
) -> bytes:
    height, width = samples.shape[:2]
    data = b""
    for left, top, across, down in passes(interlaced):
        for row in samples[top::down, left::across]:
            data += b"\0" + packed(row, bits) if row.size else b""
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlaced)
    parts = chunk(b"IHDR", head) + more + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
GOOD = [
    *product((0,), (1, 2, 4, 8, 16)),
    *product((3,), (1, 2, 4, 8)),
    *product((2, 4, 6), (8, 16)),
]


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize(("color", "bits"), GOOD)
def test_every_kind_of_png_is_read_right(tmp_path, color, bits, keyed, interlaced):
    if keyed and color in (4, 6):
        pytest.skip("a key colour stands for alpha, which is there")
    rng = np.random.default_rng(color * 100 + bits)
    samples = rng.integers(0, 2**bits, (19, 21, CHANNELS[color]))
    palette = rng.integers(0, 256, (2**bits, 3)) if color == 3 else None
    more = b""
    if palette is not None:
        more = chunk(b"PLTE", palette.astype(np.uint8).tobytes())
        more += chunk(b"tRNS", b"\0") if keyed else b""
    elif keyed:
        more = chunk(b"tRNS", samples[0, 0].astype(">u2").tobytes())
    path = tmp_path / "a.png"
    path.write_bytes(png(samples, color=color, bits=bits, interlaced=interlaced, more=more))
    colors = samples[..., :3] if color in (2, 6) else samples[..., :1]
    expected = (palette[samples[..., 0]] / 255) if palette is not None else colors / (2**bits - 1)
    shown = np.ones((19, 21), bool)
    if color in (4, 6):
        shown = samples[..., -1] > 0
    elif keyed:
        shown = samples[..., 0] > 0 if color == 3 else (samples != samples[0, 0]).any(-1)
    seen = media.read(path)[0].permute(1, 2, 0).numpy()
    assert np.abs(seen - expected)[shown].max() < 1e-4
    reader = large.Reader(path)
    strips = reader.strip(0, 19)[0].permute(1, 2, 0).numpy()
    assert np.abs(strips - expected)[shown].max() < 1e-4


def originals() -> dict[str, list[bytes]]:
    """Small good files of every format, with and without alpha, profile and EXIF."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (SIDE, SIDE + 2, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Camera"
    made: dict[str, list[bytes]] = {}
    for kind in KINDS:
        modes = {
            "JPEG": ("RGB", "L", "CMYK"),
            "PPM": ("RGB", "L"),
            "GIF": ("P",),
            "BMP": ("RGB", "P"),
        }
        for mode in modes.get(kind, ("RGB", "RGBA")):
            file = BytesIO()
            said = {} if kind in ("PPM", "BMP", "GIF") else {"exif": exif.tobytes()}
            Image.fromarray(pixels).convert("RGB" if mode == "P" else "RGBA").convert(mode).save(
                file, kind, **said
            )
            made.setdefault(kind, []).append(file.getvalue())
    deep = rng.integers(0, 65536, (SIDE, SIDE, 4), dtype=np.uint16)
    said = Metadata(exif=exif.tobytes(), xmp=b"<x/>", dpi=(300.0, 300.0), recipe="{}")
    for ending, kind in ((".png", "PNG"), (".tiff", "TIFF")):
        made[kind].append(formats.encoded(deep, formats.FORMATS[ending], said, quality=None))
    made["PNG"].append(png(rng.integers(0, 16, (SIDE, SIDE, 1)), color=0, bits=4, interlaced=True))
    file = BytesIO()
    Image.fromarray(pixels[..., :3]).save(file, "JPEG", progressive=True)
    made["JPEG"].append(file.getvalue())
    return made


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Cut, changed, doubled, or with a number in its head that lies."""
    spoiled = bytearray(data)
    match chance.randrange(5):
        case 0:
            return data[: chance.randrange(len(data))]
        case 1:
            for _ in range(chance.randint(1, 6)):
                spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        case 2:
            at = chance.randrange(min(64, len(spoiled) - 4))
            spoiled[at : at + 4] = chance.choice(LIES)
        case 3:
            at, end = sorted(chance.randrange(len(spoiled)) for _ in range(2))
            del spoiled[at:end]
        case 4:
            at = chance.randrange(len(spoiled))
            spoiled[at:at] = spoiled[chance.randrange(len(spoiled)) :][:64]
    if spoiled[:4] == b"\x89PNG" and chance.random() < 0.5:
        return mended(bytes(spoiled))
    return bytes(spoiled)


def mended(data: bytes) -> bytes:
    """A PNG with right sums, so that damage gets deeper."""
    out, at = data[:8], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            break
        out += chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return out + data[at:]


def attempt(path) -> bool:
    """Whether a file is read; anything but a `MediaError` is raised."""
    read = True
    for work in (media.describe, media.measure, media.read, lambda p: large.Reader(p).strip(0, 8)):
        # A busy machine is not the file's fault.
        begun, said = time.process_time(), ""
        try:
            work(path)
        except MediaError as error:
            said, read = str(error), False
        assert "\n" not in said
        assert time.process_time() - begun < SECONDS
    return read


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_refused_in_one_sentence_and_at_once(tmp_path, kind):
    chance = random.Random(kind)
    sources = originals()[kind]
    path, count = tmp_path / "spoiled", 640
    for source in sources:
        path.write_bytes(source)
        assert attempt(path)
    refused = 0
    for number in range(count):
        path.write_bytes(damaged(sources[number % len(sources)], chance))
        refused += not attempt(path)
    assert refused > count / 10


BOMB = """
import resource, sys, time
from impasto.core.errors import MediaError
from impasto.media import image, large
large.vips()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
begun = time.process_time()
for work in (large.measure, large.Reader, image.read):
    try:
        work(sys.argv[1])
    except MediaError as error:
        print(error)
    else:
        raise SystemExit("accepted")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(time.process_time() - begun, (after - before) / 1024)
"""


def progressive(width: int, height: int) -> bytes:
    """The header of a progressive JPEG that says to be so large."""
    file = BytesIO()
    Image.new("RGB", (64, 64), "red").save(file, "JPEG", progressive=True)
    data = bytearray(file.getvalue())
    at = data.index(b"\xff\xc2") + 5
    data[at : at + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


def lying_png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 9999)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    "data", [progressive(60_000, 30_000), lying_png(60_000, 60_000)], ids=["jpeg", "png"]
)
def test_bombs_are_refused_by_their_header(tmp_path, data):
    (tmp_path / "bomb").write_bytes(data)
    ran = subprocess.run(
        [sys.executable, "-c", BOMB, tmp_path / "bomb"], capture_output=True, text=True, check=True
    )
    *said, figures = ran.stdout.splitlines()
    seconds, megabytes = map(float, figures.split())
    assert len(said) == 3
    assert seconds < 0.2 * 3
    assert megabytes < 200


def test_a_header_that_promises_more_than_its_file_can_hold_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(lying_png(15_000, 15_000))
    with pytest.raises(MediaError, match="promises 15000 × 15000 pixels and has only"):
        media.read(tmp_path / "a.png")


@pytest.mark.parametrize("ending", ["png", "jpg", "tiff", "webp"])
@pytest.mark.parametrize("strips", [False, True])
def test_a_file_that_may_not_grow_is_one_sentence_and_no_half_file(tmp_path, ending, strips):
    import signal

    import torch

    image = torch.rand((1, 3, 200, 200))
    out = tmp_path / f"a.{ending}"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))

    def work() -> None:
        if not strips:
            media.write(image, out)
            return
        with large.writing(out, height=200, width=200) as sink:
            sink.write(image)

    try:
        with pytest.raises(MediaError, match=r"cannot be written: "):
            work()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_vanishes_is_said(tmp_path):
    import torch

    folder = tmp_path / "gone"
    folder.mkdir()

    def work() -> None:
        with large.writing(folder / "a.png", height=20, width=20) as sink:
            sink.write(torch.rand((1, 3, 20, 20)))
            folder.rmdir()

    with pytest.raises(MediaError, match=r"a\.png cannot be written: No such file"):
        work()


KILLED = """
import sys, os, torch
from impasto.media import large
with large.writing(sys.argv[1], height=4000, width=2000) as sink:
    for _ in range(100):
        sink.write(torch.rand((1, 3, 20, 2000)))
    print("half", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="files without a name")
def test_kill_9_leaves_nothing(tmp_path):
    ran = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path / "a.png"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert ran.stdout
    assert ran.stdout.readline() == "half\n"
    ran.kill()
    ran.communicate()
    assert list(tmp_path.iterdir()) == []

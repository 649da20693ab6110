"""HEIC, as phones make it; the files were written by pillow-heif out of four flat quarters."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.core.errors import ExtraError, MediaError
from impasto.jobs.perform import carry
from impasto.jobs.spec import Job
from impasto.media import image as media
from impasto.media import large

PHONE = Path(__file__).with_name("phone.heic")
"""8 bits, 48 × 32, stored with EXIF that says to turn it by 90° to the right."""
DEEP = Path(__file__).with_name("deep.heic")
"""10 bits, 48 × 32."""
RED, GREEN, BLUE, YELLOW = (200, 40, 40), (40, 180, 60), (50, 70, 200), (230, 220, 60)


def quarters(image: torch.Tensor) -> torch.Tensor:
    """The colours in the middles of the four quarters, in levels of 8 bits."""
    height, width = image.shape[2:]
    rows, columns = [height // 4, 3 * height // 4], [width // 4, 3 * width // 4]
    return (255 * image[0][:, rows][:, :, columns]).permute(1, 2, 0)


def expected(*colors: tuple[int, int, int]) -> torch.Tensor:
    return torch.tensor(colors).view(2, 2, 3)


def test_a_picture_of_a_phone_comes_out_upright():
    seen = media.read(PHONE)
    assert media.measure(PHONE) == seen.shape[2:] == (48, 32)
    turned = expected(BLUE, RED, YELLOW, GREEN)
    assert (quarters(seen) - turned).abs().max() < 3
    assert torch.equal(large.Reader(PHONE).strip(0, 48), seen)


def test_ten_bits_are_not_cut_to_eight():
    seen = media.read(DEEP)
    assert (quarters(seen) - expected(RED, GREEN, BLUE, YELLOW)).abs().max() < 2
    assert media.describe(DEEP).bits == 16
    levels = 255 * seen
    assert (levels - levels.round()).abs().max() > 0.1


def test_what_it_says_goes_with_the_result(tmp_path, tint):
    out = tmp_path / "a.png"
    carry(Job(PHONE, [(Image.new("RGB", (16, 16)), 1.0)], "tint", options={"strength": 0.0}), out)
    with Image.open(out) as made:
        assert (made.getexif()[0x010F], made.getexif().get(0x0112, 1)) == ("Camera", 1)
        pixels = np.asarray(made, np.float32) / 255
    assert np.abs(pixels - media.read(PHONE)[0].permute(1, 2, 0).numpy()).max() < 1e-6


def test_without_its_package_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    sentence = r"HEIC picture; reading it needs pi-heif: pip install 'impasto\[heic\]'"
    for work in (media.measure, media.describe, media.read):
        with pytest.raises(ExtraError, match=sentence):
            work(PHONE)


@pytest.mark.parametrize("source", [PHONE, DEEP])
def test_damage_is_one_sentence(tmp_path, source):
    data, path = source.read_bytes(), tmp_path / "a.heic"
    chance = np.random.default_rng(0)
    said: list[str] = []
    for _ in range(150):
        spoiled = bytearray(data[: chance.integers(1, len(data) + 1)])
        for at in chance.integers(0, len(spoiled), 3):
            spoiled[at] = chance.integers(0, 256)
        path.write_bytes(spoiled)
        for work in (media.describe, media.read, lambda p: large.Reader(p).strip(0, 16)):
            try:
                work(path)
            except MediaError as error:
                said.append(str(error))
    assert len(said) > 100
    assert not any("\n" in sentence for sentence in said)

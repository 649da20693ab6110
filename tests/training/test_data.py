import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.core.errors import MediaError, OptionError
from impasto.training.data import HOLD_OUT, Crops, Pairs, held_out, listed, pictures, split


def test_pictures_are_held_out_by_their_name_alone():
    named = [Path(f"{number}.jpg") for number in range(1000)]
    digests = [hashlib.sha256(path.name.encode()).hexdigest() for path in named]
    assert [held_out(path) for path in named] == [digest[1] == "0" for digest in digests]
    assert [held_out(Path("elsewhere") / path) for path in named] == list(map(held_out, named))
    assert 0.7 / HOLD_OUT < sum(map(held_out, named)) / 1000 < 1.3 / HOLD_OUT


def test_training_and_held_out_pictures_are_apart_and_complete():
    named = [Path(f"{number}.jpg") for number in range(100)]
    rest, held = split(named)
    assert held
    assert not set(rest) & set(held)
    assert sorted(rest + held) == sorted(named)


def test_a_folder_too_small_to_hold_out_serves_for_both():
    named = [path for path in map(Path, "abcdefgh") if not held_out(path)]
    assert split(named) == (named, named)


def test_pictures_are_found_below_in_a_fixed_order(photos: Path):
    (photos / "below").mkdir()
    (photos / "0.png").rename(photos / "below" / "0.PNG")
    (photos / "notes.txt").write_text("no picture")
    assert [path.name for path in pictures([photos])] == [
        *(f"{n}.png" for n in range(1, 6)),
        "0.PNG",
    ]


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_a_folder_without_pictures_is_refused(tmp_path: Path, photos: Path, name: str):
    (tmp_path / "empty").mkdir()
    with pytest.raises(OptionError, match=f"{name} must be a folder with pictures"):
        pictures([photos, tmp_path / name])


def test_a_damaged_picture_is_named_once_and_left_out(tmp_path: Path, photos: Path, caplog):
    (tmp_path / "cut.png").write_bytes(b"no picture")
    paths = [tmp_path / "cut.png", photos / "1.png"]
    crops = Crops(paths, size=32, generator=torch.Generator().manual_seed(0))
    assert crops.plain(20).shape == (20, 3, 32, 32)
    assert [record.getMessage().count("cut.png") for record in caplog.records] == [1]


def test_where_every_picture_is_damaged_one_is_named(tmp_path: Path):
    (tmp_path / "cut.png").write_bytes(b"no picture")
    crops = Crops([tmp_path / "cut.png"], size=32, generator=torch.Generator())
    with pytest.raises(MediaError, match=r"cut\.png"):
        crops.plain(1)


def test_crops_are_made_on_the_device_with_the_same_random_numbers(photos: Path):
    # Of what is on no device only the shape is known, and it goes with nothing that is on another.
    states = []
    for device in (torch.device("meta"), torch.device("cpu")):
        generator = torch.Generator().manual_seed(3)
        crops = Crops(pictures([photos]), size=32, generator=generator, device=device)
        for made in (crops.plain(3), crops.recoloured(3), crops.varied(3)):
            assert made.shape == (3, 3, 32, 32)
            assert made.device.type == device.type
        states.append(generator.get_state())
    assert torch.equal(*states)


def test_crops_follow_from_the_generator(photos: Path):
    def drawn(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return Crops(pictures([photos]), size=32, generator=generator).varied(32)

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_crops_are_pictures_and_varied_ones_differ(photos: Path):
    crops = Crops(pictures([photos]), size=32, generator=torch.Generator().manual_seed(0))
    for x in (crops.plain(64), crops.varied(64)):
        assert x.shape == (64, 3, 32, 32)
        assert x.min() >= 0
        assert x.max() <= 1
    # Noise of single pixels is there, and tiles of 8 pixels have none.
    steps = (x[..., 1:] - x[..., :-1]).abs().flatten(1).median(1).values
    assert (steps > 0.02).sum() >= 3
    assert (steps < 0.02).sum() >= 32


def test_a_crop_holds_the_pixels_of_its_picture(tmp_path: Path):
    Image.new("RGB", (40, 50), (255, 51, 0)).save(tmp_path / "flat.png")
    x = Crops([tmp_path / "flat.png"], size=32, generator=torch.Generator()).plain(3)
    expected = torch.tensor([1.0, 0.2, 0.0]).view(1, 3, 1, 1).expand_as(x)
    torch.testing.assert_close(x, expected)


def test_a_large_picture_is_reduced_so_that_crops_show_things(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (200, 1600, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    x = Crops([tmp_path / "large.png"], size=32, generator=torch.Generator()).plain(4)
    # Each value is the mean of at least 2 × 2.
    assert x.std() < 0.6 * noise.std() / 255


def test_pairs_mix_photographs_and_paintings(monkeypatch: pytest.MonkeyPatch):
    drawn: list[tuple[str, str, int]] = []

    def note(kind: str):
        def draw(self: Crops, count: int) -> torch.Tensor:
            name = self.paths[0].name
            drawn.append((kind, name, count))
            return torch.full((count, 3, 8, 8), float(name == "painting"))

        return draw

    for kind in ("plain", "recoloured", "varied"):
        monkeypatch.setattr(Crops, kind, note(kind))
    generator, device = torch.Generator().manual_seed(0), torch.device("cpu")
    pairs = Pairs(
        [Path("photo")],
        [Path("painting")],
        size=8,
        paintings_share=0.7,
        generator=generator,
        device=device,
    )
    contents, styles, mixed = pairs.contents(5), pairs.styles(1000), pairs.mixed(7)
    assert [kind for kind, _, _ in drawn] == ["plain", *2 * ["recoloured"], *2 * ["varied"]]
    assert not contents.any()
    assert 0.65 < float(styles.mean()) < 0.75
    assert styles.is_contiguous(memory_format=torch.channels_last)
    paintings = mixed.mean((1, 2, 3))
    assert paintings.sum() == 3
    assert paintings.tolist() != sorted(paintings.tolist())


def test_a_list_of_pictures_is_known_by_its_names():
    paths = [Path("a/1.jpg"), Path("a/2.jpg")]
    expected = hashlib.sha256(b"1.jpg\n2.jpg").hexdigest()[:16]
    assert listed(paths) == f"2 of digest {expected}"

import pytest
from PIL import Image

from impasto.cli.main import main
from impasto.media.image import read


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture = Image.effect_noise((40, 32), 80).convert("RGB")
    picture.save("sample.png")


def test_a_texture_is_written_and_a_seed_repeats_it(capsys):
    words = "texture sample.png --size 64x48 --block 12 --seed 2 -q -o"
    assert main([*words.split(), "a.png"]) == 0
    assert capsys.readouterr().out == "a.png\n"
    assert main([*words.split(), "b.png"]) == 0
    one, other, sample = (read(f"{name}.png") for name in ("a", "b", "sample"))
    assert one.shape == (1, 3, 48, 64)
    assert bool((one == other).all())
    assert set(one.unique().tolist()) <= set(sample.unique().tolist())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("texture sample.png", "--output is missing"),
        ("texture sample.png -o a.png --size 640", "size must be WIDTHxHEIGHT in pixels"),
        ("texture sample.png -o a.png --size 64x-4", "size must be WIDTHxHEIGHT in pixels"),
        ("texture sample.png -o a.png --size 64x4", "size must be at least 16 pixels a side"),
        ("texture sample.png -o a.gif", "a.gif must end in"),
        ("texture none.png -o a.png", "none.png does not exist"),
        ("texture sample.png -o a.png --block 50", "block must be at most 32"),
        ("texture sample.png -o a.png --overlap 0.7", "overlap must be a number from 0.05 to 0.5"),
    ],
)
def test_refusals(words, sentence, capsys, tmp_path):
    before = sorted(tmp_path.iterdir())
    assert main(words.split()) == 2
    assert sentence in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from impasto.cli.main import main
from impasto.media.contact import GAP
from impasto.media.image import read
from impasto.nets import petit
from impasto.universal.palette import load_style


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (48, 32), (100, 100, 100)).save("photo.png")
    for name, color in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        Image.new("RGB", (32, 32), color).save(f"{name}.png")


def test_a_row_is_written(tint, capsys, tmp_path):
    words = "blend photo.png -s red.png:5 -s blue.png --method tint --strength 1 --size 48 -q"
    assert main([*words.split(), "--steps", "3", "-o", "row.png"]) == 0
    assert capsys.readouterr().out == "row.png\n"
    row = read("row.png")
    assert row.shape == (1, 3, 32 + 2 * GAP, 3 * 48 + 4 * GAP)
    middles = [row[0, :, GAP + 16, GAP + 24 + n * (48 + GAP)] for n in range(3)]
    half = 0.5 + 0.5 / 255  # Rounded to 8 bits.
    expected = torch.tensor([[1, 0, 0], [half, 0, half], [0, 0, 1]])
    torch.testing.assert_close(torch.stack(middles), expected, atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("blend photo.png -s red.png -o a.png", "2 styles for a row or 4 for a square; got 1"),
        ("blend photo.png -s red.png -s red.png -o a.png --steps 1", "from 2 to 15; got 1"),
        ("blend photo.png -s red.png -s red.png -o a.gif", "a.gif must end in"),
        ("blend photo.png -s red.png -s red.png", "--output is missing"),
        ("measure none.png", "none.png does not exist"),
        ("measure red.png -o red.jpg", "red.jpg must end in .style"),
        ("measure red.png --style-scale 0", "style_scale must be a number from 0.1 to 10"),
    ],
)
def test_refusals(words, sentence, capsys, tmp_path):
    before = sorted(tmp_path.iterdir())
    assert main(words.split()) == 2
    assert sentence in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_a_style_is_measured_to_a_file_next_to_it(capsys):
    assert main(["measure", "red.png"]) == 0
    assert capsys.readouterr().out == "red.style\n"
    assert load_style("red.style").keys() == load_file("red.style").keys()
    assert main(["measure", ":swirl", "-o", "night.style", "--style-scale", "0.5"]) == 0
    measured = load_style("night.style")
    assert measured["size"].tolist() == [384, 512]
    assert {key.partition(".")[0] for key in measured} == {*petit.TAPS, "half", "size"}

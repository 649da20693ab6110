import pytest
import torch

from impasto.cli.main import main
from impasto.media.image import read, write


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    a = torch.rand((1, 3, 20, 24), generator=torch.Generator().manual_seed(0))
    for name, picture in (("a", a), ("a-prime", 1 - a), ("b", a[..., :16])):
        write(picture, f"{name}.png")


def test_what_was_done_to_a_is_done_to_b(capsys):
    """A keeps its scale beside B, so that a piece of A is found in it pixel by pixel."""
    assert (
        main(["analogy", "a.png", "a-prime.png", "b.png", "-o", "out.png", "-q", "--no-remap"]) == 0
    )
    assert capsys.readouterr().err == ""
    away = (read("out.png")[..., :12] - (1 - read("b.png")[..., :12])).abs().amax(1)
    assert (away < 0.01).float().mean() > 0.95
    words = ["analogy", "a.png", "a-prime.png", "b.png", "-o", "out.png", "-q", "--strength", "0"]
    assert main(words) == 2
    assert "out.png exists; --overwrite replaces it" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    assert torch.equal(read("out.png"), read("b.png"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("a.png a-prime.png b.png", "--output is missing"),
        ("none.png a-prime.png b.png -o out.png", "none.png does not exist"),
        ("a.png none.png b.png -o out.png", "none.png does not exist"),
        ("a.png a-prime.png b.png -o b.png", "b.png would overwrite another picture"),
        ("a.png a-prime.png b.png -o a.png", "a.png would overwrite another picture"),
        ("a.png a-prime.png b.png -o out.png --kappa=-1", "kappa must be a number from 0 to 1000"),
        ("a.png a-prime.png b.png -o out.png --unfiltered a.png", "--unfiltered"),
    ],
)
def test_refusals(words, sentence, capsys, tmp_path):
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert main(["analogy", *words.split()]) == 2
    assert sentence in capsys.readouterr().err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from impasto.cli.main import main
from impasto.jobs import sheet as jobs
from impasto.media.contact import GAP
from impasto.media.image import read


@pytest.fixture(autouse=True)
def _here(tint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    Image.fromarray(pixels).save("photo.png")
    for name, color in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        Image.new("RGB", (32, 32), color).save(f"{name}.png")


WORDS = [
    *("sheet", "photo.png", "-s", "red.png", "-s", "blue.png", "--vary", "strength=0,0.5,1"),
    *("--vary", "color=style,luminance", "--method", "tint", "--size", "48", "-q", "-o"),
    "sheet.png",
]


def test_every_cell_is_what_stylize_makes_with_its_settings(capsys):
    assert main([*WORDS, "--cells", "cells"]) == 0
    assert capsys.readouterr().out == "sheet.png\n"
    sheet, files = read("sheet.png"), sorted(Path("cells").iterdir())
    assert len(files) == 12
    assert files[7].name == "008-style-blue.png-strength-0.5-color-style.png"
    rows = (sheet.shape[2] - GAP) // 4
    settings = [
        (strength, style, color)
        for style in ("red", "blue")
        for color in ("style", "luminance")
        for strength in ("0", "0.5", "1")
    ]
    for number, (strength, style, color) in enumerate(settings):
        words = f"stylize photo.png -s {style}.png --method tint --size 48 -o one.png --overwrite"
        assert main([*words.split(), "--strength", strength, "--color", color, "-q"]) == 0
        one = read("one.png")
        assert torch.equal(one, read(files[number]))
        top, left = GAP + number // 3 * rows, GAP + number % 3 * (48 + GAP)
        assert torch.equal(one, sheet[..., top : top + 32, left : left + 48])
        # Below is what the cell was made with.
        label = sheet[..., top + 32 : top + rows - GAP, left : left + 48]
        assert 0.02 < (label < 0.5).float().mean() < 0.5


def test_a_sheet_says_what_its_cells_are_and_each_can_be_made_again(capsys):
    assert main([*WORDS, "--cells", "cells"]) == 0
    capsys.readouterr()
    assert main(["info", "sheet.png"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[7] == "8 style blue.png strength 0.5 color style"
    assert main(["info", "sheet.png", "--cell", "8", "--json"]) == 0
    job = json.loads(capsys.readouterr().out)["job"]
    assert (job["options"]["strength"], job["styles"][0][0]["name"]) == (0.5, "blue.png")
    assert main(["replay", "sheet.png", "--cell", "8", "-o", "eight.png", "-q"]) == 0
    cell = next(path for path in Path("cells").iterdir() if path.name.startswith("008"))
    assert Path("eight.png").read_bytes() == cell.read_bytes()
    for words in ("replay sheet.png", "replay sheet.png --cell 13", "info sheet.png --cell 0"):
        assert main(words.split()) == 2
        assert "cell must be a number from 1 to 12" in capsys.readouterr().err
    assert main(["info", str(cell), "--cell", "1"]) == 2


def test_what_is_done_stays_where_the_user_stops_and_the_same_command_goes_on(
    tint, capsys, monkeypatch
):
    painted = jobs._painted

    def stopping(cell, *args, **words):
        if cell.words["style"] == "blue.png":
            raise KeyboardInterrupt
        return painted(cell, *args, **words)

    monkeypatch.setattr(jobs, "_painted", stopping)
    assert main([*WORDS, "--cells", "cells"]) == 130
    assert "stopped; 6 of 12 pictures are in sheet.png" in capsys.readouterr().err
    sheet = read("sheet.png")
    rows = (sheet.shape[2] - GAP) // 4
    assert torch.equal(sheet[0, :, GAP + 2 * rows + 5, GAP + 5], torch.full((3,), 230 / 255))
    assert sheet[0, :, GAP + 5, GAP + 5].std() > 0
    assert main(["info", "sheet.png"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    monkeypatch.setattr(jobs, "_painted", painted)
    del tint[:]
    assert main([*WORDS, "--cells", "cells", "--overwrite"]) == 0
    frames = [each for each in tint if not isinstance(each, tuple)]
    assert len(frames) == 6
    whole = Path("sheet.png").read_bytes()
    assert main([*WORDS, "--overwrite"]) == 0
    assert Path("sheet.png").read_bytes() == whole


def test_styles_are_blended_on_request_and_prepared_once(tint):
    words = "sheet photo.png -s red.png -s blue.png --blend --vary smooth=0,0.5,1 --method tint"
    assert main([*words.split(), "-o", "sheet.png", "-q"]) == 0
    prepared = [styles for _, styles in (each for each in tint if isinstance(each, tuple))]
    assert [len(styles) for styles in prepared] == [2]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--vary shrength=1,2", "there is no option shrength"),
        ("--vary strength", "vary must be NAME=VALUE"),
        ("--vary strength=0.1 --strength 0.5", "strength is given twice"),
        ("--vary style=none.png -s red.png", "style is given twice"),
        ("--vary mask=none.png", "none.png does not exist"),
        ("--vary method=tint,johnson", "method johnson: johnson takes a style that is a network"),
        ("--cells photo.png", "photo.png cannot be made a folder"),
    ],
)
def test_refusals(words, sentence, capsys, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    style = [] if "style=" in words else ["-s", "red.png"]
    more = ["-s", "blue.png"] if "-s" in words else []
    method = [] if "method" in words else ["--method", "tint"]
    command = ["sheet", "photo.png", *style, *more, *method, "-o", "a.png", "-q", *words.split()]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before

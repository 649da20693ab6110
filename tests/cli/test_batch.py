import io
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from impasto.cli.main import main
from impasto.jobs import folders, memory
from impasto.jobs.replay import recipe_of


@pytest.fixture
def here(tint, tmp_path, monkeypatch):
    """in/0.png, in/sub/1.jpg, in/bad.png, red.png and blue.png; the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("in/sub").mkdir(parents=True)
    for number, name in enumerate(("in/0.png", "in/sub/1.jpg")):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 48, 3), np.uint8)
        Image.fromarray(pixels).save(name)
    Path("in/bad.png").write_text("Dear diary")
    for name, color in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        Image.new("RGB", (20, 20), color).save(f"{name}.png")
    return tmp_path


def stylize(*words: str) -> int:
    return main(["stylize", *words, "--method", "tint"])


def files(folder: str) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in Path(folder).rglob("*") if p.is_file())


def test_a_folder_is_painted_into_another_with_a_summary(here, capsys):
    assert stylize("in", "-s", "red.png", "-o", "out", "--recursive") == 1
    assert files("out") == ["0.png", "sub/1.jpg"]
    said = capsys.readouterr()
    assert said.out.splitlines() == ["out/0.png", "out/sub/1.jpg"]
    assert "impasto: in/bad.png: in/bad.png is not a picture that can be read" in said.err
    assert said.err.endswith("impasto: 2 painted, 1 failed\n")
    Path("in/bad.png").unlink()
    assert stylize("in", "-s", "red.png", "-o", "out", "-r") == 0
    assert capsys.readouterr().err.endswith("impasto: 0 painted, 2 finished before\n")


def test_several_files_patterns_and_suffixes(here, capsys):
    words = ["in/0.png", "in/sub/*", "-s", "red.png", "-o", "out", "--suffix", "-oil"]
    assert stylize(*words) == 0
    assert files("out") == ["0-oil.png", "1-oil.jpg"]


def test_results_beside_their_contents_are_not_painted_again(here, capsys):
    for state in ("1 painted, 1 failed", "0 painted, 1 finished before, 1 failed"):
        assert stylize("in", "-s", "red.png", "-o", "in", "--suffix", "-oil") == 1
        assert capsys.readouterr().err.endswith(f"impasto: {state}\n")
    assert files("in") == ["0-oil.png", "0.png", "bad.png", "sub/1.jpg"]


def test_each_style_by_itself_or_all_blended(here):
    both = ["in/0.png", "in/sub", "-s", "red.png", "-s", "blue.png"]
    assert stylize(*both, "--each", "-o", "out") == 0
    assert files("out") == ["0-blue.png", "0-red.png", "1-blue.jpg", "1-red.jpg"]
    assert len(recipe_of(Path("out/0-red.png")).job.styles) == 1
    assert stylize(*both, "-o", "blended") == 0
    assert len(recipe_of(Path("blended/0.png")).job.styles) == 2


def test_one_picture_goes_into_a_folder_that_is_there(here, capsys):
    Path("out").mkdir()
    assert stylize("in/0.png", "-s", "red.png", "-o", "out") == 0
    assert files("out") == ["0.png"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("in -s red.png", "--output must name a folder for many pictures"),
        ("in/0.png in/sub/1.jpg -s red.png", "--output must name a folder"),
        ("in -s red.png -o out --preview", "preview, every and trace are for one picture"),
        ("in -s red.png -o in", "in/0.png would overwrite another picture of this run"),
        ("in/*.gif -s red.png -o out", "there is no picture in in/*.gif"),
        ("in", "--style is missing"),
        ("in -s red.png:0 -o out", "the weight of style red.png must be"),
        ("in -s red.png -o out --strength 2", "strength must be a number from 0 to 1"),
        ("in -s none.png -o out", "none.png does not exist"),
        ("in -s red.png -o out --size 3", "size must be a whole number of at least 16"),
    ],
)
def test_what_is_wrong_with_all_is_refused_at_once(here, capsys, words, sentence):
    assert stylize(*words.split()) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not Path("out").exists()


def test_a_terminal_gets_two_bars(here, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert stylize("in/0.png", "in/sub", "-s", "red.png", "-o", "out") == 0
    said = capsys.readouterr().err
    assert "all pictures" in said
    assert "2/2" in said
    assert "1.jpg" in said


def test_a_watched_folder_is_painted_as_pictures_come(here, capsys, monkeypatch):
    looks = 0

    def pause(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            Image.new("RGB", (30, 30)).save("in/new.png")
        if looks == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(folders.time, "sleep", pause)
    assert stylize("in", "-s", "red.png", "-o", "out", "--watch") == 1
    assert files("out") == ["0.png", "new.png"]
    assert capsys.readouterr().err.endswith("impasto: 2 painted, 1 failed\n")


def test_ctrl_c_keeps_what_is_finished(here, capsys, monkeypatch):
    from impasto.jobs.perform import Run

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    Path("in/bad.png").unlink()
    monkeypatch.setattr(Run, "begin", stop)
    assert stylize("in", "-s", "red.png", "-o", "out", "-r") == 130
    assert "stopped, and the same command goes on" in capsys.readouterr().err
    monkeypatch.undo()


def test_a_picture_may_come_from_stdin_and_go_to_stdout(here, monkeypatch):
    into, out = io.BytesIO(Path("in/0.png").read_bytes()), io.BytesIO()
    text = io.StringIO()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=into))
    monkeypatch.setattr(
        sys, "stdout", SimpleNamespace(buffer=out, write=text.write, flush=text.flush)
    )
    assert stylize("-", "-s", "red.png", "-o", "-") == 0
    assert text.getvalue() == ""
    Path("piped.png").write_bytes(out.getvalue())
    assert stylize("in/0.png", "-s", "red.png", "-o", "named.png") == 0
    with Image.open("piped.png") as piped, Image.open("named.png") as named:
        assert piped.tobytes() == named.tobytes()


def test_stdin_without_a_name_for_the_result_or_without_a_picture_is_refused(
    here, capsys, monkeypatch
):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO()))
    assert stylize("-", "-s", "red.png") == 2
    assert "--output is needed where CONTENT is -" in capsys.readouterr().err
    assert stylize("-", "-s", "red.png", "-o", "a.png") == 2
    assert capsys.readouterr().err == "impasto: nothing came from stdin\n"


def test_the_settings_of_another_picture(here, capsys):
    words = ["-s", "red.png:2", "-s", "blue.png", "--strength", "0.25", "--size", "32"]
    assert stylize("in/0.png", *words, "--seed", "7", "-o", "first.png") == 0
    assert main(["stylize", "in/sub/1.jpg", "--like", "first.png", "-o", "second.png"]) == 0
    one, two = (recipe_of(Path(name)).job for name in ("first.png", "second.png"))
    assert two == one.model_copy(update={"content": two.content})
    assert two.content.name == "in/sub/1.jpg"
    more = ["--strength", "0.5", "--style", "blue.png", "--seed", "0", "--method", "tint"]
    assert main(["stylize", "in/0.png", "--like", "first.png", *more, "-o", "third.png"]) == 0
    three = recipe_of(Path("third.png")).job
    assert (three.options["strength"], three.seed, three.size) == (0.5, 0, 32)
    assert len(three.styles) == 1
    Path("red.png").unlink()
    assert main(["stylize", "in/0.png", "--like", "first.png"]) == 2
    assert "red.png, from which first.png was made, is not here" in capsys.readouterr().err
    assert main(["stylize", "in/0.png", "--like", "in/0.png"]) == 2
    assert "in/0.png holds no recipe" in capsys.readouterr().err


def test_a_folder_is_planned_in_every_style_and_nothing_is_written(here, capsys, monkeypatch):
    monkeypatch.setattr("impasto.jobs.plan.calibration.pace", lambda: 100.0)
    words = ["in", "-s", "red.png", "-s", "blue.png", "--each", "-r", "-o", "out"]
    assert main(["plan", *words, "--method", "tint"]) == 2
    said = capsys.readouterr()
    rows = [re.split(r"\s{2,}", line) for line in said.out.splitlines()]
    named = [
        f"{path}, {style}.png" for path in ("in/0.png", "in/sub/1.jpg") for style in ("red", "blue")
    ]
    assert [row[0] for row in rows] == ["picture", *named, "all"]
    assert {row[1] for row in rows[1:-1]} == {"48 × 30"}
    assert said.err.startswith("impasto: in/bad.png is not a picture that can be read")
    # 4.5 s a picture are assumed of a method that does not tell; a process starts once for all.
    assert [row[3] for row in rows[1:-1]] == ["11 min"] * 4
    assert rows[-1][1] == f"{100 * (memory.START + 4 * 4.5) / 60:.0f} min"
    assert not Path("out").exists()

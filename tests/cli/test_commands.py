import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from impasto import methods
from impasto.cli.main import COMMANDS, main
from impasto.media.image import from_array, read
from impasto.nets.gallery import works
from impasto.nets.zoo import decoders, models, optimizers, painters
from impasto.painted import describe, names, paint


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_help_lists_the_commands(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"│ {name} " in said for name in COMMANDS)
    assert main([]) == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(capsys, name):
    assert main([name, "--help"]) == 0
    assert f"Usage: impasto {name}" in capsys.readouterr().out


def test_version(capsys):
    import impasto

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{impasto.__version__}\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("stylise a.jpg", 'unknown command "stylise"; did you mean "stylize"?'),
        ("--nonsense", f'"--nonsense"; the commands are {", ".join(COMMANDS)}\n'),
        ("models petit", "there is no place for petit"),
        ("styles :no-such", "must be one of"),
        (
            "styles swirl -o a.gif",
            "a.gif must end in .png, .jpg, .jpeg, .webp",
        ),
        ("styles swirl --size 3", "at least 16"),
        ("styles swirl --size x", "--size must be a whole number; got 'x'"),
        ("evaluate a.png --content a.png --style a.png", "a.png does not exist"),
        ("evaluate a.png --content a.png", "--style is missing"),
        ("evaluate a.png --content a.png --style a.png --style-scale -1", "from 0.1 to 10; got -1"),
    ],
)
def test_refusals(capsys, tmp_path, words, sentence):
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith("impasto: ")
    assert sentence in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_methods_are_listed_with_what_they_do(capsys, tint):
    assert main(["methods"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = dict(line.split(maxsplit=1) for line in lines)
    assert [*shown] == list(methods.names())
    assert shown["tint"] == "Move colours towards the mean colour of the styles."


def test_models_are_listed_with_their_state(capsys):
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    known = [*models(), *decoders(), *painters(), *optimizers()]
    assert [line.split()[0] for line in lines] == known
    assert "bundled" in lines[0]


def test_styles_are_listed_and_painted(capsys):
    assert main(["styles"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = [line.split(maxsplit=1) for line in lines]
    known = [[work.name, f"{work.painter}: {work.about}"] for work in works().values()]
    assert shown == known + [[f":{n}", describe(n)] for n in names()]
    name = names()[0]
    assert main(["styles", f":{name}", "-o", "a.png", "--size", "32", "--seed", "5"]) == 0
    assert capsys.readouterr().out == "a.png\n"
    assert torch.equal(read("a.png"), from_array(paint(name, width=32, height=24, seed=5)))
    assert main(["styles", name, "--size", "32"]) == 0
    assert read(f"{name}.png").shape == (1, 3, 24, 32)
    assert main(["styles", name, "--size", "32"]) == 2
    known = next(iter(works()))
    assert main(["styles", known, "-o", "known.png"]) == 0
    assert torch.equal(read("known.png"), read(works()[known].rendering))


@pytest.fixture
def judge(tmp_path):
    generator = torch.Generator().manual_seed(0)
    state, channels = (
        {"input.weight": torch.eye(3).view(3, 3, 1, 1), "input.bias": torch.zeros(3)},
        3,
    )
    for stage in range(1, 5):
        state[f"conv{stage}_1.weight"] = torch.randn((8, channels, 3, 3), generator=generator) / 5
        state[f"conv{stage}_1.bias"] = torch.zeros(8)
        channels = 8
    save_file(state, tmp_path / "judge.safetensors")
    return "judge.safetensors"


def test_a_result_is_judged_beside_the_trivial_answers(capsys, judge):
    rng = np.random.default_rng(0)
    for name in ("content", "style"):
        Image.fromarray(rng.integers(0, 256, (30, 30, 3), np.uint8)).save(f"{name}.png")
    words = ["evaluate", "content.png", "--content", "content.png", "--style", "style.png"]
    assert main([*words, "--network", judge, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    # The content itself is handed in as the result.
    assert said["result"] | {"answer": ""} == said["copied"] | {"answer": ""}
    assert said["result"]["content"] == 0
    assert said["result"]["ratio"] == 1
    assert said["padding"] == "zeros"
    assert main([*words, "--network", judge]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["answer", "style", "ratio"]
    assert [line.split()[0] for line in lines[1:]] == ["result", "content", "colours", "style"]
    assert lines[1].split()[1] == f"{said['result']['style']:.3f}"


def test_a_judge_that_will_be_pleased_is_told_of(capsys, judge):
    Image.new("RGB", (40, 30), "red").save("photo.png")
    words = ["stylize", "photo.png", "--style", ":swirl", "--method", "gatys", "-q"]
    words += ["--network", judge, "--iterations", "1", "--style-layers", "relu1_1"]
    assert main([*words, "--content-layers", "relu2_1", "-o", "out.png"]) == 0
    judged = ["--content", "photo.png", "--network", judge, "--style"]
    assert main(["evaluate", "out.png", *judged, ":swirl"]) == 0
    assert "out.png was made by looking with judge.safetensors" in capsys.readouterr().err
    style = next(iter(works()))
    assert main(["evaluate", "photo.png", *judged, style]) == 0
    assert f"{style} stands for a rendering of ours" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break in another way")
@pytest.mark.parametrize("buffering", ["", "1"])
def test_a_reader_that_has_read_enough_is_no_error(monkeypatch, buffering):
    monkeypatch.setenv("PYTHONUNBUFFERED", buffering)
    command = [sys.executable, "-m", "impasto", "methods"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_it_runs_as_a_module():
    ran = subprocess.run(
        [sys.executable, "-m", "impasto", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip().count(".") == 2

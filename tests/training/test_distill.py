import csv
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from impasto.cli.main import main
from impasto.nets import petit, zoo
from impasto.nets.fetch import digest
from impasto.training import distill, loop
from impasto.training.loop import CHECKPOINT

OPTIONS = (
    "--steps 24 --rate 0.01 --size 32 --batch 4 --pool 64 --renew 8 --renew-every 4 --visits 1 "
    "--save-every 12 --samples 1 --quiet"
)


def words(teacher: Path, photos: Path, out: Path) -> list[str]:
    named = ["--teacher", teacher, "--data", photos, "--out", out]
    return ["train", "distill", *map(str, named), *OPTIONS.split()]


def contents(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    with safe_open(path, "pt") as file:
        return file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def test_kill_9_costs_nothing(
    teacher: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed
):
    # What is shown does not touch the training; the killed process shows all of it.
    monkeypatch.setattr(distill, "EXAM", 8)
    monkeypatch.setattr(distill, "EXAM_VISITS", 1)
    monkeypatch.setattr(loop.plot, "write_plot", lambda *_: None)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(words(teacher, photos, whole)) == 0
    killed(words(teacher, photos, broken), broken)
    before, _ = contents(broken / CHECKPOINT)
    assert before["step"] == "12"
    assert (broken / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert main(words(teacher, photos, broken)) == 0

    for name in ("petit.safetensors", CHECKPOINT):
        (said, weights), (expected, same) = contents(broken / name), contents(whole / name)
        assert said == expected
        assert weights.keys() == same.keys()
        assert [key for key in same if not torch.equal(weights[key], same[key])] == []
    for name in ("log.csv", "report.json", "samples/step-00024.png"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    check_results(whole, teacher)
    check_refusal(words(teacher, photos, whole))


def check_results(folder: Path, teacher: Path) -> None:
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["12", "24"]
    components = [sum(float(row[f"components {tap}"]) for tap in petit.TAPS) for row in rows]
    assert components[1] < 0.9 * components[0]

    network = zoo.load(folder / "petit.safetensors")
    assert network.pooling == petit.POOLING
    features = network(torch.rand(1, 3, 32, 32), petit.TAPS)
    assert all(bool(features[tap].isfinite().all()) for tap in petit.TAPS)
    assert all(network.metric(tap) is not None for tap in petit.TAPS)
    said, weights = contents(folder / "petit.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert json.loads(said["teachers"]) == {teacher.name: digest(teacher)}
    assert json.loads(said["options"])["batch"] == 4

    report = json.loads((folder / "report.json").read_text())
    for part in ("held_out", "visited"):
        assert list(report[part]) == list(petit.TAPS)
        assert all(0 < mark < 10 for marks in report[part].values() for mark in marks.values())


def check_refusal(command: list[str]) -> None:
    other = [word if word != "4" else "5" for word in command]
    assert main(other) == 2


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"--steps": "0"}, "steps must be a whole number at least 1; got '0'"),
        ({"--data": "nowhere"}, "nowhere must be a folder with pictures"),
        ({"--teacher": "nobody"}, "network must be one of"),
    ],
)
def test_a_refusal_is_one_sentence_and_leaves_nothing(
    teacher: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changed: dict[str, str],
    sentence: str,
):
    command = words(teacher, photos, tmp_path / "out")
    for flag, value in changed.items():
        command[command.index(flag) + 1] = value
    assert main(command) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_ctrl_c_says_how_to_go_on(
    teacher: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(distill, "train", stop)
    assert main(words(teacher, photos, tmp_path / "out")) == 130
    assert capsys.readouterr().err == "impasto: stopped; the same command begins anew\n"

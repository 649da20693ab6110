import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from impasto.cli.main import main
from impasto.core.errors import WeightsError
from impasto.core.options import build
from impasto.nets.decoder import Decoder, StyledDecoder
from impasto.nets.fetch import digest
from impasto.training import adain, decoder, loop, shelves
from impasto.training.decoder import Decoding, decode
from impasto.training.loop import CHECKPOINT
from impasto.training.mirrors import Decode

OPTIONS = "--steps 24 --rate 0.003 --size 32 --batch 2 --save-every 12 --samples 1 --quiet"
METHODS = pytest.mark.parametrize("method", ["wct", "adain"])
RECIPES = [("wct", ()), ("wct", ("--together",)), ("adain", ())]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoder, "EXAM", 2)
    monkeypatch.setattr(decoder, "CHUNK", 2)
    monkeypatch.setattr(adain, "MEASURED", 4)
    monkeypatch.setattr(shelves, "SHELF", 3)
    monkeypatch.setattr(loop.plot, "write_plot", lambda *_: None)


def words(method: str, network: Path, photos: Path, out: Path, *more: str) -> list[str]:
    named = ["--method", method, "--network", network, "--data", photos, "--out", out]
    return ["train", "decoder", *map(str, named), *OPTIONS.split(), *more]


def contents(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    with safe_open(path, "pt") as file:
        return file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the next run off in its middle."""
    losses = Decoding.losses

    def broken(self: Decoding, at: int) -> dict[str, torch.Tensor]:
        if at == step:
            monkeypatch.setattr(Decoding, "losses", losses)
            raise KeyboardInterrupt
        return losses(self, at)

    monkeypatch.setattr(Decoding, "losses", broken)


@pytest.mark.parametrize(("method", "more"), RECIPES)
def test_a_run_broken_off_ends_in_the_bits_of_an_unbroken_one(
    method: str,
    more: Sequence[str],
    teacher: Path,
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(words(method, teacher, photos, whole, *more)) == 0
    stop_at(17, monkeypatch)
    assert main(words(method, teacher, photos, broken, *more)) == 130
    before, _ = contents(broken / CHECKPOINT)
    assert before["step"] == "12"
    assert main(words(method, teacher, photos, broken, *more)) == 0
    for name in (f"{method}.safetensors", CHECKPOINT):
        (said, weights), (expected, same) = contents(broken / name), contents(whole / name)
        assert said == expected
        assert weights.keys() == same.keys()
        assert [key for key in same if not torch.equal(weights[key], same[key])] == []
    for name in ("log.csv", "report.json", "samples/step-00024.png"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    check_results(method, whole, teacher)
    assert main(words(method, teacher, photos, whole, *more, "--seed", "1")) == 2


def check_results(method: str, folder: Path, network: Path) -> None:
    with (folder / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["12", "24"]
    assert float(rows[1]["total"]) < float(rows[0]["total"])
    said, weights = contents(folder / f"{method}.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
    assert json.loads(said["eyes"]) == digest(network)
    assert json.loads(said["teachers"]) == {network.name: digest(network)}
    assert json.loads(said["options"])["batch"] == 2
    assert json.loads(said["steps"]) == 24
    found = json.loads((folder / "report.json").read_text())["held_out"]
    taps = [f"relu{k}_1" for k in range(1, 6)] if method == "wct" else ["relu4_1"]
    assert list(found["returned"]) == taps
    assert all(0 < decibels < 60 for decibels in found["returned"].values())
    assert 0 < found["style"] <= found["worst style"]
    assert found["content"] > 0
    if method == "adain":
        assert StyledDecoder(weights).taps == ("relu4_1", "relu3_1")
    else:
        part = {k.removeprefix("relu3_1."): v for k, v in weights.items() if "relu3_1." in k}
        assert Decoder(part).tap == "relu3_1"


@METHODS
def test_a_training_can_begin_with_the_weights_of_another(
    method: str, teacher: Path, photos: Path, tmp_path: Path
):
    def run(out: str, **more: Any) -> dict[str, torch.Tensor]:
        begin = more.pop("begin", None)
        options = {"size": 32, "batch": 2, "samples": 0, "steps": 1, "method": method} | more
        path = decode(
            build(Decode, options),
            network=str(teacher),
            photos=[photos],
            begin=begin,
            folder=tmp_path / out,
            device=torch.device("cpu"),
        )
        return contents(path)[1]

    first = run("first", seed=1)
    path = tmp_path / "first" / f"{method}.safetensors"
    again = run("again", seed=2, begin=path, rate=1e-9)
    other = run("other", seed=2, rate=1e-9)
    assert all((again[key] - first[key]).abs().max() <= 1e-3 for key in first)
    assert not all((other[key] - first[key]).abs().max() <= 1e-3 for key in first)
    said, _ = contents(tmp_path / "again" / path.name)
    assert json.loads(said["begin"]) == digest(path)
    with pytest.raises(WeightsError, match="cannot be begun with"):
        run("wrong", begin=path, method="adain" if method == "wct" else "wct")


def test_the_teacher_may_be_another_network(
    teacher: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    judge = tmp_path / "judge.safetensors"
    judge.write_bytes(teacher.read_bytes())
    command = words("adain", teacher, photos, tmp_path / "out", "--teacher", str(judge))
    command[command.index("24")] = "2"
    assert main(command) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'adain.safetensors'}\n"
    said, _ = contents(tmp_path / "out" / "adain.safetensors")
    assert json.loads(said["teachers"]) == {"judge.safetensors": digest(judge)}


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"--steps": "0"}, "steps must be a whole number at least 1; got '0'"),
        ({"--method": "gatys"}, "method must be one of wct, adain; got 'gatys'"),
        ({"--data": "nowhere"}, "nowhere must be a folder with pictures"),
        ({"--network": "nobody"}, "network must be one of"),
        ({"--begin": "nothing"}, "nothing cannot be read"),
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
    command = words("adain", teacher, photos, tmp_path / "out", "--begin", str(teacher))
    for flag, value in changed.items():
        command[command.index(flag) + 1] = value
    assert main(command) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_encoder_that_does_not_reach_deep_enough_is_refused(
    teacher: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    from safetensors.torch import load_file, save_file

    state = {key: value for key, value in load_file(teacher).items() if "conv5" not in key}
    shallow = tmp_path / "shallow.safetensors"
    save_file(state, shallow)
    assert main(words("wct", shallow, photos, tmp_path / "out")) == 2
    assert "network must reach relu5_1" in capsys.readouterr().err

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from impasto.core.errors import OptionError
from impasto.core.options import build
from impasto.jobs import calibration, memory, plan
from impasto.jobs.perform import Run
from impasto.jobs.plan import planned
from impasto.jobs.spec import Job
from impasto.methods import load
from impasto.nets import trained
from impasto.nets.transformer import Paper
from impasto.tiles import coarsest, surroundings


@pytest.fixture(autouse=True)
def _paced(monkeypatch):
    monkeypatch.setattr(plan.calibration, "pace", lambda: 1.0)
    monkeypatch.setattr(memory, "free", lambda: 20e9)


RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "plan.json"
"""Whole processes of two threads with AVX-512, one at a time."""
FOUND = json.loads(RESULTS.read_text())


def known(style: str) -> dict[str, torch.Tensor]:
    match style:
        case "style.png":
            return {}
        case "paper.pth":
            return Paper(1).state_dict()
        case "slim.safetensors":
            return trained.bundled().network.state_dict()
    return trained.bundled().known(style)


@pytest.mark.parametrize("row", FOUND["grid"], ids=lambda row: row["name"])
def test_the_estimate_is_near_the_peaks_and_times_that_were_measured(row):
    method = build(load(row["method"]), row["options"])
    budget = memory.Budget(row["method"], method, 20e9, known=[known(row["style"])])
    for ran in row["runs"]:
        size = (ran["side"] * 3 // 4, ran["side"])
        cost = budget.whole(size)
        if ran["tile"]:
            around = {key: ran[key] for key in ("margin", "scale")}
            cost = budget.tiled(size, side=ran["tile"], **around)
        assert 0.9 <= (memory.LOADED + cost.memory) / 1e9 / ran["gb"] <= 1.5, size
        assert 0.5 <= row["pace"] * (memory.START + cost.seconds) / ran["s"] <= 2, size


@pytest.mark.usefixtures("random_weights")
@pytest.mark.parametrize("method", ["adain", "gatys"])
def test_a_plan_has_the_tiles_of_the_run(method, monkeypatch):
    monkeypatch.setattr(memory, "WHOLE", 0)
    monkeypatch.setattr(memory, "SIDES", (64,))
    content = np.random.default_rng(0).integers(0, 256, (150, 100, 3), np.uint8)
    job = Job(content, [(":dabs", 1.0)], method)
    found, run = planned(job), Run(job)
    run.begin()
    assert found.size == run.size
    assert (found.side is None) == run.whole
    if found.side:
        assert (found.side, found.tiles) == (run.side, 3 * 2)
        assert found.margin == surroundings(run.passes)
        assert found.scale == coarsest(run.passes) == 2


def test_what_would_be_refused_is_refused_in_the_same_words():
    job = Job(":dabs", [(":dabs", 1.0)], "gatys", 4000, max_memory=1e9)
    found = planned(job)
    run = Run(job)
    with pytest.raises(OptionError) as refusal:
        run.begin()
    assert found.refusal == str(refusal.value)
    assert "size must be at most" in found.refusal


def test_more_pixels_take_more_of_both():
    for method in ("adain", "wct", "auto", "gatys", "quilting"):
        found = [planned(Job(":dabs", [(":dabs", 1.0)], method, s)) for s in (128, 512, 1600)]
        assert sorted(found, key=lambda each: each.memory) == found
        assert sorted(found, key=lambda each: each.seconds) == found


def test_a_machine_is_measured_once_and_kept(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(calibration, "SECONDS", 0.01)
    first = calibration.pace()
    assert first > 0
    monkeypatch.setattr(calibration, "_measured", lambda: 1 / 0)
    assert calibration.pace() == first
    kept = tmp_path / "cache" / "calibration.json"
    assert list(json.loads(kept.read_text()).values()) == [first]
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    kept.write_text("[[[")
    monkeypatch.setattr(calibration, "_measured", lambda: 3 * calibration.REFERENCE)
    assert calibration.pace() == pytest.approx(3)
    monkeypatch.setattr(calibration, "_measured", lambda: 5 * calibration.REFERENCE)
    assert calibration.pace() == pytest.approx(3)
    assert calibration.pace(anew=True) == calibration.pace() == pytest.approx(5)
    monkeypatch.setattr(calibration, "FORM", calibration.FORM + 1)
    monkeypatch.setattr(calibration, "_measured", lambda: 7 * calibration.REFERENCE)
    assert calibration.pace() == pytest.approx(7)
    assert len(json.loads(kept.read_text())) == 2


def test_a_cache_that_cannot_be_written_is_no_harm(tmp_path, monkeypatch):
    monkeypatch.undo()
    (tmp_path / "file").touch()
    monkeypatch.setenv("IMPASTO_CACHE", str(tmp_path / "file" / "cache"))
    monkeypatch.setattr(calibration, "_measured", lambda: 2 * calibration.REFERENCE)
    assert calibration.pace() == pytest.approx(2)

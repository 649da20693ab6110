import json

import numpy as np
import pytest

from impasto.core.errors import OptionError
from impasto.jobs import calibration, memory, plan
from impasto.jobs.perform import Run
from impasto.jobs.plan import planned
from impasto.jobs.spec import Job


@pytest.fixture(autouse=True)
def _paced(monkeypatch):
    monkeypatch.setattr(plan.calibration, "pace", lambda: 1.0)
    monkeypatch.setattr(memory, "free", lambda: 20e9)


# Peaks of whole processes in bytes, 4 : 3, two threads, AVX-512.
PEAKS = {
    "adain": {256: 0.305e9, 512: 0.341e9, 1024: 0.448e9, 1536: 0.632e9, 2048: 0.598e9},
    "wct": {256: 0.323e9, 512: 0.383e9, 1024: 0.615e9, 1536: 0.938e9, 2048: 0.831e9},
    "auto": {256: 0.372e9, 512: 0.587e9, 1024: 1.213e9},
}


@pytest.mark.parametrize("method", PEAKS)
def test_the_estimate_is_near_the_peaks_that_were_measured(method):
    for size, peak in PEAKS[method].items():
        found = planned(Job(":dabs", [(":dabs", 1.0)], method, size))
        assert 0.9 <= found.memory / peak <= 1.5, size


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
        assert found.margin == max(each.margin for each in run.passes)


def test_what_would_be_refused_is_refused_in_the_same_words():
    job = Job(":dabs", [(":dabs", 1.0)], "gatys", 4000, max_memory=1e9)
    found = planned(job)
    run = Run(job)
    with pytest.raises(OptionError) as refusal:
        run.begin()
    assert found.refusal == str(refusal.value)
    assert "size must be at most" in found.refusal


def test_more_pixels_take_more_of_both():
    for method in ("adain", "wct", "auto", "gatys", "johnson"):
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

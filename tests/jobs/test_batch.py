import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from impasto.jobs.batch import Item, carry_all, finished
from impasto.jobs.perform import carry
from impasto.jobs.spec import Job


@pytest.fixture
def items(tint, tmp_path, monkeypatch):
    """Four jobs; the third content is no picture."""
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (30, 48, 3), np.uint8)
        Image.fromarray(pixels).save(f"in/{number}.png")
    Path("in/2.png").write_text("Dear diary")
    Image.new("RGB", (20, 20), (255, 0, 0)).save("red.png")
    job = Job("", [("red.png", 1.0)], "tint")
    return [
        Item(replace(job, content=f"in/{number}.png"), Path(f"out/sub/{number}.png"))
        for number in range(4)
    ]


def states(items, **words) -> list[str]:
    return [outcome.state for outcome in carry_all(items, **words)]


def test_a_bad_file_stops_nothing_and_each_picture_is_that_of_its_job_alone(items, tint):
    outcomes = list(carry_all(items))
    assert [outcome.item for outcome in outcomes] == items
    assert [o.state for o in outcomes] == ["painted", "painted", "failed", "painted"]
    assert "in/2.png is not a picture" in outcomes[2].reason
    assert sum(isinstance(seen, tuple) for seen in tint) == 1  # One preparation.
    for item in [items[0], items[1], items[3]]:
        carry(item.job, item.out.with_name("alone.png"))
        assert item.out.with_name("alone.png").read_bytes() == item.out.read_bytes()
    assert sorted(path.name for path in Path("out/sub").iterdir()) == [
        "0.png",
        "1.png",
        "3.png",
        "alone.png",
    ]


def test_finished_ones_are_known_by_their_recipe(items):
    assert states(items[:2]) == ["painted", "painted"]
    before = {path: path.stat().st_mtime_ns for path in Path("out/sub").iterdir()}
    assert states(items) == ["finished", "finished", "failed", "painted"]
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    other = [Item(replace(item.job, seed=1), item.out) for item in items[:2]]
    outcomes = list(carry_all(other))
    assert [outcome.state for outcome in outcomes] == ["failed", "failed"]
    assert outcomes[0].reason.endswith("exists and was made otherwise; --overwrite replaces it")
    assert states(other, overwrite=True) == ["painted", "painted"]
    assert states(other) == ["finished", "finished"]


def test_a_changed_content_or_style_is_not_finished(items):
    states(items)
    assert finished(items[0])
    for path in ("in/0.png", "red.png"):
        Image.new("RGB", (48, 30), (1, 2, 3)).save(path)
        assert not finished(items[0])
        states(items, overwrite=True)
        assert finished(items[0])


def test_files_that_others_made_are_not_touched(items):
    Path("out/sub").mkdir(parents=True)
    items[0].out.write_text("Dear diary")
    Image.new("RGB", (48, 30)).save(items[1].out)
    assert states(items[:2]) == ["failed", "failed"]
    assert items[0].out.read_text() == "Dear diary"


def test_none_brings_what_is_begun_to_its_end(items):
    asked = []

    def coming():
        for item in (items[0], items[1], None, items[3], None):
            asked.append(item)
            yield item

    seen = [(len(asked), outcome.item.out.name) for outcome in carry_all(coming())]
    # Both before the next is asked for, and not only once the generator ends.
    assert [name for _, name in seen] == ["0.png", "1.png", "3.png"]
    assert max(number for number, name in seen[:2]) == 3
    assert seen[2][0] == 5


def test_what_nobody_foresaw_fails_one_picture_only(items, monkeypatch):
    from impasto.jobs.perform import Run

    real = Run.made

    def broken(self):
        if self.job.content.endswith("1.png"):
            raise RuntimeError("boom")
        return real(self)

    monkeypatch.setattr(Run, "made", broken)
    outcomes = list(carry_all([items[0], items[1], items[3]]))
    assert [outcome.state for outcome in outcomes] == ["painted", "failed", "painted"]
    assert outcomes[1].reason == "RuntimeError: boom"


def test_a_folder_that_cannot_be_made_fails(items):
    Path("out").write_text("a file")
    outcomes = list(carry_all(items[:1]))
    assert outcomes[0].state == "failed"
    assert "out" in outcomes[0].reason


def test_steps_are_told_with_their_item(items):
    told = []
    list(carry_all(items[:2], report=lambda item, progress: told.append((item, progress.done))))
    assert [item for item, done in told if done == 1] == items[:2]


def test_a_batch_that_was_killed_again_and_again_ends_with_the_same_bytes(tmp_path):
    (tmp_path / "in").mkdir()
    count = 24
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number:02}.png")

    def begun(out: str) -> subprocess.Popen:
        words = ["stylize", "in", "-s", ":dabs", "--method", "adain", "-q", "-o", out]
        return subprocess.Popen(
            [sys.executable, "-m", "impasto", *words],
            cwd=tmp_path,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
        )

    assert begun("whole").wait(timeout=120) == 0
    kills = 0
    for stop in (2, 9, 15):
        running = begun("killed")
        deadline = time.monotonic() + 60
        while running.poll() is None and time.monotonic() < deadline:
            if len(list((tmp_path / "killed").glob("*.png"))) >= stop:
                running.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
                kills += running.wait() != 0
            time.sleep(0.005)
    assert kills >= 2
    assert begun("killed").wait(timeout=120) == 0
    whole, killed = (
        {path.name: path.read_bytes() for path in (tmp_path / folder).glob("[!.]*")}
        for folder in ("whole", "killed")
    )
    assert len(whole) == count
    assert killed == whole


@pytest.mark.usefixtures("random_weights")
def test_a_large_picture_goes_in_tiles_between_the_others(items, monkeypatch):
    from impasto.jobs import memory

    monkeypatch.setattr(memory, "SIDES", (64,))
    monkeypatch.setattr(memory, "WHOLE", 30 * 48)
    large = np.random.default_rng(9).integers(0, 256, (90, 120, 3), np.uint8)
    Image.fromarray(large).save("in/2.png")
    batch = [Item(replace(i.job, method="adain", options={}), i.out) for i in items]
    assert states(batch) == ["painted"] * 4
    with Image.open(batch[2].out) as picture:
        assert picture.size == (120, 90)

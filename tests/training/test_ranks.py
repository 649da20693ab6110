"""Processes that train together."""

import json
import subprocess
import sys

import pytest
import torch

from impasto.training import ranks

TRAINING = """
import sys
from pathlib import Path

import torch
from torch import nn

from impasto.training import ranks
from impasto.training.loop import Course, train

torch.set_num_threads(1)


class Recipe:
    size = (1, 1)

    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)
        self.network = nn.Linear(2, 1, bias=False)
        self.network.weight.data.fill_(0.5)
        self.seen = []

    def start(self):
        pass

    def losses(self, step):
        x = torch.rand(4, 2, generator=self.generator)
        self.seen.append(float(x[0, 0]))
        return {"error": (self.network(x) - x.sum(1, keepdim=True)).square().mean()}

    def show(self, step):
        (Path(sys.argv[1]) / "shown").write_text(f"{ranks.rank()}")

    def state(self):
        return {}

    def restore(self, state):
        pass


ranks.join(torch.device("cpu"))
recipe = Recipe()
course = Course(6, 0.1, save_every=3, log_every=3)
train(recipe, course, folder=Path(sys.argv[1]), identity={})
print("RESULT", ranks.rank(), recipe.network.weight.tolist(), recipe.seen)
"""


def _together(folder):
    script = folder / "training.py"
    script.write_text(TRAINING)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
         str(script), str(folder / "run")],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {}
    for line in done.stdout.splitlines():
        if line.startswith("RESULT"):
            place, rest = line.removeprefix("RESULT ").split(" ", 1)
            weight, seen = rest.split("]] ")
            found[int(place)] = json.loads(weight + "]]"), json.loads(seen)
    return found


def test_two_processes_learn_the_same_from_different_crops(tmp_path):
    found = _together(tmp_path)
    assert found[0][0] == found[1][0] != [[0.5, 0.5]]
    assert not set(found[0][1]) & set(found[1][1])
    assert (tmp_path / "run" / "shown").read_text() == "0"


def test_alone_nothing_is_averaged_and_nothing_drawn_apart():
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    ranks.draw_apart(generator, step=3)
    assert torch.equal(generator.get_state(), before)
    assert ranks.join(torch.device("cpu")) == torch.device("cpu")


def test_crops_of_a_step_are_drawn_again(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    drawn = []
    for step in (4, 5, 4):
        generator = torch.Generator().manual_seed(9)
        ranks.draw_apart(generator, step=step)
        drawn.append(float(torch.rand((), generator=generator)))
    assert drawn[0] == drawn[2] != drawn[1]


def test_losses_are_written_for_tensorboard(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from torch import nn

    from impasto.training.loop import CHECKPOINT, Course, train

    class Recipe:
        size = (1, 1)

        def __init__(self):
            self.generator = torch.Generator().manual_seed(0)
            self.network = nn.Linear(1, 1)

        def start(self):
            pass

        def losses(self, step):
            return {"error": self.network(torch.ones(1, 1)).square().mean()}

        def show(self, step):
            pass

        def state(self):
            return {}

        def restore(self, state):
            pass

    course = Course(4, 0.1, log_every=2, save_every=4)
    train(Recipe(), course, folder=tmp_path, identity={})
    # A run that was broken off had drawn steps that it then did again.
    (tmp_path / CHECKPOINT).unlink()
    train(Recipe(), course, folder=tmp_path, identity={})
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    rows = (tmp_path / "log.csv").read_text().splitlines()[1:]
    assert [event.step for event in events.Scalars("error")] == [2, 4]
    assert events.Scalars("error")[1].value == pytest.approx(float(rows[1].split(",")[-1]), 1e-4)

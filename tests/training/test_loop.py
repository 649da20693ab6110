import csv
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from impasto.core.errors import MediaError, OptionError, WeightsError
from impasto.core.progress import Progress
from impasto.training import loop
from impasto.training.loop import CHECKPOINT, DIGITS, Course, shipped, train

COURSE = Course(steps=25, rate=0.05, averaging=0.8, warm_up=5, log_every=4, save_every=10)


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The drawings that would have been written; matplotlib is slow."""
    paths: list[Path] = []
    monkeypatch.setattr(loop.plot, "write_plot", lambda _, path: paths.append(path))
    return paths


class Line:
    """Fits a line to points by chance; the last points are remembered, as a pool would be."""

    size = (1, 1)

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.generator = torch.Generator().manual_seed(3)
        self.network = nn.Linear(2, 1)
        nn.init.zeros_(self.network.weight)
        nn.init.zeros_(self.network.bias)
        self.fails_at = fails_at
        self.shown: dict[int, Tensor] = {}
        self.met: list[Tensor] = []

    def start(self) -> None:
        self.points = torch.rand((8, 2), generator=self.generator)

    def losses(self, step: int) -> dict[str, Tensor]:
        if step == self.fails_at:
            raise KeyboardInterrupt
        new = torch.rand((2, 2), generator=self.generator)
        self.points = torch.cat([self.points[2:], new])
        self.met.append(self.network.weight.detach().clone())
        error = self.network(self.points)[:, 0] - self.points @ torch.tensor([2.0, -1.0])
        return {"square": error.square().mean(), "size": 1e-3 * self.network.weight.square().sum()}

    def show(self, step: int) -> None:
        self.shown[step] = self.network.weight.detach().clone()

    def state(self) -> dict[str, Tensor]:
        return {"points": self.points}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.points = state["points"]


def run(line: Line, folder: Path, course: Course = COURSE, **identity: object) -> Line:
    folder.mkdir(exist_ok=True)
    train(line, course, folder=folder, identity=identity)
    return line


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("fails_at", [1, 10, 11, 19, 24])
def test_a_broken_run_ends_in_the_bits_of_an_unbroken_one(tmp_path: Path, fails_at: int):
    whole = run(Line(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(Line(fails_at=fails_at), tmp_path / "broken")
    again = run(Line(), tmp_path / "broken")
    assert len(again.met) == 25 - fails_at // 10 * 10
    assert torch.equal(again.network.weight, whole.network.weight)
    assert torch.equal(again.shown[25], whole.shown[25])
    assert (tmp_path / "broken" / "log.csv").read_bytes() == (
        tmp_path / "whole" / "log.csv"
    ).read_bytes()


def test_a_row_is_the_mean_since_the_row_before(tmp_path: Path):
    losses: dict[int, float] = {}

    def note(progress: Progress) -> None:
        if progress.losses:
            losses[progress.step] = progress.losses["total"]

    train(Line(), COURSE, folder=tmp_path, identity={}, report=note)
    found = rows(tmp_path)
    steps = [int(row["step"]) for row in found]
    assert steps == [4, 8, 10, 12, 16, 20, 24, 25]
    for row, first in zip(found, [0, *steps], strict=False):
        passed = range(first + 1, int(row["step"]) + 1)
        mean = sum(losses[step] for step in passed) / len(passed)
        assert float(row["total"]) == pytest.approx(mean, rel=1e-5)
        assert float(row["total"]) == pytest.approx(float(row["square"]) + float(row["size"]), 1e-5)
    assert float(found[-1]["total"]) < 0.3 * float(found[0]["total"])


def test_the_average_is_that_of_the_weights_that_were_met(tmp_path: Path):
    line = run(
        Line(), tmp_path, Course(steps=10, rate=0.05, averaging=0.5, save_every=10, warm_up=1)
    )
    average = line.met[0]
    after = [*line.met[1:], None]
    for step, weight in enumerate(after[:-1]):
        decay = min(0.5, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weight
    # The last weights were never met by a step, so the average after nine steps is compared.
    again = Line()
    run(
        again,
        tmp_path / "nine",
        Course(steps=10, rate=0.05, averaging=0.5, save_every=9, warm_up=1),
    )
    torch.testing.assert_close(again.shown[9], average)
    assert torch.equal(line.network.weight, line.shown[10])


def test_showing_does_not_touch_the_training(tmp_path: Path, drawn: list[Path]):
    often = run(Line(), tmp_path / "often", Course(steps=9, rate=0.05, save_every=1))
    once = run(Line(), tmp_path / "once", Course(steps=9, rate=0.05, save_every=9))
    assert all(torch.equal(a, b) for a, b in zip(often.met, once.met, strict=True))
    assert sorted(often.shown) == list(range(1, 10))
    assert drawn == 9 * [tmp_path / "often" / "loss.png"] + [tmp_path / "once" / "loss.png"]


def test_weights_are_shipped_with_the_digits_that_bfloat16_has():
    layer = nn.Conv2d(5, 7, 3)
    with torch.no_grad():
        # None is so small that fp16 has fewer digits for it.
        layer.weight.copy_(torch.rand((7, 5, 3, 3), generator=torch.Generator().manual_seed(0)))
        layer.weight.sub_(0.5).add_(layer.weight.sign() * 1e-3)
        layer.bias.copy_(torch.tensor([0.0, 1.0, -1.0, 1 / 3, 100.3, -0.02, 1 - 2**-9]))
    found = shipped(layer)
    assert found.keys() == layer.state_dict().keys()
    for name, value in layer.state_dict().items():
        assert found[name].dtype == torch.float16
        assert torch.equal(found[name].bfloat16().float(), found[name].float())
        # Half of the last digit.
        error = (found[name].float() - value).abs()
        assert (error <= value.abs() * 2.0**-DIGITS).all()
    assert found["bias"].tolist()[:3] == [0.0, 1.0, -1.0]
    assert found["bias"][6] == 1


def test_the_rate_rises_and_falls_by_a_cosine():
    course = Course(steps=1000, rate=0.3, warm_up=100)
    assert course.rate_at(0) == pytest.approx(0.003)
    assert course.rate_at(500) == pytest.approx(0.15)
    assert course.rate_at(750) == pytest.approx(0.15 * (1 - math.sqrt(0.5)))
    assert course.rate_at(999) < 1e-6


def test_another_identity_is_refused_and_nothing_is_changed(tmp_path: Path):
    run(Line(), tmp_path, seed=1, names=("a", "b"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(OptionError, match="holds a run with seed 1, which cannot go on with 2"):
        run(Line(), tmp_path, seed=2, names=("a", "b"))
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_a_finished_run_stays_as_it_is(tmp_path: Path):
    first = run(Line(), tmp_path)
    again = run(Line(), tmp_path)
    assert not again.met
    assert torch.equal(again.network.weight, first.network.weight)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path):
    run(Line(), tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="damaged"):
        run(Line(), tmp_path)


def test_a_checkpoint_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(KeyboardInterrupt):
        run(Line(fails_at=12), tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()

    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop, "save_file", full)
    with pytest.raises(MediaError, match="No space left"):
        run(Line(), tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


def test_time_alone_makes_a_checkpoint_at_the_next_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        run(Line(fails_at=9), tmp_path)
    assert len(run(Line(), tmp_path).met) == 25 - 8


def test_a_loss_without_bound_is_refused(tmp_path: Path):
    with pytest.raises(OptionError, match="rate must be lower than 1e"):
        run(Line(), tmp_path, Course(steps=50, rate=1e30, warm_up=1))
    assert not (tmp_path / CHECKPOINT).exists()

import csv

import numpy as np
import pytest
from PIL import Image

from impasto.core.progress import Progress
from impasto.media.plot import write_csv, write_plot


@pytest.fixture
def trace():
    events = []
    for step in range(1, 41):
        size = (24, 32) if step <= 20 else (48, 64)
        terms = {"style relu1_1": 2 / step, "content relu4_2": 0.125, "outside": 0.0}
        events.append(
            Progress("descend", step / 40, step, size, terms | {"total": sum(terms.values())})
        )
    return events


def test_the_table_holds_every_step_and_term(tmp_path, trace):
    late = Progress("descend", 1.0, 41, (48, 64), {"total": 1.0, "variation": 0.5})
    write_csv([*trace, late], tmp_path / "loss.csv")
    with (tmp_path / "loss.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["step", "height", "width", "total"]
    assert [int(row["step"]) for row in rows] == list(range(1, 42))
    assert (rows[19]["height"], rows[20]["width"]) == ("24", "64")
    for row, event in zip(rows, trace, strict=False):
        assert float(row["total"]) == pytest.approx(event.losses["total"], rel=1e-6)
        assert row["variation"] == ""
    assert rows[40]["variation"] == "0.5"
    assert rows[40]["outside"] == ""


def test_the_drawing_shows_the_total_and_the_terms(tmp_path, trace):
    write_plot(trace, tmp_path / "loss.png")
    with Image.open(tmp_path / "loss.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert min(pixels.shape[:2]) >= 600
    dark = (pixels.max(2) < 80).sum()
    red = ((pixels[..., 0] > 150) & (pixels[..., 1] < 90)).sum()
    blue = ((pixels[..., 2] > 110) & (pixels[..., 0] < 70)).sum()
    assert min(dark, red, blue) > 500


def test_equal_traces_give_equal_drawings(tmp_path, trace):
    for name in "ab":
        write_plot(trace, tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("count", [0, 1])
def test_short_runs_are_drawn_too(tmp_path, trace, count):
    write_plot(trace[:count], tmp_path / "loss.png")
    write_csv(trace[:count], tmp_path / "loss.csv")
    assert len((tmp_path / "loss.csv").read_text().splitlines()) == 1 + count
    with Image.open(tmp_path / "loss.png") as picture:
        picture.verify()


def test_drawing_leaves_no_global_figure(tmp_path, trace):
    import sys

    write_plot(trace, tmp_path / "loss.png")
    assert "matplotlib.pyplot" not in sys.modules

"""What `impasto plan` expects beside what whole processes take: every method at five sizes."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image as Pillow
from safetensors.torch import save_file
from skimage import data

from benchmarks.speed import process
from impasto.jobs import calibration
from impasto.jobs.plan import planned
from impasto.jobs.spec import Job
from impasto.nets import trained
from impasto.nets.gallery import works
from impasto.nets.transformer import Paper

LARGE = (256, 512, 768, 1024, 2048)
SMALL = (128, 192, 256, 384, 512)
"""For methods that take minutes for more."""


@dataclass(frozen=True)
class Row:
    """A method with options, and what to plan and to measure with it.

    Attributes:
        method: its name.
        options: what is not as by default.
        style: a file in the folder, or a style's name.
        sizes: long sides of the results in pixels.
    """

    method: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    style: str = "style.png"
    sizes: tuple[int, ...] = LARGE

    @property
    def name(self) -> str:
        """For the table."""
        words = [f"{key} {value}" for key, value in self.options.items()]
        style = [] if self.style == "style.png" else [self.style]
        return ", ".join([self.method, *style, *words])


ROWS = (
    Row("adain"),
    Row("wct"),
    Row("auto", {"quality": "draft"}),
    Row("auto"),
    Row("gatys"),
    Row("gatys", {"optimizer": "adam", "iterations": 30}),
    Row("multistyle", style=next(iter(works()))),
    Row("johnson", style="slim.safetensors"),
    Row("johnson", style="paper.pth"),
    Row("quilting", sizes=SMALL),
    Row("analogies", sizes=SMALL),
)


def plan(rows: tuple[Row, ...] = ROWS) -> dict[str, object]:
    """Peak memory and time of whole processes on 4 : 3 photographs, and what was expected."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder)
        grid = [_measured(row, folder) for row in rows]
    return {"summary": _summary(grid), "grid": grid}


def _summary(grid: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """What was expected over what it took, at the least and at the most."""
    runs = [run for row in grid for run in row["runs"]]
    return {
        f"expected_over_measured_{part}_{word}": round(
            choose(run[f"expected_{part}"] / run[part] for run in runs), 3
        )
        for part in ("gb", "s")
        for word, choose in (("least", min), ("most", max))
    }


def _measured(row: Row, folder: Path) -> dict[str, Any]:
    pace = calibration.pace(anew=True)
    runs = [_one(row, size, folder) for size in row.sizes]
    return {**asdict(row), "name": row.name, "pace": pace, "runs": runs}


def _prepare(folder: Path) -> None:
    """A photograph, a style, and networks of either architecture for one style."""
    Pillow.fromarray(data.coffee()).resize((2048, 1536)).save(folder / "photo.png")
    Pillow.fromarray(data.immunohistochemistry()).resize((1024, 768)).save(folder / "style.png")
    slim = trained.bundled().network.state_dict()
    slim["rows"] = slim["rows"][:2]
    save_file({key: value.contiguous() for key, value in slim.items()}, folder / "slim.safetensors")
    torch.save(Paper(1).state_dict(), folder / "paper.pth")


def _one(row: Row, size: int, folder: Path) -> dict[str, float | None]:
    style = str(folder / row.style) if "." in row.style else row.style
    photo = folder / "photo.png"
    words = [word for key, value in row.options.items() for word in (f"--{key}", str(value))]
    seconds, gigabytes = process(
        *("-m", "impasto", "stylize", str(photo), "--style", style, "--size", str(size)),
        *("-o", str(folder / "out.png"), "--overwrite", "--method", row.method, *words),
    )
    expected = planned(Job(photo, [(style, 1.0)], row.method, size, options=row.options))
    figures = {
        "gb": gigabytes * 1.024**3,
        "expected_gb": expected.memory / 1e9,
        "s": seconds,
        "expected_s": expected.seconds,
    }
    rounded = {key: round(value, 3) for key, value in figures.items()}
    tiles = {"tile": expected.side, "margin": expected.margin, "scale": expected.scale}
    return {"side": size, **rounded, **tiles}

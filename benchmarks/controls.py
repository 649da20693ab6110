"""What each control takes: whole processes at 512 px, with it over without it."""

import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image as Pillow
from skimage import data

from benchmarks.speed import process, stylize

RUNS = 3
SIZE = 512


def controls() -> dict[str, object]:
    """By default, which paints a draft and refines it."""
    return _over("--method", "auto")


def controls_draft() -> dict[str, object]:
    """For a draft, which takes less time itself."""
    return _over("--method", "auto", "--quality", "draft")


def _over(*words: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = [*stylize(folder, SIZE, method="auto")[:-2], *words]
        asked = _asked(folder)
        two = ("--style", str(folder / "other.png"))
        wanted = {"none": (), "none, two styles": two} | {
            control: (*(two if control in TWO else ()), *more) for control, more in asked.items()
        }
        runs: dict[str, list[tuple[float, float]]] = {control: [] for control in wanted}
        process(*base)
        # In turn, so that what else the machine does falls on all alike.
        for _ in range(RUNS):
            for control, more in wanted.items():
                runs[control].append(process(*base, *more))
    found = {
        control: [median(run[i] for run in each) for i in (0, 1)] for control, each in runs.items()
    }
    over = {
        control: [a / b for a, b in zip(own, found[_plain(control)], strict=True)]
        for control, own in found.items()
        if not control.startswith("none")
    }
    worst = [max(over, key=lambda control: over[control][i]) for i in (0, 1)]
    return {
        "summary": {
            "time": {control: row[0] for control, row in over.items()},
            "memory": {control: row[1] for control, row in over.items()},
            "most_time": [worst[0], over[worst[0]][0]],
            "most_memory": [worst[1], over[worst[1]][1]],
        },
        "seconds_and_gb": found,
    }


TWO = ("two masks", "subject of two styles")
"""What is asked with two styles."""


def _plain(control: str) -> str:
    return "none, two styles" if control in TWO else "none"


def _asked(folder: Path) -> dict[str, tuple[str, ...]]:
    """The words of every control; its pictures are drawn into the folder."""
    height, width = 768, 1024
    for side, ending in ((slice(None, 512), "left"), (slice(512, None), "right")):
        mask = np.zeros((height, width), np.uint8)
        mask[:, side] = 255
        Pillow.fromarray(mask).save(folder / f"{ending}.png")
    colors = np.zeros((height, width, 3), np.uint8)
    colors[:384, :512], colors[384:, :512], colors[:, 512:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    Pillow.fromarray(colors).save(folder / "map.png")
    Pillow.fromarray(data.rocket()).resize((width, height)).save(folder / "other.png")
    left, right, kinds = (str(folder / f"{name}.png") for name in ("left", "right", "map"))
    modes = ("luminance", "linear", "linear-symmetric", "histogram", "content-only-colors")
    return {
        **{f"color {mode}": ("--color", mode) for mode in modes},
        "stroke": ("--stroke", "8"),
        "smooth": ("--smooth", "0.5"),
        "mask": ("--mask", left),
        "style mask": ("--style-mask", left),
        "maps of three regions": ("--content-map", kinds, "--style-map", kinds),
        "match regions": ("--match-regions", "4"),
        "subject": ("--subject", "0.2,0.1,0.8,0.9"),
        "protect faces": ("--protect", "faces"),
        "two masks": ("--mask", left, "--mask", right),
        "subject of two styles": ("--subject", "0.2,0.1,0.8,0.9"),
    }

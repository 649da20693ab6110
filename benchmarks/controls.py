"""What each control takes: whole processes at 512 px, with it over without it.

Time is that of the processor, on one thread, which other work on the machine hardly changes.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from skimage import data

from benchmarks.speed import stylize

RUNS = 2
SIZE = 512
MEASURE = """
import resource, subprocess, sys
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
subprocess.run([sys.executable, *sys.argv[1:]], check=True, **quiet)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024**2)
"""


def controls() -> dict[str, object]:
    """By default, which paints a draft and refines it."""
    return _over()


def controls_draft() -> dict[str, object]:
    """For a draft, which takes less time itself."""
    return _over("--quality", "draft")


def _process(*arguments: str) -> tuple[float, float]:
    """Seconds of the processor, and the most memory (GB), of one Python process."""
    command = [sys.executable, "-c", MEASURE, *arguments]
    threads = os.environ | {"OMP_NUM_THREADS": "1"}
    said = subprocess.run(command, env=threads, check=True, capture_output=True)
    seconds, gigabytes = said.stdout.split()
    return float(seconds), float(gigabytes)


def _over(*words: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = [*stylize(folder, SIZE, *words, method="auto")]
        asked = _asked(folder)
        two = ("--style", str(folder / "other.png"))
        wanted = {"none": (), "none, two styles": two} | {
            control: (*(two if control in TWO else ()), *more) for control, more in asked.items()
        }
        runs: dict[str, list[tuple[float, float]]] = {control: [] for control in wanted}
        _process(*base)
        # In turn, so that what else the machine does falls on all alike.
        for _ in range(RUNS):
            for control, more in wanted.items():
                runs[control].append(_process(*base, *more))
    found = {
        control: [min(run[i] for run in each) for i in (0, 1)] for control, each in runs.items()
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

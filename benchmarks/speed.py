"""How long whole processes take, and how much memory they hold at most."""

import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from PIL import Image as Pillow
from skimage import data

from impasto.core.contract import Frame, Style
from impasto.methods.gatys import Gatys
from impasto.nets.vgg import VGG

RUNS = 5
THREADS = {"OMP_NUM_THREADS": "2"}
# VGG-19's convolutions up to relu5_1, where the default layers end.
VGG19 = {"1": (64, 64), "2": (128, 128), "3": (256,) * 4, "4": (512,) * 4, "5": (512,)}


# A process counts the memory of the one that it was forked from, so a small one stands between.
MEASURE = """
import resource, subprocess, sys, time
begin = time.perf_counter()
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
subprocess.run([sys.executable, *sys.argv[1:]], check=True, **quiet)
seconds = time.perf_counter() - begin
print(seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2)
"""


def process(*arguments: str) -> tuple[float, float]:
    """Seconds and the most memory (GB) of one Python process with these arguments."""
    command = [sys.executable, "-c", MEASURE, *arguments]
    said = subprocess.run(command, env=os.environ | THREADS, check=True, capture_output=True)
    seconds, gigabytes = said.stdout.split()
    return float(seconds), float(gigabytes)


def several(*arguments: str, runs: int = RUNS) -> float:
    """The median seconds of some runs, after one that is not counted."""
    return median([process(*arguments)[0] for _ in range(runs + 1)][1:])


def stylize(folder: Path, size: int, *more: str, method: str = "gatys") -> tuple[str, ...]:
    """The arguments of a stylization of a 4 : 3 photograph by a method's defaults."""
    photo = folder / "photo.png"
    if not photo.exists():
        Pillow.fromarray(data.coffee()).resize((2048, 1536)).save(photo)
        Pillow.fromarray(data.immunohistochemistry()).resize((1024, 768)).save(folder / "style.png")
    return (
        *("-m", "impasto", "stylize", str(photo), "--style", str(folder / "style.png")),
        *("-o", str(folder / "out.png"), "--overwrite"),
        *("--size", str(size), "--method", method, *more),
    )


def first_preview(folder: Path) -> float:
    """Seconds from the start of the process to the first preview file, by default."""
    preview = folder / "preview.jpg"
    preview.unlink(missing_ok=True)
    begin = time.perf_counter()
    running = subprocess.Popen(
        [sys.executable, *stylize(folder, 512, "--preview", str(preview), method="auto")],
        env=os.environ | THREADS,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not preview.exists() and running.poll() is None:
        time.sleep(0.005)
    found = time.perf_counter() - begin
    running.wait()
    return found


def vgg19_iteration(size: tuple[int, int], iterations: int = 5) -> float:
    """Median seconds of one L-BFGS iteration of the same code on VGG-19.

    The weights are random: the time does not depend on them, and VGG-19's need not be downloaded.
    """
    generator, state, channels = torch.Generator().manual_seed(0), {}, 3
    for stage, widths in VGG19.items():
        for i, width in enumerate(widths, 1):
            shape = (width, channels, 3, 3)
            deviation = (2 / (9 * channels)) ** 0.5
            state[f"conv{stage}_{i}.weight"] = deviation * torch.randn(shape, generator=generator)
            state[f"conv{stage}_{i}.bias"] = torch.zeros(width)
            channels = width
    network = VGG(state).eval().requires_grad_(requires_grad=False)
    method = Gatys(network=network, iterations=iterations + 1, coarsest=max(size))
    content, style = torch.rand((1, 3, *size)), torch.rand((1, 3, *size))
    stylizer = method.prepare([Style(style)], generator=generator)
    times = [0.0]
    stylizer(Frame(content), report=lambda _: times.append(time.perf_counter()))
    return median(b - a for a, b in pairwise(times[1:]))


def speed() -> dict[str, object]:
    """Whole processes at 512 px, against VGG-19, and from 512 to 2048 px."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = several(*stylize(folder, 512))
        default = several(*stylize(folder, 512, method="auto"))
        empty = several("-c", "pass")
        torch.set_num_threads(2)
        iteration = vgg19_iteration((384, 512))
        larger = {size: process(*stylize(folder, size))[0] for size in (1024, 2048)}
        return {
            "stylize_512_s": whole,
            "default_512_s": default,
            "vgg19_iteration_s": iteration,
            "vgg19_1000_iterations_s": 1000 * iteration,
            "times_faster_than_vgg19": 1000 * iteration / whole,
            "default_times_faster_than_vgg19": 1000 * iteration / default,
            "first_preview_s": median(first_preview(folder) for _ in range(RUNS)),
            "stylize_1024_s": larger[1024],
            "stylize_2048_s": larger[2048],
            "cost_2048_over_512_per_pixel": larger[2048] / whole / 16,
            "help_s": several("-m", "impasto", "--help"),
            "import_s": several("-c", "import impasto") - empty,
            "empty_python_s": empty,
        }


def memory() -> dict[str, object]:
    """Most memory of a whole process, in GB."""
    with tempfile.TemporaryDirectory() as name:
        return {
            f"peak_{size}_gb": process(*stylize(Path(name), size))[1] for size in (512, 1024, 2048)
        }

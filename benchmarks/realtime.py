"""Frames a second of the bundled network on every engine, and the paper's network beside it."""

import time
from collections.abc import Callable
from math import log10
from statistics import median

import numpy as np
import torch
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from impasto.core.machine import quicken
from impasto.media.image import from_array
from impasto.nets import engines, trained
from impasto.nets.transformer import Paper, Transformer
from impasto.nets.vgg import bfloat16_is_fast

SQUARE, VIDEO = (512, 512), (720, 1280)
STYLE = "wave-of-hokusai"
RUNS, WARM, SLOW_RUNS = 20, 3, 5


def photograph(size: tuple[int, int], draw: Callable[[], np.ndarray] = data.coffee) -> Tensor:
    """A photograph with all that photographs have, at this height and width."""
    large = F.interpolate(from_array(draw()), size, mode="bicubic", antialias=True)
    return large.clamp(0, 1)


def steady(run: Callable[[], object], *, runs: int = RUNS) -> float:
    """Least seconds of a call: what else the machine does only adds to them."""
    times = []
    for _ in range(WARM + runs):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def realtime() -> dict[str, object]:
    """Milliseconds a frame of every engine and precision, and how far each is from torch."""
    quicken()
    torch.set_num_threads(2)
    known = trained.bundled()
    row = known.known(STYLE)[trained.ROW][None]
    square = photograph(SQUARE)
    paper = Paper(1).requires_grad_(requires_grad=False)
    paper_s = steady(lambda: eager(paper, square, paper.rows), runs=SLOW_RUNS)
    slim_s = steady(lambda: eager(known.network, square, row))
    precisions = ["float32", "int8", *(["bfloat16"] if bfloat16_is_fast(row.device) else [])]
    rows = {}
    for kind in engines.installed():
        for precision in precisions:
            if precision in engines.PRECISIONS[kind]:
                engine = engines.start(known.network, kind=kind, precision=precision)
                rows[f"{kind} {precision}"] = timed(engine, row) | beside(engine, known)
    best = min(rows, key=lambda name: rows[name]["square_ms"])
    return {
        "summary": {
            "paper_eager_ms": 1000 * paper_s,
            "slim_eager_ms": 1000 * slim_s,
            "torch_ms": rows["torch float32"]["square_ms"],
            "torch_fps": 1000 / rows["torch float32"]["square_ms"],
            "best": best,
            "best_ms": rows[best]["square_ms"],
            "best_fps": 1000 / rows[best]["square_ms"],
            "times_the_paper": 1000 * paper_s / rows[best]["square_ms"],
            "torch_times_the_paper": 1000 * paper_s / rows["torch float32"]["square_ms"],
            "video_fps": 1000 / rows[best]["video_ms"],
            "worst_difference": max(
                found["difference"] for name, found in rows.items() if "float32" in name
            ),
        },
        "engines": rows,
    }


@torch.inference_mode()
def eager(network: Transformer, image: Tensor, row: Tensor) -> Tensor:
    """A network as anybody would run it."""
    return network(image.contiguous(memory_format=torch.channels_last), row)


def timed(engine: engines.Engine, row: Tensor) -> dict[str, float]:
    """Milliseconds of one engine."""
    square, video = photograph(SQUARE), photograph(VIDEO)
    return {
        "square_ms": 1000 * steady(lambda: engine(square, row)),
        "video_ms": 1000 * steady(lambda: engine(video, row), runs=SLOW_RUNS),
    }


def beside(engine: engines.Engine, known: trained.Trained) -> dict[str, float]:
    """How far an engine is from eager torch, in all styles on some photographs; PSNR in dB."""
    far, ratios = 0.0, list[float]()
    for draw in (data.astronaut, data.coffee, data.rocket):
        image = photograph(SQUARE, draw)
        for style in known.styles:
            row = known.mixed(style[None], torch.ones(1), strength=0.5)
            pictures = (engine(image, row), eager(known.network, image, row))
            difference = pictures[0].clamp(0, 1) - pictures[1].clamp(0, 1)
            far = max(far, float(difference.abs().max()))
            ratios.append(-10 * log10(max(1e-12, float(difference.square().mean()))))
    return {"difference": far, "psnr_db": min(ratios), "psnr_db_median": median(ratios)}

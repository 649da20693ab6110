"""Frames a second of the bundled network on every engine, and the paper's network beside it."""

import time
from collections.abc import Callable
from math import log10

import torch
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from impasto.media.image import from_array
from impasto.nets import engines, trained
from impasto.nets.transformer import Paper, Transformer
from impasto.nets.vgg import bfloat16_is_fast

SQUARE, VIDEO = (512, 512), (720, 1280)
STYLE = "wave-of-hokusai"
RUNS, WARM, SLOW_RUNS = 20, 3, 5


def photograph(size: tuple[int, int]) -> Tensor:
    """A photograph with all that photographs have, at this height and width."""
    large = F.interpolate(from_array(data.coffee()), size, mode="bicubic", antialias=True)
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
    torch.set_flush_denormal(True)
    torch.set_num_threads(2)
    known = trained.bundled()
    row = known.known(STYLE)[trained.ROW][None]
    square, video = photograph(SQUARE), photograph(VIDEO)
    plain = eager(known.network, square, row)
    paper = Paper(1).requires_grad_(requires_grad=False)
    paper_s = steady(lambda: eager(paper, square, paper.rows), runs=SLOW_RUNS)
    slim_s = steady(lambda: eager(known.network, square, row))
    precisions = ["float32", "int8", *(["bfloat16"] if bfloat16_is_fast(row.device) else [])]
    rows = {}
    for kind in engines.installed():
        for precision in precisions:
            if precision in engines.PRECISIONS[kind]:
                engine = engines.start(known.network, kind=kind, precision=precision)
                rows[f"{kind} {precision}"] = measured(engine, row, square, video, plain)
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


def measured(
    engine: engines.Engine, row: Tensor, square: Tensor, video: Tensor, plain: Tensor
) -> dict[str, float]:
    """One engine: its times, and its largest difference from eager torch and PSNR in dB."""
    difference = engine(square, row).clamp(0, 1) - plain.clamp(0, 1)
    return {
        "square_ms": 1000 * steady(lambda: engine(square, row)),
        "video_ms": 1000 * steady(lambda: engine(video, row), runs=SLOW_RUNS),
        "difference": float(difference.abs().max()),
        "psnr_db": -10 * log10(max(1e-12, float(difference.square().mean()))),
    }

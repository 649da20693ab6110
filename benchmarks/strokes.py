"""Whether strokes are as large in a print as in its preview, side by side."""

from statistics import median

import torch
from torch import Tensor

import impasto
from benchmarks.pairs import STYLES, picture
from benchmarks.quality import PICTURES, need_shared
from impasto.media.image import write
from impasto.ops.stroke import stroke

PREVIEW, PRINT = 512, 2048
"""Long sides in pixels."""
ASKED = 12.0
"""Pixels of a stroke, in both."""
CHOSEN = ("night", "scream", "smoker")
METHODS = ("adain", "wct", "quilting", "auto", "gatys")


def strokes() -> dict[str, object]:
    """Strokes of preview and print in pixels, by the peak of the spectrum, and their ratio.

    A photograph has shapes of its own, and a method that keeps them gives back their spectrum. So a
    cloud is painted whose power falls with the square of frequency: no scale is its own.
    """
    need_shared()
    PICTURES.mkdir(parents=True, exist_ok=True)
    content, rows = cloud(PRINT), {}
    for method in METHODS:
        for name in CHOSEN:
            style = picture(STYLES[name], long_side=1024)
            sizes = []
            for side in (PREVIEW, PRINT):
                out = impasto.stylize(content, style, method=method, stroke=ASKED, size=side)
                write(out[..., :PREVIEW, :PREVIEW], PICTURES / f"stroke-{method}-{name}-{side}.png")
                sizes.append(size(out))
            rows[f"{method} {name}"] = [*sizes, sizes[1] / sizes[0]]
    apart = {pair: abs(ratio - 1) for pair, (*_, ratio) in rows.items()}
    worst = max(apart, key=lambda pair: apart[pair])
    return {
        "summary": {"print_over_preview_worst": [worst, rows[worst][2]], "asked": ASKED},
        "preview_print_ratio": rows,
    }


def cloud(side: int) -> Tensor:
    """A square of noise whose power falls with the square of frequency, (1, 3, side, side)."""
    generator = torch.Generator().manual_seed(0)
    down, across = torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)
    frequency = (down**2 + across**2).sqrt().clamp_min(1 / side)
    noise = torch.fft.rfft2(torch.randn((3, side, side), generator=generator))
    made = torch.fft.irfft2(noise / frequency, s=(side, side))
    made = 0.5 + 0.18 * (made - made.mean()) / made.std()
    return made.clamp(0, 1)[None]


def size(image: Tensor) -> float:
    """Strokes in pixels: the median over windows as large as the preview."""
    windows = image.unfold(2, PREVIEW, PREVIEW).unfold(3, PREVIEW, PREVIEW)
    flat = windows.permute(2, 3, 0, 1, 4, 5).reshape(-1, 1, 3, PREVIEW, PREVIEW)
    return median(stroke(window) for window in flat)

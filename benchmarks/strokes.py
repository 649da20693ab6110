"""Whether strokes are as large in a print as in its preview, side by side."""

import torch
from torch import Tensor

import impasto
from benchmarks.pairs import STYLES, picture
from benchmarks.quality import PICTURES, need_shared
from impasto.media.image import write
from impasto.ops.stroke import OCTAVE, spectrum, stroke

PREVIEW, PRINT = 512, 2048
"""Long sides in pixels."""
COLUMNS = ("preview_peak", "print_peak", "stretch")
PREVIEWS = 6
"""The spectrum of one is not sure where it is flat."""
ASKED = 12.0
"""Pixels of a stroke, in both."""
CHOSEN = ("night", "scream", "smoker")
METHODS = ("adain", "wct", "auto", "gatys")


def strokes() -> dict[str, object]:
    """Strokes of previews and print in pixels, by their spectra.

    A photograph has shapes of its own, and a method that keeps them gives back their spectrum. So
    noise is painted, as large as the result and at full strength.
    """
    need_shared()
    PICTURES.mkdir(parents=True, exist_ok=True)
    rows = {}
    for method in METHODS:
        for name in CHOSEN:
            style = picture(STYLES[name], long_side=1024)
            previews = [painted(style, PREVIEW, method, seed) for seed in range(PREVIEWS)]
            whole = painted(style, PRINT, method, PREVIEWS)
            windows = whole.unfold(2, PREVIEW, PREVIEW).unfold(3, PREVIEW, PREVIEW)
            parts = windows.permute(2, 3, 0, 1, 4, 5).reshape(-1, 3, PREVIEW, PREVIEW)
            both = torch.cat([previews[0], parts[:1]], 3)
            write(both, PICTURES / f"stroke-{method}-{name}.png")
            small, large = torch.cat(previews), parts
            found = [stroke(small), stroke(large), stretch(spectrum(small), spectrum(large))]
            rows[f"{method} {name}"] = dict(zip(COLUMNS, found, strict=True))
            print(method, name, found, flush=True)
    apart = {pair: abs(row["stretch"] - 1) for pair, row in rows.items()}
    worst = max(apart, key=lambda pair: apart[pair])
    return {"summary": {"worst": worst, "stretch": rows[worst]["stretch"]}, "pairs": rows}


def stretch(preview: Tensor, print_: Tensor) -> float:
    """By how much the spectrum of a preview must be stretched to lie best on that of a print.

    The peak by itself is not sure where a spectrum is flat, or has two humps as high.
    """
    fits = {}
    for moved in range(-OCTAVE, OCTAVE + 1):
        ours, theirs = preview[OCTAVE + moved :], print_[OCTAVE:]
        bands = len(preview) - 2 * OCTAVE
        both = torch.stack([ours[:bands], theirs[:bands]])
        fits[moved] = torch.corrcoef(both)[0, 1].item()
    return 2 ** (max(fits, key=lambda moved: fits[moved]) / OCTAVE)


def painted(style: Tensor, side: int, method: str, seed: int) -> Tensor:
    """A square of noise in a style, (1, 3, side, side)."""
    noise = torch.rand((1, 3, side, side), generator=torch.Generator().manual_seed(seed))
    return impasto.stylize(noise, style, method=method, stroke=ASKED, size=side, strength=1.0)

"""Whether strokes are as large in a print as in its preview, side by side."""

import torch
from torch import Tensor

import impasto
from benchmarks.pairs import CONTENTS, STYLES, picture
from benchmarks.quality import PICTURES, need_shared
from impasto.media.image import write
from impasto.ops.stroke import OCTAVE, spectrum, stroke

PREVIEW, PRINT = 512, 2048
"""Long sides in pixels."""
COLUMNS = ("preview_peak", "print_peak", "stretch")
ASKED = 16.0
"""Pixels of a stroke, in both."""
CHOSEN = ("night", "scream", "smoker")
METHODS = {"adain": CHOSEN, "wct": CHOSEN, "auto": CHOSEN, "gatys": CHOSEN[:1]}
"""And their styles; a print by `gatys` takes minutes."""


def strokes() -> dict[str, object]:
    """Strokes of previews and print in pixels, by their spectra.

    A photograph has shapes of its own, and a method that keeps them gives back their spectrum. So
    the print is of a wall of such photographs, each as large as the preview, every other mirrored;
    and the spectrum is that of what is painted, the result less the photograph.
    """
    need_shared()
    PICTURES.mkdir(parents=True, exist_ok=True)
    photo, rows = picture(CONTENTS["face"], long_side=PREVIEW), {}
    for method, names in METHODS.items():
        for name in names:
            style = picture(STYLES[name], long_side=1024)
            changes = []
            for content in (photo, wall(photo)):
                side = content.shape[3]
                out = impasto.stylize(content, style, method=method, stroke=ASKED, size=side)
                write(out[..., :PREVIEW, :PREVIEW], PICTURES / f"stroke-{method}-{name}-{side}.png")
                changes.append(windows(out - content))
            small, large = changes
            found = [stroke(small), stroke(large), stretch(spectrum(small), spectrum(large))]
            rows[f"{method} {name}"] = dict(zip(COLUMNS, found, strict=True))
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


def wall(photo: Tensor) -> Tensor:
    """Sixteen of a picture, every other mirrored so that they join."""
    row = torch.cat([photo, photo.flip(3)] * 2, 3)
    return torch.cat([row, row.flip(2)] * 2, 2)


def windows(image: Tensor) -> Tensor:
    """Squares as large as the preview, (N, 3, PREVIEW, PREVIEW)."""
    parts = image.unfold(2, PREVIEW, PREVIEW).unfold(3, PREVIEW, PREVIEW)
    return parts.permute(2, 3, 0, 1, 4, 5).reshape(-1, 3, PREVIEW, PREVIEW)

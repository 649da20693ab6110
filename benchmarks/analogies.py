"""Image analogies and PatchMatch: how quick, and how near PatchMatch comes to the nearest."""

import time

import torch

from benchmarks.pairs import CONTENTS, STYLES, picture
from benchmarks.quality import need_shared
from benchmarks.universal import stylized
from impasto.ops.patches import nearest, patchmatch
from impasto.ops.resample import resize

ROWS = range(0, 506, 100)
"""Rows of patches that are also searched exhaustively."""


def analogies() -> dict[str, object]:
    """One picture of 512 × 512 by the defaults, and PatchMatch from one such picture to another."""
    need_shared()
    torch.set_num_threads(2)
    content = resize(picture(CONTENTS["town"], long_side=512), (512, 512))
    style = resize(picture(STYLES["night"], long_side=512), (512, 512))
    generator = torch.Generator().manual_seed(0)
    compiled = _seconds(lambda: patchmatch(content, style, iterations=1, generator=generator))
    found = patchmatch(content, style, generator=generator).distance[list(ROWS)].sqrt().mean()
    exact = torch.cat([nearest(content[:, :, y : y + 7], style, patch=7).distance for y in ROWS])
    return {
        "patchmatch_first_s": compiled,
        "patchmatch_512_s": _seconds(lambda: patchmatch(content, style, generator=generator)),
        "distance_over_exhaustive": float(found / exact.sqrt().mean()),
        "analogies_512_s": _seconds(lambda: stylized("analogies", content, style)),
    }


def _seconds(work) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
